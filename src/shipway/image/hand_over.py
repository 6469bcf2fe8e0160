"""Make an image portable: layers from trees, and the archive that engines load (Docker image-spec 1.2).

Engines skip layers that they have before they look for their bytes, so layers that are known to be there can be left out.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from shipway.archive.tarwriter import BLOCK, render_header, write_layer
from shipway.core.digest import canonical_json
from shipway.core.manifest import FILE, Entry, path_bytes
from shipway.image.assemble import layer_members
from shipway.image.encode import Encoding, encode_image
from shipway.image.oci import Image, ImageLayer
from shipway.image.portable import PortableImage, PortableLayer
from shipway.image.stored import canonical_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from shipway.core.digest import DiffId
    from shipway.core.events import Emit
    from shipway.image.assemble import LayerContent
    from shipway.image.portable import Sink
    from shipway.image.stored import StoredImage
    from shipway.store.store import Store


def make_portable(
    image: Image, contents: Sequence[LayerContent], *, platform: str, epoch: int
) -> PortableImage:
    """`image`, which was assembled of `contents` with `epoch`."""
    layers = [
        PortableLayer(layer.diff_id, layer.size, _layer_writer(content, epoch))
        for layer, content in zip(image.layers, contents, strict=True)
    ]
    return join_portable(image, layers, platform=platform)


def make_stored_portable(store: Store, stored: StoredImage, emit: Emit) -> PortableImage:
    """The stored image `stored`, ours or of others, with uncompressed layers."""
    layers = [
        PortableLayer(layer.diff_id, layer.size, partial(_write_chunks, encoded.chunks))
        for layer, encoded in zip(
            stored.layers, encode_image(store, stored, Encoding.NONE, emit), strict=True
        )
    ]
    described = tuple(
        ImageLayer(
            name=layer.name,
            diff_id=layer.diff_id,
            size=layer.size,
            packages=layer.packages,
            reason=layer.reason,
        )
        for layer in stored.layers
    )
    manifest = canonical_manifest(stored.config, stored.layers)
    image = Image(config=stored.config, manifest=manifest, layers=described)
    return join_portable(image, layers, platform=stored.facts().platform)


def _write_chunks(chunks: Callable[[], Iterator[bytes]], sink: Sink) -> None:
    for chunk in chunks():
        sink.write(chunk)


def join_portable(image: Image, layers: Sequence[PortableLayer], *, platform: str) -> PortableImage:
    """`image` with a way to every layer, bottom first."""
    return PortableImage(image, platform, tuple(layers), partial(write_docker_archive, image, tuple(layers)))


def _layer_writer(content: LayerContent, epoch: int) -> Callable[[Sink], object]:
    return lambda sink: write_layer(layer_members(content.trees, epoch), sink)


def write_docker_archive(
    image: Image,
    layers: Sequence[PortableLayer],
    tag: str,
    sink: Sink,
    *,
    without: Collection[DiffId] = (),
) -> None:
    """Write `image`, to be called `tag`. `without`: layers whose bytes the receiver has.

    Raises:
        StoreError: a tree's file is missing or cannot be read.
    """
    config = f"{image.config_digest.hex}.json"
    names = [_layer_name(layer) for layer in layers]
    listing = canonical_json([{"Config": config, "RepoTags": [tag], "Layers": names}])
    _write_file(config, image.config, sink)
    written = set(without)
    for layer in layers:
        if layer.diff_id not in written:
            written.add(layer.diff_id)
            sink.write(_header(_layer_name(layer), layer.size))
            layer.write(sink)
            sink.write(bytes(-layer.size % BLOCK))
    _write_file("manifest.json", listing, sink)
    sink.write(bytes(2 * BLOCK))


def _layer_name(layer: PortableLayer) -> str:
    return f"{layer.diff_id.hex}.tar"


def _write_file(name: str, data: bytes, sink: Sink) -> None:
    sink.write(_header(name, len(data)) + data + bytes(-len(data) % BLOCK))


def _header(name: str, size: int) -> bytes:
    return render_header(Entry(name, FILE, 0o644, size=size), path_bytes(name))
