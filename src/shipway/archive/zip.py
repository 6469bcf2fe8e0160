"""Strict reader of zip. Format: PKWARE APPNOTE 6.3.10.

Two honest readers must see the same members, whether they start from the front or from the end: local headers and the
central directory agree in every field that matters, the members fill the file from its first byte to the central directory
without gaps or overlaps, there is one end record, nothing follows it, and every name is what it seems.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from typing import NamedTuple

from isal import isal_zlib

from shipway.archive.limits import LIMITS, Limits, require_ratio
from shipway.archive.names import checked_path, folded, refuse, refuse_archive
from shipway.archive.stream import CHUNK, INFLATE_ERRORS

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_STORED, _DEFLATED = 0, 8
_DESCRIPTOR, _UTF8 = 0x08, 0x800
_FORBIDDEN_FLAGS = 0x01 | 0x20 | 0x40 | 0x2000
_MAX32, _MAX16 = 0xFFFFFFFF, 0xFFFF
_UNIX = 3
_SMALL = 1 << 18


class ZipMember(NamedTuple):
    """One file, checked."""

    path: str
    size: int
    packed: int
    crc: int
    method: int
    mode: int
    """Permission bits; 0 where the archive was not written on Unix."""
    data: int
    """Offset of the first packed byte."""


class _Record(NamedTuple):
    """One central directory entry, as it says."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    attributes: int
    system: int


class ZipReader:
    """The members of a zip file, checked as a whole before the first byte of content is read."""

    def __init__(self, fd: int, artifact: str, limits: Limits = LIMITS):
        """Read and check all headers of `fd`, which stays the caller's.

        Raises:
            HostileInput: see the module's list; the error names the member.
        """
        self._fd, self._artifact, self._limits = fd, artifact, limits
        self._file_size = os.fstat(fd).st_size
        start, size, count = self._find_directory()
        records = self._read_directory(start, size, count)
        self.members = self._check_members(records, start)
        """In the order of the file's bytes. Entries for directories are checked and left out."""
        require_ratio(sum(member.size for member in self.members), self._file_size, artifact, limits)

    def read(self, member: ZipMember) -> Iterator[bytes]:
        """The content of `member`; threads may read different members at once.

        Raises:
            HostileInput: the packed data does not give exactly the size and checksum that the headers state.
        """
        if member.method == _STORED:
            chunks = self._stored(member)
        elif member.packed <= _SMALL and member.size <= CHUNK:
            chunks = self._inflate_small(member)
        else:
            chunks = self._inflate(member)
        crc = size = 0
        for chunk in chunks:
            crc = isal_zlib.crc32(chunk, crc)
            size += len(chunk)
            if size > member.size:
                raise refuse(
                    self._artifact, member.path, f"holds more than the {member.size} bytes that it states"
                )
            yield chunk
        if size != member.size or crc != member.crc:
            raise refuse(self._artifact, member.path, "does not have the size and checksum that it states")

    def _stored(self, member: ZipMember) -> Iterator[bytes]:
        at, end = member.data, member.data + member.packed
        while at < end:
            data = os.pread(self._fd, min(CHUNK, end - at), at)
            if not data:
                raise refuse(self._artifact, member.path, "is cut short")
            at += len(data)
            yield data

    def _inflate_small(self, member: ZipMember) -> Iterator[bytes]:
        decoder = isal_zlib.decompressobj(-15)
        try:
            data = decoder.decompress(os.pread(self._fd, member.packed, member.data), member.size + 1)
        except INFLATE_ERRORS as error:
            raise refuse(self._artifact, member.path, f"has damaged content: {error}") from error
        if not decoder.eof or decoder.unused_data:
            raise refuse(self._artifact, member.path, "has packed data that does not end where it should")
        if data:
            yield data

    def _inflate(self, member: ZipMember) -> Iterator[bytes]:
        decoder = isal_zlib.decompressobj(-15)
        for packed in self._stored(member):
            data = packed
            while not decoder.eof:
                try:
                    out = decoder.decompress(data, CHUNK)
                except INFLATE_ERRORS as error:
                    raise refuse(self._artifact, member.path, f"has damaged content: {error}") from error
                data = decoder.unconsumed_tail
                if out:
                    yield out
                if not data and len(out) < CHUNK:
                    break
            if decoder.eof and (data or decoder.unused_data):
                break
        if not decoder.eof or decoder.unused_data:
            raise refuse(self._artifact, member.path, "has packed data that does not end where it should")

    def _find_directory(self) -> tuple[int, int, int]:
        """Offset, size and number of records of the central directory."""
        tail_at = max(0, self._file_size - _END.size - _MAX16)
        tail = os.pread(self._fd, self._file_size - tail_at, tail_at)
        at = tail.rfind(b"PK\5\6")
        if at < 0 or len(tail) - at < _END.size:
            raise refuse_archive(self._artifact, "is no zip file: it has no end record")
        _, disk, start_disk, here, count, size, start, comment = _END.unpack_from(tail, at)
        if at + _END.size + comment != len(tail):
            raise refuse_archive(self._artifact, "has bytes behind its end record")
        # A second end record in front, whose comment reaches to the same end, is what another reader might start from.
        if self._is_end_record(tail, at):
            raise refuse_archive(self._artifact, "has two end records")
        end = tail_at + at
        locator = (
            os.pread(self._fd, _LOCATOR64.size, end - _LOCATOR64.size) if end >= _LOCATOR64.size else b""
        )
        values: tuple[int, ...] = (disk, start_disk, here, count, size, start)
        if locator.startswith(b"PK\6\7"):
            end, values = self._end64(end - _LOCATOR64.size, locator, values)
        elif _MAX32 in (size, start) or count == _MAX16:
            raise refuse_archive(
                self._artifact, "has an end record that points to a zip64 one that is not there"
            )
        disk, start_disk, here, count, size, start = values
        if disk or start_disk or here != count or start + size != end:
            raise refuse_archive(self._artifact, "has an end record that does not fit its central directory")
        return start, size, count

    @staticmethod
    def _is_end_record(tail: bytes, before: int) -> bool:
        at = tail.rfind(b"PK\5\6", 0, before)
        while at >= 0:
            if len(tail) - at >= _END.size and at + _END.size + _END.unpack_from(tail, at)[7] == len(tail):
                return True
            at = tail.rfind(b"PK\5\6", 0, at)
        return False

    def _end64(self, at: int, locator: bytes, narrow: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        """The zip64 end record, which must lie right in front of its locator, and agree with the narrow one (CVE-2025-8291)."""
        _, disk, where, disks = _LOCATOR64.unpack(locator)
        record = os.pread(self._fd, _END64.size, where) if where < at else b""
        if disk or disks > 1 or where + _END64.size != at or not record.startswith(b"PK\6\6"):
            raise refuse_archive(self._artifact, "has a zip64 locator that does not fit its end record")
        _, length, _, _, *wide = _END64.unpack(record)
        if length != _END64.size - 12:
            raise refuse_archive(self._artifact, "has a zip64 end record with other content")
        for small, large, full in zip(narrow, wide, (_MAX16,) * 4 + (_MAX32,) * 2, strict=True):
            if small not in (full, large):
                raise refuse_archive(self._artifact, "has two end records that differ")
        return where, tuple(wide)

    def _read_directory(self, start: int, size: int, count: int) -> list[_Record]:
        if count > self._limits.entries or size > self._limits.directory:
            raise refuse_archive(
                self._artifact, f"has a central directory of {count} records and {size} bytes"
            )
        data = os.pread(self._fd, size, start)
        records, at = [], 0
        for _ in range(count):
            if at + _CENTRAL.size > len(data) or data[at : at + 4] != b"PK\1\2":
                raise refuse_archive(self._artifact, "has a damaged central directory")
            record, at = self._parse_record(data, at)
            records.append(record)
        if at != len(data):
            raise refuse_archive(self._artifact, "has more in its central directory than its end record says")
        return records

    def _parse_record(self, data: bytes, at: int) -> tuple[_Record, int]:
        (
            _,
            made,
            _,
            flags,
            method,
            _,
            _,
            crc,
            packed,
            size,
            name_len,
            extra_len,
            comment_len,
            disk,
            _,
            attributes,
            offset,
        ) = _CENTRAL.unpack_from(data, at)
        at += _CENTRAL.size
        end = at + name_len + extra_len + comment_len
        name = data[at : at + name_len]
        extra = data[at + name_len : at + name_len + extra_len]
        if end > len(data) or disk:
            raise refuse(self._artifact, repr(name), "has a damaged record in the central directory")
        size, packed, offset = self._widen(extra, name, size, packed, offset)
        return _Record(name, flags, method, crc, packed, size, offset, attributes, made >> 8), end

    def _widen(
        self, extra: bytes, name: bytes, size: int, packed: int, offset: int = 0
    ) -> tuple[int, int, int]:
        """Sizes and offset with the zip64 extra field applied."""
        values = [size, packed, offset]
        wide: bytes | None = None
        at = 0
        while at < len(extra):
            if at + 4 > len(extra):
                raise refuse(self._artifact, repr(name), "has a damaged extra field")
            kind, length = struct.unpack_from("<2H", extra, at)
            at += 4 + length
            if at > len(extra) or (kind == 1 and wide is not None):
                raise refuse(self._artifact, repr(name), "has a damaged extra field")
            if kind == 1:
                wide = extra[at - length : at]
            elif kind == 0x7075:  # noqa: PLR2004 - Info-ZIP's second, Unicode name
                raise refuse(self._artifact, repr(name), "has a second name in an extra field")
        needed = [index for index, value in enumerate(values) if value == _MAX32]
        if not needed and not wide:
            return size, packed, offset
        if wide is None or len(wide) < 8 * len(needed):
            raise refuse(self._artifact, repr(name), "has no zip64 field for its size")
        for index, value in zip(needed, struct.unpack_from(f"<{len(needed)}Q", wide), strict=True):
            values[index] = value
        return values[0], values[1], values[2]

    def _check_members(self, records: list[_Record], directory: int) -> list[ZipMember]:
        """Compare every record with its local header, in file order, each starting where the one before ends."""
        members: list[ZipMember] = []
        names: dict[str, str] = {}
        at = 0
        for record in sorted(records, key=lambda record: record.offset):
            path = self._checked_name(record)
            self._require_unique(path, record.name.endswith(b"/"), names)
            if record.offset != at:
                raise refuse(self._artifact, path, "overlaps another member, or leaves a gap in front of it")
            data = self._check_local(record, path)
            at = self._end_of(record, path, data)
            if at > directory:
                raise refuse(self._artifact, path, "reaches into the central directory")
            if not record.name.endswith(b"/"):
                mode = record.attributes >> 16 if record.system == _UNIX else 0
                members.append(
                    ZipMember(
                        path, record.size, record.packed, record.crc, record.method, mode & 0o7777, data
                    )
                )
        if at != directory:
            raise refuse_archive(
                self._artifact, "has bytes between its last member and its central directory"
            )
        return members

    def _checked_name(self, record: _Record) -> str:
        shape = stat.S_IFMT(record.attributes >> 16) if record.system == _UNIX else 0
        try:
            name = record.name.decode("utf-8" if record.flags & _UTF8 else "ascii")
        except UnicodeDecodeError as error:
            raise refuse(self._artifact, repr(record.name), "has a name in no certain encoding") from error
        path = checked_path(name, self._artifact, self._limits, backslash=False)
        if name.removesuffix("/") != path:
            raise refuse(self._artifact, name, "has a name that is not in its simplest form")
        is_directory = name.endswith("/")
        if shape not in ((0, stat.S_IFDIR) if is_directory else (0, stat.S_IFREG)):
            raise refuse(
                self._artifact, name, "is a link or a special file, or its type contradicts its name"
            )
        if is_directory and (record.size or record.crc):
            raise refuse(self._artifact, name, "is a directory with content")
        if record.flags & _FORBIDDEN_FLAGS or record.method not in (_STORED, _DEFLATED):
            raise refuse(self._artifact, name, f"is encrypted or uses method {record.method}")
        if record.method == _STORED and record.size != record.packed:
            raise refuse(self._artifact, name, "is stored, but has two sizes")
        return path

    def _require_unique(self, path: str, is_directory: bool, names: dict[str, str]) -> None:  # noqa: FBT001
        """Refuse a name that a lax reader or file system would take for an earlier one, or a file used as a directory."""
        key = folded(path)
        if key in names:
            raise refuse(
                self._artifact, path, "occurs twice, or differs from another only in case or Unicode form"
            )
        names[key] = "d" if is_directory else "f"
        above = key.rpartition("/")[0]
        while above and "\0" + above not in names:
            names["\0" + above] = "d"
            if names.get(above) == "f":
                raise refuse(self._artifact, path, "lies below a member that is a file")
            above = above.rpartition("/")[0]
        if not is_directory and "\0" + key in names:
            raise refuse(self._artifact, path, "is a file, and other members lie below it")

    def _check_local(self, record: _Record, path: str) -> int:
        """Where the content starts, after comparing the local header with the central record."""
        header = os.pread(self._fd, _LOCAL.size + len(record.name) + 256, record.offset)
        if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
            raise refuse(self._artifact, path, "has no local header")
        _, _, flags, method, _, _, crc, packed, size, name_len, extra_len = _LOCAL.unpack_from(header)
        name = header[_LOCAL.size : _LOCAL.size + name_len]
        after = _LOCAL.size + name_len + extra_len
        if after > len(header):
            header = os.pread(self._fd, after, record.offset)
        size, packed, _ = self._widen(header[_LOCAL.size + name_len : after], name, size, packed)
        same = (flags, method, name) == (record.flags, record.method, record.name)
        streamed = flags & _DESCRIPTOR and (crc, packed, size) == (0, 0, 0)
        if not same or not (streamed or (crc, packed, size) == (record.crc, record.packed, record.size)):
            raise refuse(self._artifact, path, "is described differently by its two headers")
        return int(record.offset + after)

    def _end_of(self, record: _Record, path: str, data: int) -> int:
        """Where the member ends, its data descriptor included."""
        end = data + record.packed
        if not record.flags & _DESCRIPTOR:
            return end
        found = os.pread(self._fd, 24, end)
        for form in ("<4sLQQ", "<4sLLL", "<LQQ", "<LLL"):
            length = struct.calcsize(form)
            if len(found) < length:
                continue
            values = struct.unpack_from(form, found)
            signed = values[0] == b"PK\7\x08"
            if form.startswith("<4s") == signed and values[signed:] == (
                record.crc,
                record.packed,
                record.size,
            ):
                return end + length
        raise refuse(self._artifact, path, "has a data descriptor that contradicts its headers")
