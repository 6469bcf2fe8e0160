"""Wheels and .debs that tests make: honest ones by default, each part replaceable."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import os
import sys
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "archive"))
from archive_bytes import END, ar_member, tar_file

METADATA = "Metadata-Version: 2.1\nName: Demo_Pkg\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
FILENAME = "demo_pkg-1.0-py3-none-any.whl"


def record_row(path: str, data: bytes, algorithm: str = "sha256") -> list[str]:
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).decode().rstrip("=")
    return [path, f"{algorithm}={digest}", str(len(data))]


def make_wheel(
    folder,
    files: dict[str, bytes | tuple[bytes, int]] | None = None,
    *,
    filename: str = FILENAME,
    info: str = "demo_pkg-1.0.dist-info",
    metadata: str = METADATA,
    wheel: str | None = WHEEL,
    entry_points: str = "",
    record: bytes | None = None,
    rows: list[list[str]] | None = None,
    drop_rows: tuple[str, ...] = (),
) -> str:
    """A wheel at `folder/filename`; `record` replaces RECORD's text, `rows` are added to it, `drop_rows` left out of it."""
    parts: dict[str, tuple[bytes, int]] = {}
    for path, value in (files or {"demo_pkg/__init__.py": b"x = 1\n"}).items():
        parts[path] = value if isinstance(value, tuple) else (value, 0o644)
    parts[f"{info}/METADATA"] = (metadata.encode(), 0o644)
    if wheel is not None:
        parts[f"{info}/WHEEL"] = (wheel.encode(), 0o644)
    if entry_points:
        parts[f"{info}/entry_points.txt"] = (entry_points.encode(), 0o644)
    if record is None:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows(record_row(path, data) for path, (data, _) in parts.items() if path not in drop_rows)
        writer.writerow([f"{info}/RECORD", "", ""])
        writer.writerows(rows or [])
        record = out.getvalue().encode()
    parts[f"{info}/RECORD"] = (record, 0o644)
    path = os.path.join(folder, filename)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (data, mode) in parts.items():
            item = zipfile.ZipInfo(name)
            item.external_attr = (0o100000 | mode) << 16
            item.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(item, data)
    return path


def make_deb(
    folder, data: bytes, control: dict[str, bytes] | None = None, *, fields: str = "", name: str = "demo.deb"
) -> str:
    """A .deb at `folder/name` with the uncompressed tar `data` (without end mark) and the given control members."""
    paragraph = (
        fields or "Package: demo\nVersion: 1-1\nArchitecture: amd64\nMaintainer: A <a@b.c>\nDescription: d\n"
    )
    inner = tar_file(b"./control", paragraph.encode())
    for member, text in (control or {}).items():
        mode = b"0000755\0" if member.endswith(("inst", "rm")) else b"0000644\0"
        inner += tar_file(b"./" + member.encode(), text, mode=mode, mtime=b"00000000007\0")
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(
            b"!<arch>\n"
            + ar_member(b"debian-binary", b"2.0\n")
            + ar_member(b"control.tar.gz", gzip.compress(inner + END, mtime=0))
            + ar_member(b"data.tar", data + END)
        )
    return path


def tree_on_disk(root) -> dict[str, tuple[str, int, str]]:
    """Every path below `root`: kind, permission bits, and content digest or link target."""
    found = {}
    for folder, directories, files in os.walk(root):
        for name in [*directories, *files]:
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, root)
            state = os.lstat(path)
            if os.path.islink(path):
                found[relative] = ("l", 0o777, os.readlink(path))
            elif os.path.isdir(path):
                found[relative] = ("d", state.st_mode & 0o7777, "")
            else:
                with open(path, "rb") as file:
                    found[relative] = ("f", state.st_mode & 0o7777, hashlib.sha256(file.read()).hexdigest())
    return found
