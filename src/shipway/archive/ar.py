"""Strict reader of the common ar format as deb(5) uses it. Format: ar(5), deb(5)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from shipway.archive.names import refuse, refuse_archive

MAGIC = b"!<arch>\n"
_HEADER = 60


class ArMember(NamedTuple):
    """Where one member lies in the file."""

    name: str
    offset: int
    size: int


def read_ar(fd: int, artifact: str) -> list[ArMember]:
    """The members of the ar file `fd`, in order.

    Raises:
        HostileInput: a field is not what deb(5) allows, a name occurs twice, or the file has other bytes.
    """
    end = os.fstat(fd).st_size
    if os.pread(fd, len(MAGIC), 0) != MAGIC:
        raise refuse_archive(artifact, "is no ar archive")
    at, members, seen = len(MAGIC), [], set[str]()
    while at < end:
        member = _parse_header(os.pread(fd, _HEADER, at), at, artifact)
        at = member.offset + member.size
        if at > end:
            raise refuse(artifact, member.name, "is cut short")
        if member.name in seen:
            raise refuse(artifact, member.name, "occurs twice")
        seen.add(member.name)
        members.append(member)
        if member.size % 2:
            if os.pread(fd, 1, at) not in (b"\n", b""):
                raise refuse(artifact, member.name, "is not padded as ar requires")
            at += 1
    return members


def _parse_header(header: bytes, at: int, artifact: str) -> ArMember:
    if len(header) != _HEADER or header[58:] != b"`\n":
        raise refuse_archive(artifact, f"has no ar header at byte {at}")
    raw = header[:16].rstrip(b" ").removesuffix(b"/")
    name = raw.decode("ascii", "backslashreplace")
    if not raw or not raw.isascii() or b"/" in raw or b"\0" in raw or b" " in raw:
        raise refuse(artifact, name, "has a name that deb(5) does not allow")
    size = header[48:58].rstrip(b" ")
    if not size.isdigit():
        raise refuse(artifact, name, "has no valid size")
    return ArMember(name, at + _HEADER, int(size))


def read_member(fd: int, member: ArMember, chunk: int = 1 << 18) -> Iterator[bytes]:
    """The bytes of `member`."""
    at, end = member.offset, member.offset + member.size
    while at < end:
        data = os.pread(fd, min(chunk, end - at), at)
        if not data:
            return
        at += len(data)
        yield data
