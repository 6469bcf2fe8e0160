"""An image that can leave for another engine, as values: its documents, and writers of its bytes.

Nothing is kept twice: bytes are generated each time that somebody takes them. Who takes them compares digests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from shipway.core.digest import DiffId
    from shipway.image.oci import Image


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Take all of `data`, which may be overwritten after the call."""
        ...


class PortableLayer(NamedTuple):
    """One layer."""

    diff_id: DiffId
    size: int
    """Bytes of the uncompressed tar."""
    write: Callable[[Sink], object]
    """Generates these bytes; may be called from any thread, and more than once."""


class WriteArchive(Protocol):
    """Generates the stream that `docker load` and `podman load` read."""

    def __call__(self, tag: str, sink: Sink, *, without: Collection[DiffId] = ()) -> None:
        """Write the image, to be called `tag`. `without`: layers whose bytes the receiver has."""
        ...


class PortableImage(NamedTuple):
    """A whole image, layers bottom first."""

    image: Image
    platform: str
    layers: tuple[PortableLayer, ...]
    write_archive: WriteArchive
