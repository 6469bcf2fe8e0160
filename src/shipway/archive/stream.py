"""Decompressors as exact, bounded byte streams."""

from __future__ import annotations

import lzma
from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast

from isal import isal_zlib

from shipway.archive.limits import LIMITS, Limits, require_ratio
from shipway.archive.names import refuse_archive

CHUNK = 1 << 20
GZIP_LEVEL = 3
"""Of ISA-L, for what others are to read. Its levels 1 and 2 write other bytes in each process, mostly of short inputs."""
INFLATE_ERRORS: tuple[type[Exception], ...] = (cast("type[Exception]", isal_zlib.error), EOFError)


class Reader(Protocol):
    """What members are read from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; fewer only at the end."""
        ...


class Bytes:
    """`Reader` over an iterator of chunks."""

    __slots__ = ("_at", "_chunks", "_held")

    def __init__(self, chunks: Iterator[bytes]):
        self._chunks = chunks
        self._held = b""
        self._at = 0

    def read(self, size: int, /) -> bytes:
        """Exactly `size` bytes, fewer only at the end of the stream."""
        end = self._at + size
        if end <= len(self._held):
            piece = self._held[self._at : end]
            self._at = end
            return piece
        parts = [self._held[self._at :]]
        have = len(parts[0])
        self._held, self._at = b"", 0
        for chunk in self._chunks:
            have += len(chunk)
            if have >= size:
                self._at = len(chunk) - (have - size)
                self._held = chunk
                parts.append(chunk[: self._at])
                break
            parts.append(chunk)
        return b"".join(parts)


def decompress(
    name: str,
    packed: Iterator[bytes],
    packed_size: int,
    artifact: str,
    limits: Limits = LIMITS,
    *,
    several: bool = False,
) -> Iterator[bytes]:
    """The unpacked chunks of a stream; the format is told by the suffix of `name` (`.xz .zst .gz .lzma`, or none).

    Args:
        name: file name of the stream.
        packed: its bytes.
        packed_size: how many there are; bounds what may come out.
        artifact: for messages.
        limits: caps.
        several: whether streams may follow one another, as in layers that can be read in pieces.

    Raises:
        HostileInput: the stream is damaged, cut short, followed by other bytes, or unpacks to too much.
    """
    suffix = name.rpartition(".")[2]
    opener = _OPENERS.get(suffix)
    total = 0
    for chunk in (
        packed if opener is None else _drain(opener, packed, name, artifact, limits, several=several)
    ):
        total += len(chunk)
        require_ratio(total, packed_size, artifact, limits)
        yield chunk


class _Xz:
    errors: tuple[type[Exception], ...] = (lzma.LZMAError, EOFError)

    def __init__(self, limits: Limits, form: int = lzma.FORMAT_XZ):
        self._decoder = lzma.LZMADecompressor(format=form, memlimit=limits.xz_memory)

    def feed(self, data: bytes) -> Iterator[bytes]:
        out = self._decoder.decompress(data, CHUNK)
        while out:
            yield out
            if self._decoder.eof or self._decoder.needs_input:
                return
            out = self._decoder.decompress(b"", CHUNK)

    def done(self) -> bool:
        return self._decoder.eof

    def rest(self) -> bytes:
        return self._decoder.unused_data


class _Gzip:
    errors = INFLATE_ERRORS

    def __init__(self, limits: Limits):
        del limits
        self._decoder: Any = isal_zlib.decompressobj(31)

    def feed(self, data: bytes) -> Iterator[bytes]:
        while not self._decoder.eof:
            out = self._decoder.decompress(data, CHUNK)
            data = self._decoder.unconsumed_tail
            if out:
                yield out
            # With the bound reached, more output may wait inside although all input is taken.
            if not data and len(out) < CHUNK:
                return

    def done(self) -> bool:
        return bool(self._decoder.eof)

    def rest(self) -> bytes:
        return bytes(self._decoder.unused_data)


class _Zstd:
    errors: tuple[type[Exception], ...] = (EOFError,)

    def __init__(self, limits: Limits):
        import zstandard  # noqa: PLC0415 - half of the distributions never need it

        self.errors = (zstandard.ZstdError, EOFError)
        self._decoder: Any = zstandard.ZstdDecompressor(max_window_size=limits.xz_memory).decompressobj()

    def feed(self, data: bytes) -> Iterator[bytes]:
        # The binding has no bound on output, so input goes in by small pieces: a block unpacks to 128 KiB at most.
        for at in range(0, len(data), _ZSTD_STEP):
            if self._decoder.eof:
                self._surplus = data[at:]
                return
            out = self._decoder.decompress(data[at : at + _ZSTD_STEP])
            if out:
                yield out

    _surplus = b""

    def done(self) -> bool:
        return bool(self._decoder.eof)

    def rest(self) -> bytes:
        return bytes(self._decoder.unused_data) + self._surplus


_ZSTD_STEP = 4096
_Decoder = _Xz | _Gzip | _Zstd
_OPENERS: dict[str, Callable[[Limits], _Decoder]] = {
    "xz": _Xz,
    "lzma": lambda limits: _Xz(limits, lzma.FORMAT_ALONE),
    "gz": _Gzip,
    "tgz": _Gzip,
    "zst": _Zstd,
}


def _drain(
    opener: Callable[[Limits], _Decoder],
    packed: Iterator[bytes],
    name: str,
    artifact: str,
    limits: Limits,
    *,
    several: bool,
) -> Iterator[bytes]:
    decoder = opener(limits)
    try:
        for data in packed:
            if decoder.done():
                decoder = _next(opener, limits, name, artifact, several=several)
            yield from decoder.feed(data)
            while decoder.done() and (rest := decoder.rest()):
                decoder = _next(opener, limits, name, artifact, several=several)
                yield from decoder.feed(rest)
    except decoder.errors as error:
        raise refuse_archive(artifact, f"has a damaged compressed stream `{name}`: {error}") from error
    if not decoder.done():
        raise refuse_archive(artifact, f"is cut short in the compressed stream `{name}`")


def _next(
    opener: Callable[[Limits], _Decoder], limits: Limits, name: str, artifact: str, *, several: bool
) -> _Decoder:
    if not several:
        raise refuse_archive(artifact, f"has bytes after the end of the compressed stream `{name}`")
    return opener(limits)
