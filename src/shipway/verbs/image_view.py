"""A finished image as `size` and `diff` look at it: a stored one, or one in a file or folder, which is read and not kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, NotFound, ToolError
from shipway.core.text import shown
from shipway.verbs.context import host_platform
from shipway.verbs.images import open_store, require_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.core.base_facts import BaseFacts
    from shipway.core.events import Emit
    from shipway.core.manifest import Manifest
    from shipway.image.contents import LayerFiles
    from shipway.image.document import Config
    from shipway.image.stored import StoredImage
    from shipway.plan.sizes import SizedLayer
    from shipway.store.store import Store
    from shipway.store.tree import Tree
    from shipway.verbs.context import Task

_REASON = 100
"""Characters of a line of history that are shown beside a layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageView:
    """One image with all that its manifests and package databases say."""

    name: str
    """As it was asked for."""
    ours: bool
    """Whether shipway made it, perhaps over a base of others."""
    facts: Config
    layers: tuple[SizedLayer, ...]
    """Bottom first, each taken apart by packages."""
    packages: dict[tuple[str, str], str]
    """Version by kind and name."""
    base: BaseFacts
    """What else its files tell, for whoever asked for it."""


def view_image(text: str, task: Task, *, facts: bool = False) -> ImageView:
    """The stored image `text`, or the one in the file or folder of that path; with `facts` about its system, if asked for.

    Raises:
        NotFound: there is neither.
        HostileInput, HashMismatch: what the file holds contradicts itself.
        ToolError: the file holds several images (USAGE).
    """
    store = open_store(task.emit)
    try:
        found = require_image(store, text)
    except ToolError:
        # A path is seldom a reference, and a stored name is meant first.
        if not is_image_path(text):
            raise
        return _view_path(store, text, task, facts=facts)
    with store.use([key for layer in found.image.layers for key in layer.trees]) as use:
        if use.missing:
            raise NotFound(
                f"what `{found.name}` is made from is no longer in the store", hints=["pull or load it again"]
            )
        return _view(found.name, found.image, use.trees, task.emit, with_facts=facts)


def is_stored(text: str, task: Task) -> bool:
    """Whether `text` names a stored image."""
    try:
        require_image(open_store(task.emit), text)
    except ToolError:
        return False
    return True


def is_image_path(text: str) -> bool:
    """Whether an archive of images or a layout may lie at `text`."""
    from shipway.image.load import LAYOUT_FILE
    from shipway.image.source import packed_suffix

    if os.path.isdir(text):
        return os.path.exists(os.path.join(text, LAYOUT_FILE))
    if not os.path.isfile(text):
        return False
    if packed_suffix(text):
        return True
    with open(text, "rb") as file:
        return file.read(262)[257:] == b"ustar"


def _view_path(store: Store, path: str, task: Task, *, facts: bool) -> ImageView:
    from shipway.image.load import read_images

    with store.transaction() as transaction:  # never committed: the store is as it was afterwards
        platform = task.platform or host_platform()
        loaded = read_images(store, transaction, path, platform=platform, emit=task.emit)
        if len(loaded) > 1:
            names = ", ".join(name for one in loaded for name in one.names)
            raise ToolError(
                f"`{shown(path)}` holds {len(loaded)} images: {shown(names)}",
                hints=["bring them here with `shipway load`, and name one"],
                code=ExitCode.USAGE,
            )
        image = loaded[0].image
        keys = [key for layer in image.layers for key in layer.trees]
        trees = [tree for key in keys if (tree := transaction.find_tree(key))]
        return _view(path, image, trees, task.emit, with_facts=facts)


def _view(name: str, image: StoredImage, trees: Sequence[Tree], emit: Emit, *, with_facts: bool) -> ImageView:
    """`trees`: those of all layers, bottom first."""
    from shipway.core.base_facts import BaseFacts
    from shipway.image.base_facts import read_facts
    from shipway.image.base_files import files_of_trees
    from shipway.image.contents import read_packages, tree_files
    from shipway.plan.sizes import SizedLayer
    from shipway.plan.split import split_manifest

    parts = [tree_files(tree) for tree in trees]
    packages = read_packages(parts, emit)
    facts = image.facts()
    reasons = _reasons(facts, image)
    coming = iter(zip(parts, packages.owners, strict=True))
    layers = []
    for layer, reason in zip(image.layers, reasons, strict=True):
        taken = [next(coming) for _ in layer.trees]
        owners = {path: owner for _, found in taken for path, owner in found.items()}
        trees_of_it = split_manifest(_flat([one for one, _ in taken]), owners)
        layers.append(SizedLayer(layer.name, reason, trees_of_it))
    return ImageView(
        name=name,
        ours=any(layer.blob is None for layer in image.layers),
        facts=facts,
        layers=tuple(layers),
        packages=dict(packages.there),
        base=read_facts(files_of_trees(trees), dict(facts.env)) if with_facts else BaseFacts(),
    )


def _flat(parts: Sequence[LayerFiles]) -> Manifest:
    """One layer's trees as the one tree that travels."""
    from shipway.core.manifest import Manifest
    from shipway.core.overlay import stack

    if len(parts) == 1:
        return parts[0].manifest
    placed = stack([part.manifest for part in parts], keep_whiteouts=True)
    return Manifest(one.entry for one in placed)


def _reasons(facts: Config, image: StoredImage) -> list[str]:
    """Why each layer is there: ours say it, of others it is the line of history that made it."""
    steps = [step.created_by or step.comment for step in facts.history if not step.empty]
    if len(steps) != len(image.layers):
        return [layer.reason for layer in image.layers]
    return [
        layer.reason if layer.blob is None else shown(" ".join(step.split()), _REASON)
        for layer, step in zip(image.layers, steps, strict=True)
    ]
