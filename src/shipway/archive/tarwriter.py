"""The deterministic tar writer of layers: the same entries are the same bytes, on every host and in every release.

Rules, version 1. Entries come in the order of their raw path bytes, so parents precede children. Headers are POSIX ustar
with numeric ids and empty names; what does not fit (long or non-ASCII names, numbers too large, attributes) stands in one
PAX header in front, its records sorted by key, its own header always the same. Times are whole seconds. Directories end
with `/`. Whiteouts are empty files `.wh.NAME` (OCI image-spec 1.1, "Whiteouts"). Two zero blocks end the file, no padding
follows. Any change of bytes is a new `WRITER_VERSION`.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from shipway.archive.paxheader import XATTR, allowed_xattr
from shipway.core.errors import HostileInput, StoreError
from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, WHITEOUT, Entry, path_bytes
from shipway.core.text import shown

if TYPE_CHECKING:
    from typing import BinaryIO

WRITER_VERSION = 1
BLOCK = 512
_HEADER = struct.Struct("100s8s8s8s12s12s8s1s100s6s2s32s32s8s8s155s12x")
_TYPES = {FILE: b"0", WHITEOUT: b"0", HARDLINK: b"1", SYMLINK: b"2", DIRECTORY: b"5"}
_NAME, _PREFIX = 100, 155
_MAX_ID, _MAX_SIZE = 0o7777777, 0o77777777777
_GATHER = 1 << 20
_WHITEOUT = b".wh."
_ZERO_NUMBER = b"0000000\0"


class Sink(Protocol):
    """Where the bytes go: a hash, a file, a compressor."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Take all of `data`, which may be overwritten after the call."""
        ...


OpenContent = Callable[[], "BinaryIO"]


def write_layer(entries: Iterable[tuple[Entry, OpenContent]], sink: Sink, *, verify: bool = False) -> int:
    """Write one layer and say how many bytes it has.

    Args:
        entries: in canonical order, each with a function that opens its content (called for files only).
        sink: takes the bytes; memory stays below 3 MiB however large the files are.
        verify: compare every file's digest with its entry on the way.

    Raises:
        ValueError: the entries are not in order.
        HostileInput: a path has a component that starts with `.wh.`, which no layer can express.
        StoreError: a file has another size, or with `verify` another digest, than its entry.
    """
    writer = _Writer(sink, verify=verify)
    previous = b""
    for entry, open_content in entries:
        raw = path_bytes(entry.path)
        if raw <= previous:
            raise ValueError(f"not in order: {entry.path!r} after {previous!r}")
        previous = raw
        writer.add(entry, raw, open_content)
    return writer.finish()


class _Writer:
    """Gathers small pieces so that the sink is called about once a mebibyte."""

    def __init__(self, sink: Sink, *, verify: bool):
        self._sink, self._verify = sink, verify
        self._held = bytearray()
        self._buffer = bytearray(_GATHER)
        self._size = 0

    def add(self, entry: Entry, raw: bytes, open_content: OpenContent) -> None:
        self._held += render_header(entry, raw)
        if entry.kind == FILE and entry.size:
            self._copy(entry, open_content)
        if len(self._held) >= _GATHER:
            self._flush()

    def finish(self) -> int:
        self._held += bytes(2 * BLOCK)
        self._flush()
        return self._size

    def _flush(self) -> None:
        self._size += len(self._held)
        self._sink.write(bytes(self._held))
        self._held.clear()

    def _copy(self, entry: Entry, open_content: OpenContent) -> None:
        sha = hashlib.sha256() if self._verify else None
        left = entry.size
        with open_content() as file:
            if left <= _GATHER:
                data = file.read(left + 1)
                left -= len(data)
                self._held += data
                if sha:
                    sha.update(data)
            else:
                self._flush()
                left -= self._stream(file, left, sha)
        if left or (sha and sha.hexdigest() != entry.digest):
            raise StoreError(
                f"`{shown(entry.path)}` in the store is not what its manifest says",
                hints=("shipway verify --repair",),
            )
        self._held += bytes(-entry.size % BLOCK)

    def _stream(self, file: BinaryIO, size: int, sha: hashlib._Hash | None) -> int:
        """Pass at most `size + 1` bytes of `file` on; how many there were."""
        view = memoryview(self._buffer)
        done = 0
        while count := file.readinto(view[: min(_GATHER, size + 1 - done)]):  # type: ignore[attr-defined]
            piece = view[:count]
            self._sink.write(piece)
            if sha:
                sha.update(piece)
            done += count
        self._size += done
        return done


def render_header(entry: Entry, raw: bytes) -> bytes:
    """The header blocks of `entry`, whose path is `raw`: one, or three and more where PAX is needed.

    Raises:
        HostileInput: the path cannot be expressed in a layer.
    """
    name = _member_name(entry, raw)
    link = path_bytes(entry.target) if entry.kind in (SYMLINK, HARDLINK) else b""
    size = entry.size if entry.kind == FILE else 0
    short, prefix, pax = _fitting(name)
    records: dict[bytes, bytes] = {b"path": name} if pax else {}
    if len(link) > _NAME or not link.isascii():
        records[b"linkpath"] = link
    uid, gid = (
        _number(records, key, value, _MAX_ID) for key, value in ((b"uid", entry.uid), (b"gid", entry.gid))
    )
    stated = _number(records, b"size", size, _MAX_SIZE)
    mtime = _number(records, b"mtime", entry.mtime, _MAX_SIZE)
    for attribute, value in entry.xattrs if entry.kind in (FILE, DIRECTORY) else ():
        if allowed_xattr(attribute):
            records[XATTR.encode() + path_bytes(attribute)] = value
    mode = 0o644 if entry.kind == WHITEOUT else 0o777 if entry.kind == SYMLINK else entry.mode
    header = _block(short, mode, uid, gid, stated, mtime, _TYPES[entry.kind], _ascii(link), prefix)
    return _pax_blocks(records) + header if records else header


def _member_name(entry: Entry, raw: bytes) -> bytes:
    if raw.startswith(_WHITEOUT) or b"/.wh." in raw:
        raise HostileInput(
            f"`{shown(entry.path)}` cannot be in a layer: names that start with `.wh.` hide other files there",
            hints=("rename the file, or add it to the ignore rules",),
        )
    if entry.kind == WHITEOUT:
        parent, slash, base = raw.rpartition(b"/")
        return parent + slash + _WHITEOUT + base
    if raw == b".":
        return b"./"
    return raw + b"/" if entry.kind == DIRECTORY else raw


def _fitting(name: bytes) -> tuple[bytes, bytes, bool]:
    """The name and prefix fields, and whether they are too small for `name`."""
    if name.isascii():
        if len(name) <= _NAME:
            return name, b"", False
        # The first slash that leaves a short enough rest; a directory's own last slash cannot split.
        at = name.find(b"/", len(name) - _NAME - 1, len(name) - 1)
        if 0 < at <= _PREFIX:
            return name[at + 1 :], name[:at], False
    return _ascii(name), b"", True


def _ascii(name: bytes) -> bytes:
    """`name` cut to its field; readers that know PAX never look at it."""
    if name.isascii():
        return name[:_NAME]
    return bytes(byte if byte < 0x80 else 0x3F for byte in name[:_NAME])  # noqa: PLR2004 - ASCII, question mark


def _number(records: dict[bytes, bytes], key: bytes, value: int, limit: int) -> int:
    """`value` if its field can hold it; else 0, and a record."""
    if value <= limit:
        return value
    records[key] = b"%d" % value
    return 0


def _block(
    name: bytes, mode: int, uid: int, gid: int, size: int, mtime: int, kind: bytes, link: bytes, prefix: bytes
) -> bytes:
    block = bytearray(
        _HEADER.pack(
            name,
            b"%07o\0" % mode,
            b"%07o\0" % uid,
            b"%07o\0" % gid,
            b"%011o\0" % size,
            b"%011o\0" % mtime,
            b"        ",
            kind,
            link,
            b"ustar\0",
            b"00",
            b"",
            b"",
            _ZERO_NUMBER,
            _ZERO_NUMBER,
            prefix,
        )
    )
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _pax_blocks(records: dict[bytes, bytes]) -> bytes:
    binary = any(not _is_utf8(records.get(key, b"")) for key in (b"path", b"linkpath"))
    # POSIX takes names for UTF-8; this record says that they are bytes.
    ordered = ([(b"hdrcharset", b"BINARY")] if binary else []) + sorted(records.items())
    data = b"".join(_record(key, value) for key, value in ordered)
    header = _block(b"PaxHeaders/layer", 0o644, 0, 0, len(data), 0, b"x", b"", b"")
    return header + data + bytes(-len(data) % BLOCK)


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _record(key: bytes, value: bytes) -> bytes:
    """`length key=value`, where the length counts its own digits."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest
