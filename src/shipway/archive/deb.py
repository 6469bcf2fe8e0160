"""Strict reader of .deb files. Format: deb(5), deb-control(5)."""

from __future__ import annotations

import os
from collections.abc import Iterator

from shipway.archive.ar import ArMember, read_ar, read_member
from shipway.archive.limits import LIMITS, Limits
from shipway.archive.names import refuse, refuse_archive
from shipway.archive.stream import Bytes, decompress
from shipway.archive.tar import TarMember, read_tar
from shipway.core.manifest import DIRECTORY, FILE

_CONTROL = ("control.tar", "control.tar.gz", "control.tar.xz", "control.tar.zst")
_DATA = ("data.tar", "data.tar.gz", "data.tar.xz", "data.tar.zst", "data.tar.lzma")


class ControlFile:
    """One file of the control archive."""

    __slots__ = ("content", "mode", "mtime")

    def __init__(self, content: bytes, mode: int, mtime: int):
        self.content, self.mode, self.mtime = content, mode, mtime


class Deb:
    """An opened .deb: the control archive in memory, the data archive as a stream."""

    def __init__(self, fd: int, artifact: str, limits: Limits = LIMITS):
        """Check the outer archive and read the control archive.

        Raises:
            HostileInput: deb(5) does not allow this file.
        """
        self._fd, self._artifact, self._limits = fd, artifact, limits
        control, self._data = _members(fd, artifact)
        self.control = _read_control(fd, control, artifact, limits)
        self.paragraph = self.control["control"].content.decode("utf-8", "surrogateescape")
        self.fields = parse_paragraph(self.paragraph, artifact)

    def members(self) -> Iterator[TarMember]:
        """The members of the data archive, in order; may be called once more for a second pass."""
        return _read_tar(self._fd, self._data, self._artifact, self._limits)


def open_deb(fd: int, artifact: str, limits: Limits = LIMITS) -> Deb:
    """The .deb in `fd`, which stays the caller's. See `Deb` for errors."""
    return Deb(fd, artifact, limits)


def _members(fd: int, artifact: str) -> tuple[ArMember, ArMember]:
    found = [member for member in read_ar(fd, artifact) if not member.name.startswith("_")]
    names = [member.name for member in found]
    if len(names) != 3 or names[0] != "debian-binary" or names[1] not in _CONTROL or names[2] not in _DATA:  # noqa: PLR2004
        raise refuse_archive(artifact, f"has the members {names[:6]}, not those of a .deb")
    version = os.pread(fd, min(found[0].size, 64), found[0].offset)
    if not version.startswith(b"2.") or not version.endswith(b"\n"):
        raise refuse_archive(artifact, f"is a .deb of the unknown format {version[:16]!r}")
    return found[1], found[2]


def _read_tar(fd: int, member: ArMember, artifact: str, limits: Limits) -> Iterator[TarMember]:
    chunks = decompress(member.name, read_member(fd, member), member.size, artifact, limits)
    return read_tar(Bytes(chunks), artifact, limits)


def _read_control(fd: int, member: ArMember, artifact: str, limits: Limits) -> dict[str, ControlFile]:
    files: dict[str, ControlFile] = {}
    total = 0
    for entry in _read_tar(fd, member, artifact, limits):
        if entry.kind == DIRECTORY and entry.path == ".":
            continue
        if entry.kind != FILE or "/" in entry.path:
            raise refuse(artifact, entry.raw, "is no plain file in the control archive")
        total += entry.size
        if total > limits.control:
            raise refuse(artifact, entry.raw, "makes the control archive too large")
        files[entry.path] = ControlFile(entry.content.read(), entry.mode & 0o777, entry.mtime)
    if "control" not in files:
        raise refuse_archive(artifact, "has no `control` file")
    return files


def parse_paragraph(text: str, artifact: str) -> dict[str, str]:
    """The fields of one deb822 paragraph; continuation lines keep their line breaks.

    Raises:
        HostileInput: a line is no field, a field occurs twice, or there are two paragraphs.
    """
    fields: dict[str, str] = {}
    names = set[str]()
    last = ""
    for line in text.rstrip("\n").split("\n"):
        if line[:1] in (" ", "\t") and last:
            fields[last] += "\n" + line[1:]
            continue
        name, colon, value = line.partition(":")
        if not colon or not name or name.lower() in names or not name.isascii() or " " in name:
            raise refuse_archive(artifact, "has a `control` file that is no single paragraph of fields")
        names.add(name.lower())
        last = name
        fields[name] = value.strip()
    return fields
