"""A stored image with one layer more: what a container made of it, or what it needs where it goes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shipway.archive.tarwriter import write_layer
from shipway.image.assemble import HashingSink, layer_members
from shipway.image.stored import StoredImage, StoredLayer, canonical_manifest

if TYPE_CHECKING:
    from shipway.store.tree import Tree


def add_layer(base: StoredImage, tree: Tree, *, name: str, by: str, created: str, reason: str) -> StoredImage:
    """`base` with `tree` above it, which is there for `reason`. `by` and `created` (RFC 3339) go into the image's history.

    Raises:
        HostileInput: a path in the tree cannot be in a layer.
        StoreError: a file of it cannot be read.
    """
    sink = HashingSink()
    write_layer(layer_members((tree,), base.epoch), sink)
    config = json.loads(base.config)
    config["rootfs"]["diff_ids"].append(sink.diff_id)
    config.setdefault("history", []).append({"created": created, "created_by": by})
    text = json.dumps(config, sort_keys=True, separators=(",", ":")).encode()
    layer = StoredLayer(
        diff_id=sink.diff_id,
        size=sink.size,
        trees=(tree.key,),
        name=name,
        packages=(),
        reason=reason,
    )
    layers = (*base.layers, layer)
    return StoredImage(
        config=text, layers=layers, epoch=base.epoch, manifest=canonical_manifest(text, layers)
    )
