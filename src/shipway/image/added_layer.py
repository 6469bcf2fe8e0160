"""A stored image with one layer more: what a container made of it, or what it needs where it goes."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from shipway.archive.extract import Extractor
from shipway.archive.tarwriter import write_layer
from shipway.host.files import translating_disk_errors
from shipway.image.assemble import HashingSink, layer_members
from shipway.image.stored import StoredImage, StoredLayer, canonical_manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.store.store import Store
    from shipway.store.tree import Tree


def make_tree(store: Store, label: str, recipe: str, fill: Callable[[Extractor], None]) -> Tree:
    """The tree that `fill` writes, in the store: known by `recipe` and what is in it. `label` names it in errors.

    Raises:
        HostileInput: a path or a link leads out of it.
        StoreError, NoSpace: it cannot be made.
    """
    with store.transaction() as tx:
        staged = tx.stage(label)
        root = os.open(staged.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        extractor = Extractor(root, label)
        try:
            with translating_disk_errors(f"make the layer of {label}"):
                fill(extractor)
            manifest = extractor.finish()
        finally:
            extractor.close()
            os.close(root)
        tree = tx.add_tree({"recipe": recipe, "content": manifest.identity()}, staged, manifest)
        tx.commit()
    return store.find_tree(tree.key) or tree


def add_layer(base: StoredImage, tree: Tree, *, name: str, by: str, reason: str) -> StoredImage:
    """`base` with `tree` above it, which is there for `reason`. `by` goes into the image's history.

    Raises:
        HostileInput: a path in the tree cannot be in a layer.
        StoreError: a file of it cannot be read.
    """
    sink = HashingSink()
    write_layer(layer_members((tree,), base.epoch), sink)
    config = json.loads(base.config)
    config["rootfs"]["diff_ids"].append(sink.diff_id)
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(base.epoch))
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
