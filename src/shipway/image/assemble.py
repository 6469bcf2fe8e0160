"""Trees -> layers -> image. A layer's diffID is remembered by the trees in it, so unchanged layers cost nothing."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from shipway.archive.tarwriter import WRITER_VERSION, write_layer
from shipway.core.digest import BlobDigest, DiffId, key_of
from shipway.core.events import Began, Did, Emit, Ended
from shipway.core.overlay import Placed, stack
from shipway.image.oci import Image, ImageConfig, ImageLayer, render_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shipway.core.manifest import Entry
    from shipway.store.store import Store
    from shipway.store.tree import Tree

PHASE = "layers"
_RECORD = "layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class CameLayer:
    """A layer of others."""

    diff_id: DiffId
    blob: BlobDigest
    media_type: str
    size: int
    """Bytes of the uncompressed tar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerContent:
    """What goes into one layer: trees bottom first."""

    name: str
    trees: tuple[Tree, ...]
    packages: tuple[str, ...]
    reason: str = field(compare=False)
    came: CameLayer | None = None
    """The bytes of a layer of others, which are used as they came and not written from the trees."""


def assemble(
    store: Store, contents: Sequence[LayerContent], settings: ImageConfig, emit: Emit, *, workers: int = 2
) -> Image:
    """The image of `contents`, bottom first. Layers not seen before are written once, into a hash.

    Raises:
        StoreError: a tree's file is missing or cannot be read.
    """
    emit(Began(PHASE, items=len(contents)))
    with ThreadPoolExecutor(workers) as pool:
        layers = list(pool.map(lambda content: _layer(store, content, settings.epoch, emit), contents))
    emit(Ended(PHASE))
    return render_image(settings, tuple(layers))


def layer_members(trees: Sequence[Tree], epoch: int) -> Iterator[tuple[Entry, Callable[[], BinaryIO]]]:
    """Every path of a layer in canonical order with a way to its content; no time is later than `epoch`."""
    for placed in stack([tree.manifest() for tree in trees], keep_whiteouts=True):
        entry = placed.entry if placed.entry.mtime <= epoch else placed.entry._replace(mtime=epoch)
        yield entry, _opener(trees, placed)


def layer_key(trees: Sequence[Tree], epoch: int) -> dict[str, Any]:
    """Everything that decides a layer's bytes."""
    return {"layer": 1, "writer": WRITER_VERSION, "epoch": epoch, "trees": [tree.id for tree in trees]}


class HashingSink:
    """Counts and hashes what is written, and keeps nothing."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | memoryview, /) -> int:
        """Take `data`."""
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    @property
    def diff_id(self) -> DiffId:
        """The digest of all that was written."""
        return DiffId.from_hex(self._hash.hexdigest())


def _layer(store: Store, content: LayerContent, epoch: int, emit: Emit) -> ImageLayer:
    if content.came is not None:
        return ImageLayer(
            name=content.name,
            diff_id=content.came.diff_id,
            size=content.came.size,
            packages=content.packages,
            reason=content.reason,
        )
    key = key_of(layer_key(content.trees, epoch)).hex
    record = store.record(_RECORD, key)
    if record is None:
        sink = HashingSink()
        write_layer(layer_members(content.trees, epoch), sink)
        record = {"diff_id": sink.diff_id, "size": sink.size}
        store.put_record(_RECORD, key, record)
    emit(Did(PHASE, content.name))
    return ImageLayer(
        name=content.name,
        diff_id=DiffId(record["diff_id"]),
        size=int(record["size"]),
        packages=content.packages,
        reason=content.reason,
    )


def _opener(trees: Sequence[Tree], placed: Placed) -> Callable[[], BinaryIO]:
    path = os.path.join(trees[placed.tree].root, placed.entry.path)
    return lambda: open(path, "rb", buffering=0)
