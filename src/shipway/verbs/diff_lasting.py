"""The sides of a `diff` that are a container which lives on: what it began with, and what it made of that.

How a start gives an engine's container its variables and its command is no change of anybody's, so configuration is left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shipway.core.errors import StoreError
from shipway.host.dirs import state_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from shipway.core.manifest import Entry, Manifest
    from shipway.image.contents import LayerFiles
    from shipway.image.databases import Owner
    from shipway.plan.diff import Named, Side
    from shipway.run.life.model import Container
    from shipway.store.tree import Tree
    from shipway.verbs.context import Task

START = "written at every start"
"""What differs because every start of a container writes it."""


def is_lasting(name: str) -> bool:
    """Whether there is a container of that name."""
    from shipway.core.errors import NotFound

    try:
        _find(name)
    except NotFound:
        return False
    return True


def read_begun(name: str, task: Task) -> Side:
    """What the container `name` had when it began.

    Raises:
        NotFound: there is no such container.
        StoreError: the store has lost a tree of it.
    """
    from shipway.image.contents import tree_files
    from shipway.verbs.diff_images import read_engine_image

    container = _find(name)
    label = f"image of {name}"
    if container.engine != "native":
        side = read_engine_image(container.engine, container.record.engine_id, task)
        return replace(side, label=label, config={}, settings={}, facts={})
    return _side(label, [tree_files(tree) for tree in _trees(container, task)], task)


def read_lasting(name: str, task: Task) -> Side:
    """The container `name`, running or not, as its file system is now.

    Raises:
        NotFound: there is no such container.
        StoreError: the store has lost a tree of it.
        OSError: what it has written cannot be read.
        EngineError: its engine does not answer.
    """
    from shipway.core.overlay import stack
    from shipway.host.files import translating_disk_errors
    from shipway.image.contents import tree_files
    from shipway.plan.diff import Named
    from shipway.run.kept_changes import places_of_mounts, read_changes
    from shipway.verbs.diff_images import read_container

    container = _find(name)
    label = f"container:{name}"
    if container.engine != "native":
        side = read_container(container.engine, container.record.engine_id, task)
        return replace(side, label=label, config={}, settings={})
    layers = [tree_files(tree) for tree in _trees(container, task)]
    lower = {one.entry.path: one.entry for one in stack([layer.manifest for layer in layers])}
    upper = f"{container.folder}/upper"
    with translating_disk_errors(f"read what `{name}` has written"):
        entries = read_changes(upper, lower)
    ours, theirs = tell_apart(entries, places_of_mounts(container.environment, container.record.asked))
    side = _side(label, [*layers, _upper_files(upper, theirs)], task)
    return replace(side, trees=(*(side.trees or ()), Named(START, ours)))


def tell_apart(entries: Sequence[Entry], places: Sequence[str]) -> tuple[Manifest, Manifest]:
    """What every start of a container writes itself, and what its command wrote. `places`: see `is_of_start`."""
    from shipway.core.manifest import DIRECTORY, Manifest
    from shipway.run.kept_changes import is_of_start

    at_start = {
        entry.path for entry in entries if is_of_start(entry.path, places, is_folder=entry.kind == DIRECTORY)
    }
    ours = Manifest(entry for entry in entries if entry.path in at_start)
    return ours, Manifest(entry for entry in entries if entry.path not in at_start)


def _find(name: str) -> Container:
    from shipway.run.life import client

    return client.find_container(state_dir(), name)


def _trees(container: Container, task: Task) -> list[Tree]:
    """Bottom first."""
    from shipway.core.digest import TreeKey
    from shipway.store.store import Store

    store = Store.open(emit=task.emit)
    keys = container.record.begun or container.environment.keys
    trees = [store.find_tree(TreeKey(key)) for key in reversed(keys)]
    found = [tree for tree in trees if tree is not None]
    if len(found) < len(trees):
        raise StoreError(
            f"what `{container.name}` was made of is no longer in the store",
            hints=["make it anew: `shipway up --recreate`"],
        )
    return found


def _upper_files(upper: str, manifest: Manifest) -> LayerFiles:
    from shipway.image.contents import LayerFiles
    from shipway.run.top_reading import read_beneath

    return LayerFiles(manifest, lambda path: read_beneath(upper, path) or b"")


def _side(label: str, layers: Sequence[LayerFiles], task: Task) -> Side:
    from shipway.image.contents import read_packages
    from shipway.plan.diff import Package, Side

    packages = read_packages(layers, task.emit)
    return Side(
        label=label,
        packages={key: Package(version, "") for key, version in packages.there.items()},
        config={},
        trees=tuple(_named(zip(layers, packages.owners, strict=True))),
        finished=True,
    )


def _named(layers: Iterable[tuple[LayerFiles, Mapping[str, Owner]]]) -> Iterator[Named]:
    from shipway.plan.diff import Named
    from shipway.plan.split import split_manifest

    for layer, owners in layers:
        for tree in split_manifest(layer.manifest, owners):
            yield Named(tree.name, tree.manifest)
