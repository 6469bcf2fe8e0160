"""An image in the store: its configuration, and for each layer the trees or the bytes that it comes from. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shipway.core.digest import BlobDigest, DiffId, Digest, TreeKey, canonical_json
from shipway.image.document import Config, parse_config
from shipway.image.oci import LAYER_TYPE, Image, render_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.image.assemble import LayerContent

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLayer:
    """One layer."""

    diff_id: DiffId
    size: int
    """Bytes of the uncompressed tar."""
    trees: tuple[TreeKey, ...]
    """Bottom first."""
    blob: BlobDigest | None = None
    """The bytes as they came, for a layer of others; None for our own, which is written from its trees."""
    media_type: str = LAYER_TYPE
    """Of the bytes as they came."""
    name: str = ""
    packages: tuple[str, ...] = ()
    reason: str = field(compare=False, default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """One image of one platform."""

    config: bytes
    layers: tuple[StoredLayer, ...]
    """Bottom first."""
    epoch: int
    """What the times of our own layers are cut to, seconds since 1970."""
    manifest: bytes
    """As it came, or the canonical one over uncompressed layers."""

    @property
    def digest(self) -> Digest:
        """Digest of the manifest."""
        return Digest.of(self.manifest)

    @property
    def config_digest(self) -> Digest:
        """Digest of the configuration: the same however the layers are packed."""
        return Digest.of(self.config)

    @property
    def size(self) -> int:
        """Bytes of all layers, uncompressed."""
        return sum(layer.size for layer in self.layers)

    def facts(self) -> Config:
        """What the configuration says.

        Raises:
            HostileInput: the record was changed.
        """
        return parse_config(self.config, self.config_digest, layers=len(self.layers))


def store_image(image: Image, contents: Sequence[LayerContent], epoch: int) -> StoredImage:
    """The stored form of an image of ours, assembled from `contents`."""
    layers = tuple(
        StoredLayer(
            diff_id=layer.diff_id,
            size=layer.size,
            trees=tuple(tree.key for tree in content.trees),
            blob=content.came.blob if content.came else None,
            media_type=content.came.media_type if content.came else LAYER_TYPE,
            name=layer.name,
            packages=layer.packages,
            reason=layer.reason,
        )
        for layer, content in zip(image.layers, contents, strict=True)
    )
    return StoredImage(config=image.config, layers=layers, epoch=epoch, manifest=image.manifest)


def canonical_manifest(config: bytes, layers: Sequence[StoredLayer]) -> bytes:
    """The manifest over uncompressed layers, for an image that came without one."""
    return render_manifest(config, [(LAYER_TYPE, layer.diff_id, layer.size) for layer in layers])


def render_stored(name: str, image: StoredImage) -> bytes:
    """The record of `image` under `name`."""
    return canonical_json(
        {
            "version": _VERSION,
            "name": name,
            "config": image.config.decode(),
            "manifest": image.manifest.decode(),
            "epoch": image.epoch,
            "layers": [
                {
                    "diff_id": layer.diff_id,
                    "size": layer.size,
                    "trees": list(layer.trees),
                    "blob": layer.blob,
                    "media_type": layer.media_type,
                    "name": layer.name,
                    "packages": list(layer.packages),
                    "reason": layer.reason,
                }
                for layer in image.layers
            ],
        }
    )


def parse_stored(text: bytes) -> tuple[str, StoredImage]:
    """Name and image of a record.

    Raises:
        ValueError: it is damaged, or of another version.
    """
    try:
        value = json.loads(text)
        if value["version"] != _VERSION:
            raise ValueError("a record of another version")
        image = StoredImage(
            config=value["config"].encode(),
            manifest=value["manifest"].encode(),
            epoch=int(value["epoch"]),
            layers=tuple(_layer(one) for one in value["layers"]),
        )
        return str(value["name"]), image
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("a damaged record") from error


def _layer(value: dict[str, Any]) -> StoredLayer:
    return StoredLayer(
        diff_id=DiffId(value["diff_id"]),
        size=int(value["size"]),
        trees=tuple(map(TreeKey, value["trees"])),
        blob=BlobDigest(value["blob"]) if value["blob"] else None,
        media_type=value["media_type"],
        name=value["name"],
        packages=tuple(value["packages"]),
        reason=value["reason"],
    )
