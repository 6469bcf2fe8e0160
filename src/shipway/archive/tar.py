"""Strict streaming reader of tar: ustar, GNU long names, PAX. Formats: POSIX.1-2017 pax, GNU tar manual "Basic Tar Format".

Refused, because readers in the field disagree about it: sizes in two places that differ, a GNU and a PAX name for one
member, content behind links and directories, sparse members, global headers that change members, numbers that are negative
or do not end, names that go on behind a NUL, a missing end mark, bytes after it, and every path that occurs twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from shipway.archive.limits import LIMITS, Limits
from shipway.archive.names import checked_path, checked_target, refuse, refuse_archive
from shipway.archive.paxheader import Extended, parse_pax
from shipway.archive.stream import CHUNK, Reader
from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK

BLOCK = 512
SPECIAL = "s"
"""Kind of device nodes, FIFOs and sockets: reported, never created."""
_ZERO = bytes(BLOCK)
_KINDS = {
    b"0": FILE,
    b"\0": FILE,
    b"1": HARDLINK,
    b"2": SYMLINK,
    b"5": DIRECTORY,
    b"3": SPECIAL,
    b"4": SPECIAL,
    b"6": SPECIAL,
}
_USTAR, _GNU, _OLD = b"ustar\x0000", b"ustar  \x00", bytes(8)
_WHITEOUT = ".wh."
_HEADER_SIZE_MAX = 1 << 33


class TarMember(NamedTuple):
    """One member. Its content, if any, must be taken before the next member is asked for, or is skipped."""

    path: str
    """Checked: relative, no `..`; `.` for the root."""
    kind: str
    """`d f l h` as in `core.manifest`, or `SPECIAL`."""
    mode: int
    uid: int
    gid: int
    mtime: int
    """Whole seconds, never negative."""
    size: int
    target: str
    """Of a symbolic link: any text. Of a hard link: a checked path of this archive."""
    xattrs: tuple[tuple[str, bytes], ...]
    content: Content
    raw: str
    """The name as the archive has it."""


class Content:
    """The bytes of the member at hand."""

    __slots__ = ("_artifact", "_left", "_name", "_padding", "_stream")

    def __init__(self, stream: Reader, size: int, name: str, artifact: str):
        self._stream, self._left, self._name, self._artifact = stream, size, name, artifact
        self._padding = -size % BLOCK

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            data = self._stream.read(min(self._left, CHUNK))
            if not data:
                raise refuse(self._artifact, self._name, "is cut short")
            self._left -= len(data)
            yield data

    def read(self) -> bytes:
        """All of it; for small members."""
        return b"".join(self)

    def finish(self) -> None:
        """Skip what was not taken, and the padding."""
        for _ in self:
            pass
        if len(self._stream.read(self._padding)) != self._padding:
            raise refuse(self._artifact, self._name, "is cut short")
        self._padding = 0


def read_tar(stream: Reader, artifact: str, limits: Limits = LIMITS) -> Iterator[TarMember]:
    """The members of an uncompressed tar, in order.

    Raises:
        HostileInput: see the module's list; the error names the member.
    """
    seen: dict[str, str] = {}
    extended = Extended()
    total = 0
    while (header := stream.read(BLOCK)) != _ZERO:
        _require_header(header, artifact)
        kind = header[156:157]
        if kind in b"xgLK":
            _extend(extended, kind, header, stream, artifact, limits)
            continue
        member = _member(header, extended, stream, artifact, limits)
        extended = Extended()
        _admit(member, seen, artifact, limits)
        total += member.size
        if total > limits.total:
            raise refuse_archive(artifact, f"holds more than {limits.total} bytes")
        yield member
        member.content.finish()
    if extended.any():
        raise refuse_archive(artifact, "ends behind an extended header")
    _require_end(stream, artifact)


def _require_header(header: bytes, artifact: str) -> None:
    if len(header) != BLOCK:
        raise refuse_archive(artifact, "is a tar that is cut short, or has no end mark")
    if sum(header) - sum(header[148:156]) + 256 != _number(header[148:156], artifact, "checksum"):
        raise refuse_archive(artifact, "has a tar header with a wrong checksum")
    if header[257:265] not in (_USTAR, _GNU, _OLD):
        raise refuse_archive(artifact, "has a tar header of an unknown format")


def _require_end(stream: Reader, artifact: str) -> None:
    if stream.read(BLOCK) != _ZERO:
        raise refuse_archive(artifact, "is a tar without its second end block")
    while data := stream.read(1 << 16):
        if data.strip(b"\0"):
            raise refuse_archive(artifact, "has bytes behind the end of the tar")


def _number(field: bytes, artifact: str, what: str) -> int:
    """A numeric field: octal digits ended by NUL or space, or GNU base-256; empty is 0."""
    if field[0] & 0x80:
        if field[0] != 0x80:  # noqa: PLR2004 - 0xff starts negative numbers
            if what == "mtime":
                return 0
            raise refuse_archive(artifact, f"has a tar header with a negative {what}")
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not digits:
        return 0
    if not field.lstrip(b" ").startswith(digits) or digits.strip(b"01234567"):
        raise refuse_archive(artifact, f"has a tar header with an invalid {what}")
    return int(digits, 8)


def _text(field: bytes, artifact: str) -> str:
    text, _, rest = field.partition(b"\0")
    if rest.strip(b"\0"):
        raise refuse(
            artifact, text.decode("utf-8", "surrogateescape"), "has bytes behind the NUL that ends its name"
        )
    return text.decode("utf-8", "surrogateescape")


def _extend(
    extended: Extended, kind: bytes, header: bytes, stream: Reader, artifact: str, limits: Limits
) -> None:
    """Take an `x`, `g`, `L` or `K` member into `extended`."""
    size = _number(header[124:136], artifact, "size")
    if size > limits.header:
        raise refuse_archive(artifact, f"has an extended header of {size} bytes")
    content = Content(stream, size, "extended header", artifact)
    data = content.read()
    content.finish()
    if kind == b"x":
        parse_pax(data, extended, artifact)
    elif kind == b"g":
        parse_pax(data, Extended(comment_only=True), artifact)
    else:
        extended.put("path" if kind == b"L" else "linkpath", _text(data, artifact), artifact)


def _member(header: bytes, extended: Extended, stream: Reader, artifact: str, limits: Limits) -> TarMember:
    raw = extended.path if extended.path is not None else _name(header, artifact)
    kind = _KINDS.get(header[156:157])
    if kind is None:
        raise refuse(artifact, raw, f"has the tar type {header[156:157]!r}")
    if kind == FILE and raw.endswith("/"):
        raise refuse(artifact, raw, "is a file with the name of a directory")
    path = checked_path(raw, artifact, limits)
    size = _size(header, extended, raw, artifact)
    if size and kind != FILE:
        raise refuse(artifact, raw, f"has {size} bytes of content, but is no file")
    target = extended.linkpath if extended.linkpath is not None else _text(header[157:257], artifact)
    if kind == SYMLINK:
        checked_target(target, raw, artifact, limits)
    elif kind == HARDLINK:
        target = checked_path(target, artifact, limits)
    elif target:
        # Docker marks deleted paths by files that share one inode, and leaves the name of the first in the header of the others.
        if kind != FILE or size or not path.rpartition("/")[2].startswith(_WHITEOUT):
            raise refuse(artifact, raw, "has a link target, but is no link")
        target = ""
    return TarMember(
        path,
        kind,
        _number(header[100:108], artifact, "mode") & 0o7777,
        extended.uid if extended.uid is not None else _identity(header[108:116], raw, artifact),
        extended.gid if extended.gid is not None else _identity(header[116:124], raw, artifact),
        _mtime(header, extended, raw, artifact),
        size,
        target,
        extended.allowed_xattrs(),
        Content(stream, size, raw, artifact),
        raw,
    )


def _name(header: bytes, artifact: str) -> str:
    name = _text(header[:100], artifact)
    # Old GNU headers keep times where ustar keeps the prefix.
    prefix = _text(header[345:500], artifact) if header[257:265] == _USTAR else ""
    return f"{prefix}/{name}" if prefix else name


def _size(header: bytes, extended: Extended, raw: str, artifact: str) -> int:
    size = _number(header[124:136], artifact, "size")
    if extended.size is not None:
        # CVE-2025-62518: readers that believe the one number and skip by the other see other members.
        if extended.size < _HEADER_SIZE_MAX and extended.size != size:
            raise refuse(artifact, raw, f"has two sizes: {size} and {extended.size}")
        size = extended.size
    if size >= 1 << 62:
        raise refuse(artifact, raw, "has an impossible size")
    return size


def _identity(field: bytes, raw: str, artifact: str) -> int:
    number = _number(field, artifact, "owner")
    if number >= (1 << 32) - 1:
        raise refuse(artifact, raw, "has an owner that no system has")
    return number


def _mtime(header: bytes, extended: Extended, raw: str, artifact: str) -> int:
    mtime = extended.mtime if extended.mtime is not None else _number(header[136:148], artifact, "mtime")
    if mtime >= _HEADER_SIZE_MAX:
        raise refuse(artifact, raw, "has an impossible time")
    return max(mtime, 0)


def _admit(member: TarMember, seen: dict[str, str], artifact: str, limits: Limits) -> None:
    if member.path in seen:
        raise refuse(artifact, member.raw, "occurs twice")
    if member.path == "." and member.kind != DIRECTORY:
        raise refuse(artifact, member.raw, "replaces the root")
    if member.kind == HARDLINK and seen.get(member.target) not in (FILE, HARDLINK):
        raise refuse(
            artifact, member.raw, "is a hard link to something that is no earlier file of this archive"
        )
    seen[member.path] = member.kind
    if len(seen) > limits.entries:
        raise refuse_archive(artifact, f"has more than {limits.entries} members")
