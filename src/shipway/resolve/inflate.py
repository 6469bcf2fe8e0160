"""Compressed indexes opened within the size that the Release promises."""

from __future__ import annotations

import lzma
import zlib

import zstandard

from shipway.core.errors import HostileInput

_MOST = 1 << 30
"""No index of any archive is near this; a smaller bound comes from the Release where it states one."""


def inflate_index(path: str, suffix: str, size: int | None) -> bytes:
    """The bytes of the index file `path`, compressed as `suffix` (`.xz`, `.zst`, `.gz` or empty) says.

    Raises:
        HostileInput: it is damaged, or larger than `size`.
    """
    with open(path, "rb") as stream:
        data = stream.read()
    most = _MOST if size is None else size
    try:
        text = _inflate(data, suffix, most + 1)
    except (lzma.LZMAError, zlib.error, zstandard.ZstdError) as error:
        raise HostileInput(f"`{path}` is damaged: {error}", hints=("use another mirror",)) from error
    if len(text) > most or (size is not None and len(text) != size):
        raise HostileInput(
            f"`{path}` does not have the size that its Release states", hints=("use another mirror",)
        )
    return text


def _inflate(data: bytes, suffix: str, most: int) -> bytes:
    if suffix == ".xz":
        return lzma.LZMADecompressor().decompress(data, max_length=most)
    if suffix == ".gz":
        return zlib.decompressobj(wbits=31).decompress(data, most)
    if suffix == ".zst":
        with zstandard.ZstdDecompressor().stream_reader(data) as stream:
            return stream.read(most)
    return data
