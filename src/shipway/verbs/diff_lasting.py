"""The sides of a `diff` that are a container which lives on: what it began with, and what it made of that.

How a start gives an engine's container its variables and its command is no change of anybody's, so configuration is left out.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from shipway.core.errors import StoreError
from shipway.core.manifest import FILE, SYMLINK, WHITEOUT, Entry, Manifest
from shipway.host.dirs import state_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from shipway.image.contents import LayerFiles
    from shipway.image.databases import Owner
    from shipway.plan.diff import Named, Side
    from shipway.run.life.model import Container
    from shipway.run.top.content import Piece
    from shipway.run.top.installed import Top
    from shipway.store.store import Store
    from shipway.store.tree import Tree
    from shipway.verbs.context import Task


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

    trees = _trees(_find(name), _store(task))
    return _side(f"image of {name}", [tree_files(tree) for tree in trees], task)


def read_lasting(name: str, task: Task) -> Side:
    """The container `name`, running or not, as its file system is now, but for what every start writes.

    Raises:
        NotFound: there is no such container.
        StoreError: the store has lost a tree of it.
        OSError: what it has written cannot be read.
        EngineError: its engine does not answer.
    """
    from shipway.image.contents import LayerFiles, tree_files
    from shipway.run.top.trees import TreeFiles
    from shipway.verbs.bringing import read_own

    container, store = _find(name), _store(task)
    trees = _trees(container, store)
    top, _ = read_own(container, [TreeFiles(tree.root, tree.manifest_text()) for tree in trees], store)
    written = LayerFiles(_manifest(container, top), lambda path: top.read(path) or b"")
    return _side(f"container:{name}", [*(tree_files(tree) for tree in trees), written], task)


def _manifest(container: Container, top: Top) -> Manifest:
    """What `container` has written; on disk that belongs to whoever ran it, and in an image all belongs to root."""
    from shipway.host.files import translating_disk_errors
    from shipway.run.top.content import read_pieces

    there = [one.path for one in top.written if one.what != "D"]
    with translating_disk_errors(f"read what `{container.name}` has written"):
        entries = [_entry(piece) for piece in read_pieces(container, there)]
    return Manifest([*entries, *(Entry(path, WHITEOUT, 0) for path in top.gone)])


def _entry(piece: Piece) -> Entry:
    digest, size = hashlib.sha256(), 0
    for chunk in piece.chunks():
        digest.update(chunk)
        size += len(chunk)
    mode = 0o777 if piece.kind == SYMLINK else piece.mode
    found = digest.hexdigest() if piece.kind == FILE else ""
    return Entry(piece.path, piece.kind, mode, size=size, digest=found, target=piece.target)


def _find(name: str) -> Container:
    from shipway.run.life import client

    return client.find_container(state_dir(), name)


def _store(task: Task) -> Store:
    from shipway.store.store import Store

    return Store.open(emit=task.emit)


def _trees(container: Container, store: Store) -> list[Tree]:
    """Bottom first."""
    from shipway.core.digest import TreeKey

    keys = container.record.begun or container.environment.keys
    trees = [store.find_tree(TreeKey(key)) for key in reversed(keys)]
    found = [tree for tree in trees if tree is not None]
    if len(found) < len(trees):
        raise StoreError(
            f"what `{container.name}` was made of is no longer in the store",
            hints=["make it anew: `shipway up --recreate`"],
        )
    return found


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
