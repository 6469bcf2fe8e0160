"""Bringing an image of others into the store: its blobs checked against their digests, its layers as trees."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, NamedTuple

from shipway.archive.stream import Bytes, decompress
from shipway.core.digest import BlobDigest, DiffId, key_of
from shipway.core.errors import HashMismatch
from shipway.core.events import Began, Did, Ended, Note
from shipway.core.foreign import layer_inputs
from shipway.core.text import shown
from shipway.host import files
from shipway.image.document import ENCODINGS
from shipway.image.foreign import unpack_layer, visible
from shipway.image.oci import LAYER_TYPE
from shipway.image.source import packed_suffix
from shipway.image.stored import StoredImage, StoredLayer, canonical_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shipway.core.events import Emit
    from shipway.image.document import Config
    from shipway.store.store import Store
    from shipway.store.transaction import Transaction
    from shipway.store.tree import Tree

PHASE = "layers"
_FACT = "unpacked"
_CHUNK = 1 << 16
_SUFFIX = {"none": "", "gzip": ".gz", "zstd": ".zst"}


class Arrived(NamedTuple):
    """The bytes of a layer, in the store or in the open transaction."""

    digest: BlobDigest
    media_type: str


def add_checked(
    transaction: Transaction, digest: BlobDigest, size: int, chunks: Iterator[bytes], name: str
) -> str:
    """Put a blob into the store unless it is there; returns its path.

    Raises:
        HashMismatch: the bytes of `chunks` are not what `digest` and `size` say.
        NoSpace: the disk is full.
    """
    found = transaction.find_blob(digest)
    if found is not None:
        return found
    path = transaction.blob_staging_path(digest)
    sha, left = hashlib.sha256(), size
    with files.translating_disk_errors(f"store a layer of `{shown(name)}`"), open(path, "wb") as file:
        for data in chunks:
            left -= len(data)
            if left < 0:
                break
            sha.update(data)
            file.write(data)
    if left or sha.hexdigest() != digest.hex:
        os.unlink(path)
        raise HashMismatch(
            f"a blob of `{shown(name)}` is not what its digest `{digest}` and its {size} bytes say",
            hints=["get the image again; what was delivered is damaged or was changed"],
        )
    return transaction.add_blob(path, digest)


def add_unnamed(transaction: Transaction, chunks: Iterator[bytes], name: str) -> Arrived:
    """Put a layer into the store that comes without digest, as in Docker's archives.

    Raises:
        NoSpace: the disk is full.
    """
    path = f"{transaction.path}/layer-{files.random_name()}"
    sha = hashlib.sha256()
    with files.translating_disk_errors(f"store a layer of `{shown(name)}`"), open(path, "wb") as file:
        for data in chunks:
            sha.update(data)
            file.write(data)
    digest = BlobDigest.from_hex(sha.hexdigest())
    packed = {"": "", ".gz": "+gzip", ".zst": "+zstd"}.get(packed_suffix(path), "")
    if transaction.find_blob(digest) is None:
        transaction.add_blob(path, digest)
    else:
        os.unlink(path)
    return Arrived(digest, LAYER_TYPE + packed)


def fill_image(
    store: Store,
    transaction: Transaction,
    name: str,
    config: tuple[bytes, Config],
    layers: Iterable[Arrived],
    *,
    emit: Emit,
    manifest: bytes = b"",
) -> StoredImage:
    """The image over `layers`, bottom first, each unpacked to a tree unless it is there. The caller commits the last of them.

    Args:
        store: where the image goes.
        transaction: of that store; one of the two holds the blobs.
        name: for messages.
        config: the bytes of the configuration, and what they say.
        layers: the bytes of the layers, as many as the configuration says; each is asked for when those below are unpacked.
        emit: hears the progress.
        manifest: as it came; without, the canonical one is made.

    Raises:
        HashMismatch: an unpacked layer is not what its diffID says.
        HostileInput: see `foreign.unpack_layer`.
    """
    body, facts = config
    stored = fill_layers(store, transaction, name, facts.diff_ids, layers, emit=emit)
    return StoredImage(
        config=body, layers=stored, epoch=0, manifest=manifest or canonical_manifest(body, stored)
    )


def fill_layers(
    store: Store,
    transaction: Transaction,
    name: str,
    diff_ids: Sequence[DiffId],
    layers: Iterable[Arrived],
    *,
    emit: Emit,
) -> tuple[StoredLayer, ...]:
    """As `fill_image` for the layers alone, whose digests unpacked are `diff_ids`; bottom first."""
    trees: list[Tree] = []
    stored: list[StoredLayer] = []
    emit(Began(PHASE, items=len(diff_ids)))
    for index, (arrived, diff_id) in enumerate(zip(layers, diff_ids, strict=True)):
        label = f"{name} layer {index + 1}"
        below = tuple(diff_ids[:index])
        key = key_of(layer_inputs(diff_id, below))
        fact = store.record(_FACT, f"{key} {arrived.digest}")
        found = transaction.find_tree(key) if fact else None
        tree, size = (
            (found, int(fact["size"]))
            if found and fact
            else _unpack(transaction, arrived, (diff_id, below), trees, label, emit)
        )
        trees.append(tree)
        stored.append(
            StoredLayer(
                diff_id=diff_id,
                size=size,
                trees=(tree.key,),
                blob=arrived.digest,
                media_type=arrived.media_type,
                name=f"layer-{index + 1}",
                reason="of the image as it came",
            )
        )
        emit(Did(PHASE, label))
    emit(Ended(PHASE))
    return tuple(stored)


def _unpack(
    transaction: Transaction,
    arrived: Arrived,
    place: tuple[DiffId, tuple[DiffId, ...]],
    below: Sequence[Tree],
    label: str,
    emit: Emit,
) -> tuple[Tree, int]:
    """The tree of a layer, made from its bytes, and the size of its tar. `place`: its diffID and those under it."""
    diff_id, under = place
    inputs = layer_inputs(diff_id, under)
    path = transaction.find_blob(arrived.digest)
    assert path is not None
    staged = transaction.stage(label)
    meter = _Meter()
    chunks = meter.watch(plain_chunks(path, arrived.media_type, label))
    unpacked = unpack_layer(
        staged.fd, Bytes(chunks), label, lambda: visible([tree.manifest() for tree in below])
    )
    for _ in chunks:
        pass
    if meter.hex != diff_id.hex:
        raise HashMismatch(
            f"`{shown(label)}` unpacks to `sha256:{meter.hex}`, but its configuration says `{diff_id}`",
            hints=["get the image again; what was delivered is damaged or was changed"],
        )
    if unpacked.special:
        emit(Note(f"{label}: {unpacked.special} devices, pipes or sockets were left out"))
    # By blob too: whatever bytes claim to be this layer were unpacked and compared once.
    transaction.put_record(_FACT, f"{key_of(inputs)} {arrived.digest}", {"size": meter.size})
    return transaction.add_tree(inputs, staged, unpacked.manifest), meter.size


def plain_chunks(path: str, media_type: str, label: str) -> Iterator[bytes]:
    """The uncompressed bytes of the layer at `path`.

    Raises:
        HostileInput: the stream is damaged, or unpacks to too much.
    """
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        packed = iter(lambda: file.read(_CHUNK), b"")
        yield from decompress(f"layer{_SUFFIX[ENCODINGS[media_type]]}", packed, size, label, several=True)


class _Meter:
    """Counts and hashes what passes."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self.size = 0

    def watch(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for data in chunks:
            self._sha.update(data)
            self.size += len(data)
            yield data

    @property
    def hex(self) -> str:
        return self._sha.hexdigest()
