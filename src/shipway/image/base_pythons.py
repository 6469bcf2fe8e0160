"""The interpreters of an image and the distributions that each imports from: by names of files, nothing of it is run.

Where an interpreter looks: documentation of the modules `site` and `sysconfig`, PEP 405 for virtual environments, Debian's
Python policy 2.2 and 2.5 for `dist-packages`.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name

from shipway.core.base_facts import FoundPython

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shipway.image.base_files import BaseFiles

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What engines set for an image that says nothing."""
_NAMES = re.compile(r"python3\.\d{1,2}\Z", re.ASCII)
_REAL = re.compile(r"python(?:3(?:\.(\d{1,2}))?)?\Z", re.ASCII)
_USUAL = ("/usr/local/bin", "/usr/bin", "/opt/conda/bin", "/opt/venv/bin")
_ELF = b"\x7fELF"
_PATCHLEVEL = re.compile(r'^#define PY_VERSION\s+"(\d+\.\d+\.\d+)"', re.MULTILINE | re.ASCII)
_DISTRIBUTION = re.compile(
    r"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,100}[A-Za-z0-9])?)-([A-Za-z0-9.!+_]{1,80})\Z", re.ASCII
)
_EGG_TAG = re.compile(r"-py\d(?:\.\d+)?(?:-[a-z0-9_-]+)?\Z", re.ASCII)
_FIELD = re.compile(r"^Version:[ \t]*([A-Za-z0-9.!+_-]{1,80})[ \t]*$", re.MULTILINE | re.ASCII)
_SEES_SYSTEM = re.compile(r"^include-system-site-packages\s*=\s*true\s*$", re.MULTILINE | re.IGNORECASE)
_MOST = 64
"""Interpreters that are told of, and folders whose names are gone through: no honest image has as many of either."""


class _Image(NamedTuple):
    """What is read."""

    files: BaseFiles
    env: Mapping[str, str]
    packaged: Mapping[str, str]
    """Version by name of the OS packages."""
    held: dict[str, dict[str, str]]
    """Folder -> its distributions, for those that were read: interpreters share them."""


def read_pythons(
    files: BaseFiles, env: Mapping[str, str], packaged: Mapping[str, str]
) -> tuple[FoundPython, ...]:
    """Every CPython 3, the one that `python3` means by PATH first. `packaged`: version by name of the OS packages.

    Raises:
        StoreError: the store has lost a file.
    """
    image = _Image(files, env, packaged, {})
    found: dict[tuple[str, str], FoundPython | None] = {}
    for path in _candidates(files, env):
        place = _place(files, path)
        if place is not None and place not in found and len(found) < _MOST:
            found[place] = _read_python(image, *place)
    return tuple({python.executable: python for python in found.values() if python is not None}.values())


def _place(files: BaseFiles, path: str) -> tuple[str, str] | None:
    """The program that `path` leads to, and the folder above that of `path`, which may be an environment; or None."""
    entry = files.find_file(path)
    if entry is None or not entry.mode & 0o111:
        return None
    return f"/{entry.path}", posixpath.dirname(f"/{files.find(posixpath.dirname(path))}")


def _candidates(files: BaseFiles, env: Mapping[str, str]) -> Iterator[str]:
    """Where an interpreter may be, in the order in which they count."""
    searched = [it for it in (env.get("PATH") or DEFAULT_PATH).split(":") if it.startswith("/")]
    for name in ("python3", "python"):
        yield from (posixpath.join(folder, name) for folder in searched)
    others = [f"/opt/{name}/bin" for name in files.names("/opt")]
    found = (files.find(folder) for folder in (*searched, *_USUAL, *others))
    for folder in itertools.islice(dict.fromkeys(f"/{it}" for it in found if it), _MOST):
        yield posixpath.join(folder, "python3")
        versions = [name for name in files.names(folder) if _NAMES.match(name)]
        yield from (
            posixpath.join(folder, name) for name in sorted(versions, key=_minor_number, reverse=True)
        )


def _minor_number(name: str) -> int:
    return int(name.rpartition(".")[2])


def _read_python(image: _Image, real: str, environment: str) -> FoundPython | None:
    files = image.files
    minor = _minor_of(files, real)
    if not minor or files.head(real, len(_ELF)) != _ELF:
        return None
    version = _full_version(image, real, minor)
    settings = files.opening(f"{environment}/pyvenv.cfg")
    if not settings:
        own = _distributions(image, _site_folders(files, _prefix(real), minor))
        return FoundPython(version=version, executable=real, packages=tuple(sorted(own.items())))
    packages = _distributions(image, _plain_site_folders(environment, minor))
    home = real if not real.startswith(f"{environment}/") else _home(files, settings, minor)
    if home and _SEES_SYSTEM.search(settings):
        packages = _distributions(image, _site_folders(files, _prefix(home), minor)) | packages
    return FoundPython(
        version=version,
        executable=f"{environment}/bin/python3",
        home=home,
        packages=tuple(sorted(packages.items())),
    )


def _home(files: BaseFiles, settings: str, minor: str) -> str:
    """The interpreter that `pyvenv.cfg` names, for an environment that has a copy of it; empty when it is not there."""
    match = re.search(r"^home\s*=\s*(/\S+)\s*$", settings, re.MULTILINE)
    entry = files.find_file(f"{match[1]}/python{minor}") if match else None
    return f"/{entry.path}" if entry else ""


def _prefix(executable: str) -> str:
    return posixpath.dirname(posixpath.dirname(executable))


def _minor_of(files: BaseFiles, executable: str) -> str:
    """`3.11`, by the name of the program or of the only library folder beside it; empty for what is no CPython 3."""
    match = _REAL.match(posixpath.basename(executable))
    if match is None or match[1]:
        return f"3.{match[1]}" if match else ""
    folders = [name for name in files.names(f"{_prefix(executable)}/lib") if _NAMES.match(name)]
    return folders[0].removeprefix("python") if len(folders) == 1 else ""


def _full_version(image: _Image, executable: str, minor: str) -> str:
    """`3.11.4` where a header, conda's records, the OS package or the variable of the official images says so."""
    files = image.files
    prefix = _prefix(executable)
    if match := _PATCHLEVEL.search(files.opening(f"{prefix}/include/python{minor}/patchlevel.h")):
        return match[1]
    told = [
        name.removeprefix("python-")
        for name in files.names(f"{prefix}/conda-meta")
        if name.startswith("python-3")
    ]
    if prefix == "/usr":
        told += [
            image.packaged.get(name, "") for name in (f"python{minor}", f"python{minor}-minimal", "python3")
        ]
    if prefix == "/usr/local":
        told.append(image.env.get("PYTHON_VERSION", ""))
    wanted = re.compile(rf"(?:\d+:)?({re.escape(minor)}\.\d{{1,3}})(?!\d)", re.ASCII)
    return next((match[1] for text in told if (match := wanted.match(text))), minor)


def _plain_site_folders(prefix: str, minor: str) -> list[str]:
    return [f"{prefix}/{library}/python{minor}/site-packages" for library in ("lib", "lib64")]


def _site_folders(files: BaseFiles, prefix: str, minor: str) -> list[str]:
    """The folders of `sys.path` that hold distributions, in its order."""
    if prefix != "/usr":
        return _plain_site_folders(prefix, minor)
    shared = "/usr/lib/python3/dist-packages"
    if files.find(shared) is not None:
        return [
            f"/usr/local/lib/python{minor}/dist-packages",
            shared,
            f"/usr/lib/python{minor}/dist-packages",
        ]
    return _plain_site_folders("/usr/local", minor) + _plain_site_folders(prefix, minor)


def _distributions(image: _Image, folders: list[str]) -> dict[str, str]:
    """Version by normalised name; of two, the one that comes first on the way."""
    found: dict[str, str] = {}
    for folder in folders:
        place = image.files.find(folder)
        if place and place not in image.held:
            read = (
                _read_distribution(image.files, f"{place}/{name}", name) for name in image.files.names(place)
            )
            image.held[place] = dict(reversed([one for one in read if one is not None]))
        found = (image.held[place] | found) if place else found
    return found


def _read_distribution(files: BaseFiles, path: str, name: str) -> tuple[str, str] | None:
    stem, dot, suffix = name.rpartition(".")
    if not dot or suffix not in ("dist-info", "egg-info", "egg"):
        return None
    if suffix != "dist-info":
        stem = _EGG_TAG.sub("", stem)
    if match := _DISTRIBUTION.match(stem):
        return canonicalize_name(match[1]), match[2]
    field = _FIELD.search(files.opening(f"{path}/PKG-INFO") or files.opening(path))
    return (canonicalize_name(stem), field[1]) if field and _DISTRIBUTION.match(f"{stem}-0") else None
