"""Metadata of a squashfs: blocks of 8 KiB behind a length each, lookup tables over them, extended attributes."""

from __future__ import annotations

import contextlib
import struct
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import zstandard
from isal import isal_zlib

from shipway.archive.stream import GZIP_LEVEL
from shipway.core.manifest import path_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ABSENT = 0xFFFFFFFFFFFFFFFF
"""The place of a table that is not there."""
NO_XATTRS = 0xFFFFFFFF
METADATA = 8192
_PLAIN = 0x8000
_ZSTD_LEVEL = 3
_PREFIXES = ("user.", "trusted.", "security.")


class Packers:
    """Threads that compress blocks."""

    def __init__(self, compression: str, pool: ThreadPoolExecutor):
        self._compression, self._pool = compression, pool
        self._local = threading.local()

    def submit(self, block: bytes) -> Future[tuple[bytes, bool]]:
        """The block as it is to be stored, and whether it is compressed: not when that would gain nothing."""
        return self._pool.submit(self._pack, block)

    def _pack(self, block: bytes) -> tuple[bytes, bool]:
        packed = self._compress(block)
        return (packed, True) if len(packed) < len(block) else (block, False)

    def _compress(self, block: bytes) -> bytes:
        if self._compression == "gzip":
            data: bytes = isal_zlib.compress(block, GZIP_LEVEL)
            return data
        compressor: zstandard.ZstdCompressor | None = getattr(self._local, "compressor", None)
        if compressor is None:
            compressor = self._local.compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
        return compressor.compress(block)


@contextlib.contextmanager
def packers(compression: str, workers: int) -> Iterator[Packers]:
    """Threads for one file system, ended with the block."""
    with ThreadPoolExecutor(workers) as pool:
        yield Packers(compression, pool)


class Table:
    """A stream of records, each of which is named by its block's place and its offset in that block.

    Where a block will lie is known only when the blocks before it are compressed, so this happens as they fill.
    """

    def __init__(self, pool: Packers):
        self._pool = pool
        self._held = bytearray()
        self._blocks: list[bytes] = []
        self._at = 0

    def place(self) -> tuple[int, int]:
        """Where the next record will be: its block from the table's start, its offset in the block unpacked."""
        return self._at, len(self._held)

    def add(self, record: bytes) -> None:
        """Append one record, which may go over the end of a block."""
        self._held += record
        while len(self._held) >= METADATA:
            self._close(METADATA)

    def blocks(self) -> list[bytes]:
        """Everything, ready to be written."""
        if self._held:
            self._close(len(self._held))
        return self._blocks

    def _close(self, size: int) -> None:
        data, packed = self._pool.submit(bytes(self._held[:size])).result()
        del self._held[:size]
        self._blocks.append(struct.pack("<H", len(data) | (0 if packed else _PLAIN)) + data)
        self._at += len(data) + 2


def lookup_table(rows: Sequence[bytes], at: int, pool: Packers) -> tuple[list[bytes], bytes]:
    """Blocks of `rows`, to be written at `at`, and the list of the blocks' places, to be written behind them."""
    table = Table(pool)
    for row in rows:
        table.add(row)
    blocks = table.blocks()
    places = []
    for block in blocks:
        places.append(at)
        at += len(block)
    return blocks, struct.pack(f"<{len(places)}Q", *places)


class XattrTable:
    """Sets of extended attributes, each once."""

    def __init__(self) -> None:
        self._sets: dict[tuple[tuple[str, bytes], ...], int] = {}

    def number(self, xattrs: tuple[tuple[str, bytes], ...]) -> int:
        """What an inode says for `xattrs`."""
        return self._sets.setdefault(tuple(sorted(xattrs)), len(self._sets)) if xattrs else NO_XATTRS

    def render(self, at: int, pool: Packers) -> tuple[list[bytes], int]:
        """The table's chunks, to be written at `at`, and the offset of its head in them; nothing when there are no sets."""
        if not self._sets:
            return [], 0
        pairs = Table(pool)
        rows = []
        for xattrs in self._sets:
            block, offset = pairs.place()
            data = b"".join(_pair(name, value) for name, value in xattrs)
            pairs.add(data)
            rows.append(struct.pack("<QII", block << 16 | offset, len(xattrs), len(data)))
        chunks = pairs.blocks()
        first = sum(map(len, chunks))
        ids, places = lookup_table(rows, at + first, pool)
        head = struct.pack("<QII", at, len(rows), 0)
        return [*chunks, *ids, head, places], first + sum(map(len, ids))


def _pair(name: str, value: bytes) -> bytes:
    kind = next(number for number, prefix in enumerate(_PREFIXES) if name.startswith(prefix))
    short = path_bytes(name.removeprefix(_PREFIXES[kind]))
    return struct.pack("<HH", kind, len(short)) + short + struct.pack("<I", len(value)) + value
