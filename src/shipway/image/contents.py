"""What packages an image holds and which of its files are theirs, layer by layer, from the databases in its layers.

A package that an upper layer removed still owns the files that the lower one carries: each layer is read with the databases as
they were when it was made, and what these do not know is looked up in the later ones.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import StoreError
from shipway.core.events import Note
from shipway.core.manifest import FILE, HARDLINK, SYMLINK, Manifest
from shipway.core.overlay import Placed
from shipway.core.text import shown
from shipway.image.base_files import BaseFiles
from shipway.image.databases import Owner, find_database, parse_claims
from shipway.image.foreign import visible_places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from shipway.core.events import Emit
    from shipway.core.manifest import Entry
    from shipway.image.databases import Claim
    from shipway.store.tree import Tree

_LIMIT = 64 << 20
"""Bytes of a database that are read. The biggest honest ones have a few."""


class LayerFiles(NamedTuple):
    """One layer, or one of the trees that it is made of."""

    manifest: Manifest
    read: Callable[[str], bytes]
    """The content of a regular file of the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePackages:
    """The packages of an image."""

    there: Mapping[tuple[str, str], str]
    """Version by kind and name of each that a container sees. A second copy in another folder has this behind its name."""
    owners: tuple[Mapping[str, Owner], ...]
    """For each layer: whom its files belong to, by path. Files of no package are left out."""


def tree_files(tree: Tree) -> LayerFiles:
    """The tree as it lies in the store."""

    def read(path: str) -> bytes:
        try:
            with open(
                os.open(f"{tree.root}/{path}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb"
            ) as file:
                return file.read(_LIMIT)
        except OSError as problem:
            raise StoreError(
                f"`{shown(path)}` in the tree `{tree.path}` cannot be read: {problem.strerror}",
                hints=["run `shipway verify --repair`"],
            ) from problem

    return LayerFiles(tree.manifest(), read)


def read_packages(layers: Sequence[LayerFiles], emit: Emit) -> ImagePackages:
    """The packages of an image of `layers`, bottom first.

    Raises:
        StoreError: a file that a manifest names cannot be read.
    """
    now = visible_places([layer.manifest for layer in layers])
    real = _Real(BaseFiles(now, lambda place, size: layers[place.tree].read(place.entry.path)[:size]))
    known: dict[str, Owner] = {}
    versions: dict[str, str] = {}
    later = _first_versions(layers)
    there: dict[tuple[str, str], str] = {}
    owners: list[dict[str, Owner]] = []
    for number, layer in enumerate(layers):
        for entry, claim in _claims(layer, versions, later, emit):
            if now.get(entry.path) == Placed(entry, number):
                _count(there, claim)
            known.update((real(path), claim.owner) for path in claim.paths)
        owners.append(_owned(layer.manifest, known, {}))
    owners = [_owned(layer.manifest, known, own) for layer, own in zip(layers, owners, strict=True)]
    return ImagePackages(there=there, owners=tuple(owners))


def _claims(
    layer: LayerFiles, versions: dict[str, str], later: Mapping[str, str], emit: Emit
) -> Iterator[tuple[Entry, Claim]]:
    """What the databases of one layer claim, those first that say which versions the lists of files are of."""
    found = [(find_database(entry.path), entry) for entry in layer.manifest.entries if entry.kind == FILE]
    for kind, entry in sorted((one for one in found if one[0]), key=lambda one: one[0] != "status"):
        if entry.size > _LIMIT:
            emit(Note(f"`{shown(entry.path)}` is too big for a package database, and is not read", "warning"))
            continue
        for claim in parse_claims(
            kind, entry.path, layer.read(entry.path), lambda name: versions.get(name) or later.get(name, "")
        ):
            if kind == "status":
                versions[claim.owner.name] = claim.owner.version
            yield entry, claim


def _first_versions(layers: Sequence[LayerFiles]) -> dict[str, str]:
    """The first version that any layer's status says of each OS package: a package's files may lie below its status."""
    found: dict[str, str] = {}
    for layer in layers:
        for entry in layer.manifest.entries:
            if entry.kind == FILE and entry.size <= _LIMIT and find_database(entry.path) == "status":
                for claim in parse_claims("status", entry.path, layer.read(entry.path), str):
                    found.setdefault(claim.owner.name, claim.owner.version)
    return found


def _count(there: dict[tuple[str, str], str], claim: Claim) -> None:
    kind, name, version = claim.owner
    if kind == "deb" and claim.paths:
        return  # what a status says counts; a list may be left of a package that is gone
    key = (kind, name)
    if key in there and claim.folder:
        key = (kind, f"{name} ({claim.folder})")
    there[key] = version


def _owned(manifest: Manifest, known: Mapping[str, Owner], own: Mapping[str, Owner]) -> dict[str, Owner]:
    return {
        entry.path: owner
        for entry in manifest.entries
        if entry.kind in (FILE, HARDLINK, SYMLINK) and (owner := own.get(entry.path) or known.get(entry.path))
    }


class _Real:
    """Where a path lies when links among its folders are followed: dpkg writes `/bin/ls` for what lies in `/usr/bin`."""

    def __init__(self, files: BaseFiles):
        self._files = files
        self._folders: dict[str, str] = {"": ""}

    def __call__(self, path: str) -> str:
        folder, _, name = path.rpartition("/")
        place = self._folder(folder)
        return f"{place}/{name}" if place else name

    def _folder(self, path: str) -> str:
        found = self._folders.get(path)
        if found is None:
            there = self._files.find(path)
            # What a later layer removed lies where its parent does.
            found = self._folders[path] = self(path) if there is None else there
        return found
