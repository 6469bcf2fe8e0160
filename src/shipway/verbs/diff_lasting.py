"""The sides of a `diff` that are a container of our own engine: what it began with, and what it made of that."""

from __future__ import annotations

import os
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


def find_kind(name: str) -> str:
    """The kind of side that the container `name` is: `container`, or the engine that runs it. Empty: there is none."""
    from shipway.core.errors import NotFound
    from shipway.run.life import client

    try:
        engine = client.find_container(state_dir(), name).engine
    except NotFound:
        return ""
    return "container" if engine == "native" else engine


def read_begun(name: str, task: Task) -> Side:
    """What the container `name` had when it began.

    Raises:
        NotFound: there is no such container.
        StoreError: the store has lost a tree of it.
    """
    from shipway.image.contents import tree_files

    container = _find(name)
    return _side(f"image of {name}", [tree_files(tree) for tree in _trees(container, task)], task)


def read_lasting(name: str, task: Task) -> Side:
    """The container `name`, running or not, as its file system is now.

    Raises:
        NotFound: there is no such container.
        StoreError: the store has lost a tree of it.
        OSError: what it has written cannot be read.
    """
    from shipway.core.overlay import stack
    from shipway.host.files import translating_disk_errors
    from shipway.image.contents import tree_files
    from shipway.plan.diff import Named
    from shipway.run.kept_changes import read_changes

    container = _find(name)
    layers = [tree_files(tree) for tree in _trees(container, task)]
    lower = {one.entry.path: one.entry for one in stack([layer.manifest for layer in layers])}
    upper = f"{container.folder}/upper"
    with translating_disk_errors(f"read what `{name}` has written"):
        entries = read_changes(upper, lower)
    ours, theirs = tell_apart(entries, container.environment.workdir)
    side = _side(f"container:{name}", [*layers, _upper_files(upper, theirs)], task)
    return replace(side, trees=(*(side.trees or ()), Named(START, ours)))


def tell_apart(entries: Sequence[Entry], workdir: str) -> tuple[Manifest, Manifest]:
    """What every start of a container writes itself, and what its command wrote.

    The project is mounted at its working directory, and the caller's home volume below `/home`, so every start makes the folders
    that lead there.
    """
    from shipway.core.manifest import DIRECTORY, Manifest
    from shipway.run.kept_changes import is_written_at_start

    inside = workdir.strip("/") + "/"
    filled = {entry.path.rpartition("/")[0] for entry in entries}
    at_start = {
        entry.path
        for entry in entries
        if is_written_at_start(entry.path)
        or (entry.kind == DIRECTORY and inside.startswith(f"{entry.path}/"))
        or (entry.kind == DIRECTORY and os.path.dirname(entry.path) == "home" and entry.path not in filled)
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
