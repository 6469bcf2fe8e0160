"""The data of a squashfs: files in blocks, their ends in fragments, compressed by several threads and written in order."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from shipway.core.errors import StoreError
from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.archive.squashfs_tables import Packers
    from shipway.core.manifest import Entry

BLOCK_SIZE = 1 << 17
_PLAIN = 1 << 24
"""Marks the size of a block that is stored as it is."""
_AHEAD = 32
"""Blocks that may wait for a thread or for those before them: 4 MiB."""


class Content(NamedTuple):
    """Where the bytes of a file are. `sizes` is filled as its blocks are written."""

    size: int
    start: list[int]
    """One number once written: where its first block is; none for a file that has no block."""
    sizes: list[int]
    """Of its blocks, as an inode has them."""
    fragment: int | None
    """Number of the fragment that has its end; None: it has none."""
    offset: int
    """In that fragment."""


class DataWriter:
    """Writes blocks in the order in which they are given, while others are compressed."""

    def __init__(self, file: BinaryIO, start: int, pool: Packers):
        """`start`: where the file system begins in `file`."""
        self._file, self._start, self._pool = file, start, pool
        self._waiting: deque[tuple[Future[tuple[bytes, bool]], Callable[[int, int], None]]] = deque()
        self._known: dict[tuple[str, int], Content] = {}
        self._tail = bytearray()
        self._fragments: list[tuple[int, int]] = []

    def add(self, entry: Entry, open_content: Callable[[], BinaryIO]) -> Content:
        """Store the file `entry`, unless one of the same digest is there.

        Raises:
            StoreError: it has another size or digest than `entry` says.
        """
        key = (entry.digest, entry.size)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._store(entry, open_content)
        return found

    def finish(self) -> list[tuple[int, int]]:
        """Write what waits; returns place and size of each fragment."""
        self._flush_tail()
        while self._waiting:
            self._write_first()
        return self._fragments

    def _store(self, entry: Entry, open_content: Callable[[], BinaryIO]) -> Content:
        whole, rest = divmod(entry.size, BLOCK_SIZE)
        start: list[int] = []
        sizes: list[int] = []
        sha = hashlib.sha256()

        def placed(place: int, size: int) -> None:
            if not sizes:
                start.append(place)
            sizes.append(size)

        with open_content() as file:
            for _ in range(whole):
                block = self._read(file, BLOCK_SIZE, entry)
                sha.update(block)
                self._put(block, placed)
            tail = self._read(file, rest, entry)
            sha.update(tail)
            if file.read(1):
                raise _changed(entry)
        if sha.hexdigest() != entry.digest:
            raise _changed(entry)
        if not rest:
            return Content(entry.size, start, sizes, None, 0)
        if len(self._tail) + rest > BLOCK_SIZE:
            self._flush_tail()
        offset = len(self._tail)
        self._tail += tail
        return Content(entry.size, start, sizes, len(self._fragments), offset)

    @staticmethod
    def _read(file: BinaryIO, size: int, entry: Entry) -> bytes:
        """Exactly `size` bytes; a raw file may give fewer at a time."""
        data = b""
        while len(data) < size:
            more = file.read(size - len(data))
            if not more:
                raise _changed(entry)
            data += more
        return data

    def _flush_tail(self) -> None:
        if not self._tail:
            return
        number = len(self._fragments)
        self._fragments.append((0, 0))

        def placed(place: int, size: int) -> None:
            self._fragments[number] = (place, size)

        self._put(bytes(self._tail), placed)
        self._tail.clear()

    def _put(self, block: bytes, placed: Callable[[int, int], None]) -> None:
        if len(self._waiting) >= _AHEAD:
            self._write_first()
        self._waiting.append((self._pool.submit(block), placed))

    def _write_first(self) -> None:
        future, placed = self._waiting.popleft()
        data, packed = future.result()
        placed(self._file.tell() - self._start, len(data) | (0 if packed else _PLAIN))
        self._file.write(data)


def _changed(entry: Entry) -> StoreError:
    return StoreError(
        f"`{shown(entry.path)}` in the store is not what its manifest says",
        hints=("shipway verify --repair",),
    )
