"""Which file of a release fits a target: wheel tags by platform, Python and C library (PEP 425, PEP 600)."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from shipway.core.platform import machine_name

_OLDEST = {"x86_64": 5, "aarch64": 17}
"""The first glibc 2.x that wheels of the machine were ever tagged for."""
_MUSL = 1
"""The major version that musl has had since 2014, and glibc until 1997."""
_NEWEST = 99
"""A minor version that no C library will have soon."""
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def wheel_platforms(platform: str, glibc: tuple[int, int]) -> tuple[str, ...]:
    """Platform tags that run there, best first. `linux_x86_64` is none of them: it promises nothing about the C library.

    A `glibc` of (1, 2) is musl 1.2 (PEP 656).
    """
    machine = machine_name(platform)
    if glibc[0] == _MUSL:
        return tuple(f"musllinux_1_{minor}_{machine}" for minor in range(glibc[1], -1, -1))
    found = []
    for minor in range(glibc[1], _OLDEST[machine] - 1, -1):
        found.append(f"manylinux_2_{minor}_{machine}")
        if minor in _LEGACY:
            found.append(f"{_LEGACY[minor]}_{machine}")
    return tuple(found)


def name_built(filename: str, platform: str, glibc: tuple[int, int]) -> str:
    """The name of a wheel that was built there, with the C library that it was linked with in place of `linux_x86_64`."""
    plain = f"-linux_{machine_name(platform)}.whl"
    if not filename.endswith(plain):
        return filename
    return f"{filename.removesuffix(plain)}-{wheel_platforms(platform, glibc)[0]}.whl"


@functools.lru_cache(maxsize=64)
def _ranks(platform: str, minor_version: str, glibc: tuple[int, int]) -> dict[str, int]:
    major, minor = (int(part) for part in minor_version.split(".")[:2])
    platforms = wheel_platforms(platform, glibc)
    interpreter = f"cp{major}{minor}"
    tags = [*cpython_tags((major, minor), abis=[interpreter], platforms=platforms)]
    tags += compatible_tags((major, minor), interpreter=interpreter, platforms=platforms)
    return {str(tag): rank for rank, tag in reversed(list(enumerate(tags)))}


def find_wheel(
    filenames: Iterable[str], platform: str, minor_version: str, glibc: tuple[int, int]
) -> str | None:
    """The file name that fits best, or None. Equal tags: the higher build number, then the name; order does not matter."""
    ranks = _ranks(platform, minor_version, glibc)
    fitting = []
    for filename in filenames:
        try:
            _, _, build, tags = parse_wheel_filename(filename)
        except InvalidWheelFilename:
            continue
        rank = min((ranks[str(tag)] for tag in tags if str(tag) in ranks), default=None)
        if rank is not None:
            fitting.append((rank, tuple(-number for number in build[:1]), filename))
    return min(fitting)[2] if fitting else None


def describe_misfit(
    filenames: Iterable[str], platform: str, minor_version: str, glibc: tuple[int, int]
) -> str:
    """Why none of `filenames` fits, for a message: what is wanted and what there is."""
    names = sorted(filenames)
    libc = "musl" if glibc[0] == _MUSL else "glibc"
    wanted = f"Python {minor_version} on {platform} with {libc} {glibc[0]}.{glibc[1]}"
    if not names:
        return f"no wheel at all for {wanted}"
    tags = sorted({"-".join(name.removesuffix(".whl").split("-")[-3:]) for name in names})
    shown = ", ".join(tags[:4]) + (", …" if len(tags) > 4 else "")  # noqa: PLR2004 - enough to see why
    newer = find_wheel(names, platform, minor_version, (glibc[0], _NEWEST))
    remedy = ", but a base with a newer C library could use one" if newer else ""
    return f"no wheel for {wanted} (there are: {shown}){remedy}"
