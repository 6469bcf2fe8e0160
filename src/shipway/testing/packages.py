"""Small wheels and sdists, made in memory, the same bytes every time."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence

_WHEN = (1980, 1, 1, 0, 0, 0)


def make_wheel(
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    extras: Mapping[str, Sequence[str]] | None = None,
    requires_python: str = "",
    tag: str = "py3-none-any",
    build: str = "",
    files: Mapping[str, str] | None = None,
    entry_points: str = "",
) -> tuple[str, bytes]:
    """File name and bytes of a wheel with a module of its own name."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"]
    metadata += [f"Requires-Python: {requires_python}\n"] if requires_python else []
    metadata += [f"Requires-Dist: {requirement}\n" for requirement in requires]
    for extra, requirements in (extras or {}).items():
        metadata.append(f"Provides-Extra: {extra}\n")
        metadata += [f'Requires-Dist: {requirement} ; extra == "{extra}"\n' for requirement in requirements]
    content = dict(files or {f"{module}.py": f"__version__ = {version!r}\n"})
    content[f"{info}/METADATA"] = "".join(metadata)
    content[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: shipway\nRoot-Is-Purelib: true\nTag: {tag}\n"
    if entry_points:
        content[f"{info}/entry_points.txt"] = entry_points
    record = "".join(
        f"{path},sha256={_record_hash(text.encode())},{len(text.encode())}\n"
        for path, text in content.items()
    )
    content[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in content.items():
            member = zipfile.ZipInfo(path, _WHEN)
            member.external_attr = 0o100644 << 16
            archive.writestr(member, text)
    number = f"-{build}" if build else ""
    return f"{module}-{version}{number}-{tag}.whl", sink.getvalue()


def make_sdist(
    name: str, version: str, *, files: Mapping[str, str], requires: Sequence[str] = ()
) -> tuple[str, bytes]:
    """File name and bytes of a `.tar.gz` with `PKG-INFO` and `files`."""
    root = f"{name.replace('-', '_')}-{version}"
    lines = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(
        f"Requires-Dist: {r}\n" for r in requires
    )
    content = {"PKG-INFO": lines, **files}
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, text in content.items():
            member = tarfile.TarInfo(f"{root}/{path}")
            member.size, member.mode, member.mtime = len(text.encode()), 0o644, 315532800
            archive.addfile(member, io.BytesIO(text.encode()))
    return f"{root}.tar.gz", gzip.compress(plain.getvalue(), mtime=0)


def _record_hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode("ascii")
