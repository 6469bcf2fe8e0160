"""Layers as bytes for others: uncompressed, gzip or zstd, or as they came.

Compressed bytes name nothing of ours; they are a cache, kept in the store by encoder, its version and level, and collected
like anything that nobody pins. Uncompressed layers of ours are written from their trees each time, so they cost no disk.
"""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import isal
import zstandard
from isal import isal_zlib

from shipway.archive.stream import GZIP_LEVEL
from shipway.archive.tarwriter import write_layer
from shipway.core.digest import BlobDigest, Digest, canonical_json
from shipway.core.errors import NotFound, StoreError
from shipway.core.events import Began, Did, Ended
from shipway.host import files
from shipway.image.assemble import layer_members
from shipway.image.document import ENCODINGS
from shipway.image.fill import plain_chunks
from shipway.image.oci import LAYER_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shipway.core.events import Emit
    from shipway.image.stored import StoredImage, StoredLayer
    from shipway.store.store import Store
    from shipway.store.transaction import Transaction
    from shipway.store.tree import Tree

PHASE = "encode"
_FACT = "encoded"
_CHUNK = 1 << 20
_AHEAD = 4
"""Chunks that may wait between the writer of a layer and whoever reads it."""
_ZSTD_LEVEL = 3


class Encoding(StrEnum):
    """How a receiver wants layers."""

    KEEP = "keep"
    """Those of others as they came, ours uncompressed."""
    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


LAYER_TYPES = {
    Encoding.NONE: LAYER_TYPE,
    Encoding.GZIP: f"{LAYER_TYPE}+gzip",
    Encoding.ZSTD: f"{LAYER_TYPE}+zstd",
}
"""OCI's media type of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """One layer as a receiver gets it."""

    media_type: str
    digest: Digest
    size: int
    chunks: Callable[[], Iterator[bytes]]
    """A new stream of the bytes, each time."""


class _Encoder(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def encode_image(
    store: Store, image: StoredImage, encoding: Encoding, emit: Emit, *, as_came: bool = False
) -> tuple[Encoded, ...]:
    """The layers of `image`, bottom first, for a receiver that wants `encoding`. `as_came`: but what others packed stays so.

    Raises:
        NotFound: trees or blobs of the image are no longer in the store.
        NoSpace, StoreError: a compressed layer cannot be kept.
    """
    encodings = [
        Encoding.KEEP if as_came and layer.blob and ENCODINGS[layer.media_type] != Encoding.NONE else encoding
        for layer in image.layers
    ]
    _pack_missing(store, image, encodings, emit)
    return tuple(
        _encode(store, layer, image.epoch, one) for layer, one in zip(image.layers, encodings, strict=True)
    )


def _encode(store: Store, layer: StoredLayer, epoch: int, encoding: Encoding) -> Encoded:
    came = ENCODINGS[layer.media_type] if layer.blob else ""
    if layer.blob and encoding in (Encoding.KEEP, came):
        path = _require_blob(store, layer.blob, layer.name)
        media_type = layer.media_type if encoding is Encoding.KEEP else LAYER_TYPES[encoding]
        return Encoded(
            media_type=media_type,
            digest=layer.blob,
            size=os.path.getsize(path),
            chunks=lambda: read_chunks(path),
        )
    if not _is_packed_here(layer, encoding):
        plain = _plain(store, layer, epoch)
        return Encoded(media_type=LAYER_TYPE, digest=layer.diff_id, size=layer.size, chunks=plain)
    found = _cached(store, layer, encoding)
    if found is None:
        raise _gone(layer.name)
    return found


def _plain(store: Store, layer: StoredLayer, epoch: int) -> Callable[[], Iterator[bytes]]:
    """A way to the uncompressed bytes of `layer`."""
    if layer.blob:
        path, media_type = _require_blob(store, layer.blob, layer.name), layer.media_type
        return lambda: plain_chunks(path, media_type, layer.name)
    trees = []
    for key in layer.trees:
        tree = store.find_tree(key)
        if tree is None:
            raise _gone(layer.name)
        trees.append(tree)
    return lambda: layer_chunks(trees, epoch)


def _cached(store: Store, layer: StoredLayer, encoding: Encoding) -> Encoded | None:
    """`layer` as it was compressed before, if it still is there."""
    fact = store.record(_FACT, _key(layer, encoding))
    path = store.find_blob(BlobDigest(fact["digest"])) if fact else None
    if fact is None or path is None:
        return None
    place = path
    return Encoded(
        media_type=LAYER_TYPES[encoding],
        digest=BlobDigest(fact["digest"]),
        size=int(fact["size"]),
        chunks=lambda: read_chunks(place),
    )


def _pack_missing(store: Store, image: StoredImage, ways: Sequence[Encoding], emit: Emit) -> None:
    """Compress what is asked for so and was not before; the largest first, several at once, kept together."""
    wanted: dict[str, tuple[StoredLayer, Encoding]] = {}
    for layer, encoding in zip(image.layers, ways, strict=True):
        if _is_packed_here(layer, encoding) and _cached(store, layer, encoding) is None:
            wanted[_key(layer, encoding)] = (layer, encoding)
    if not wanted:
        return
    emit(Began(PHASE, items=len(wanted)))
    largest_first = sorted(wanted.values(), key=lambda one: -one[0].size)
    stop = threading.Event()
    with store.transaction() as transaction, ThreadPoolExecutor(_workers()) as pool:
        running = {
            pool.submit(_pack, transaction, layer, encoding, _plain(store, layer, image.epoch), stop): layer
            for layer, encoding in largest_first
        }
        try:
            for future in as_completed(running):
                future.result()
                emit(Did(PHASE, running[future].name))
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        transaction.commit()
    emit(Ended(PHASE))


def _workers() -> int:
    """Layers that are compressed at once: as many as there are processors, within the memory of any machine."""
    return min(max(len(os.sched_getaffinity(0)), 2), 4)


def _is_packed_here(layer: StoredLayer, encoding: Encoding) -> bool:
    came = ENCODINGS[layer.media_type] if layer.blob else ""
    return encoding not in (Encoding.KEEP, Encoding.NONE, came)


def _pack(
    transaction: Transaction,
    layer: StoredLayer,
    encoding: Encoding,
    plain: Callable[[], Iterator[bytes]],
    stop: threading.Event,
) -> None:
    """Compress a layer into the store, and make sure on the way that it still is what its diffID says."""
    encoder = _encoder(encoding, layer.size)
    sha, told, size = hashlib.sha256(), hashlib.sha256(), 0
    path = f"{transaction.path}/encoded-{files.random_name()}"
    with files.translating_disk_errors(f"keep the layer `{layer.name}`"), open(path, "wb") as file:
        for data in _packed(plain(), encoder, told):
            sha.update(data)
            size += len(data)
            file.write(data)
            if stop.is_set():
                return
        file.flush()
        files.start_writeback(file.fileno())
    if told.hexdigest() != layer.diff_id.hex:
        raise StoreError(
            f"the layer `{layer.name}` in the store is not what its diffID says",
            hints=["run `shipway verify --repair`"],
        )
    digest = BlobDigest.from_hex(sha.hexdigest())
    transaction.add_blob(path, digest)
    transaction.put_record(_FACT, _key(layer, encoding), {"digest": digest, "size": size})


def _key(layer: StoredLayer, encoding: Encoding) -> str:
    return canonical_json({"diff_id": layer.diff_id, **_how(encoding)}).decode()


def _packed(chunks: Iterator[bytes], encoder: _Encoder, told: hashlib._Hash) -> Iterator[bytes]:
    for data in chunks:
        told.update(data)
        yield encoder.compress(data)
    yield encoder.flush()


def _how(encoding: Encoding) -> dict[str, Any]:
    """What decides the compressed bytes besides the plain ones."""
    if encoding is Encoding.GZIP:
        return {"encoder": "isal", "version": isal.__version__, "level": GZIP_LEVEL}
    version = ".".join(map(str, zstandard.ZSTD_VERSION))
    return {"encoder": "zstd", "version": version, "level": _ZSTD_LEVEL}


def _encoder(encoding: Encoding, size: int) -> _Encoder:
    encoder: _Encoder
    if encoding is Encoding.GZIP:
        encoder = isal_zlib.compressobj(GZIP_LEVEL, isal_zlib.DEFLATED, 31)
    else:
        # The number of threads does not change the bytes, whether there are any does. Others work on other layers.
        packer = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, threads=1)
        encoder = packer.compressobj(size=size)
    return encoder


def read_chunks(path: str) -> Iterator[bytes]:
    """The bytes of the file `path`."""
    with open(path, "rb", buffering=0) as file:
        while data := file.read(_CHUNK):
            yield data


def layer_chunks(trees: Sequence[Tree], epoch: int) -> Iterator[bytes]:
    """The uncompressed layer of `trees`, bottom first. It is written by a thread that ends with the iterator.

    Raises:
        StoreError: a tree's file is missing or changed.
    """
    ready: queue.Queue[bytes | BaseException | None] = queue.Queue(_AHEAD)
    stop = threading.Event()

    def work() -> None:
        try:
            write_layer(layer_members(trees, epoch), _Pipe(ready, stop))
            _put(ready, None, stop)
        except _Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - it is raised again where the bytes are read
            _put(ready, error, stop)

    worker = threading.Thread(target=work, name="layer", daemon=True)
    worker.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        worker.join()


class _Stopped(Exception):
    """Nobody reads any more."""


class _Pipe:
    """A sink whose bytes another thread takes."""

    def __init__(self, ready: queue.Queue[bytes | BaseException | None], stop: threading.Event):
        self._ready, self._stop = ready, stop

    def write(self, data: bytes | memoryview, /) -> None:
        if not _put(self._ready, bytes(data), self._stop):
            raise _Stopped


def _put(
    ready: queue.Queue[bytes | BaseException | None],
    item: bytes | BaseException | None,
    stop: threading.Event,
) -> bool:
    """Hand `item` over; False when nobody wants it any more."""
    while not stop.is_set():
        try:
            ready.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False


def _require_blob(store: Store, digest: BlobDigest, name: str) -> str:
    path = store.find_blob(digest)
    if path is None:
        raise _gone(name)
    return path


def _gone(name: str) -> NotFound:
    return NotFound(
        f"what the layer `{name}` is made from is no longer in the store",
        hints=["build, load or pull the image again"],
    )
