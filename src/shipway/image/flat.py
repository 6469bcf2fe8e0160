"""An image as one tree: what its layers show when they are stacked, for formats that have no layers."""

from __future__ import annotations

import io
from collections import deque
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from shipway.core.errors import SpecError, StoreError
from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, Entry, path_bytes
from shipway.core.overlay import stack
from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from shipway.store.tree import Tree

    Member = tuple[Entry, Callable[[], BinaryIO]]


class Part(NamedTuple):
    """One tree of an image."""

    tree: Tree
    latest: int
    """Its times are cut to this, seconds since 1970."""


def flat_members(parts: Sequence[Part]) -> Iterator[Member]:
    """Every path that a stack of `parts` (bottom first) shows, in canonical order, with a way to its content.

    A hard link leads to the first of its names that is shown, and folders that no tree describes are there.
    """
    trees = [part.tree for part in parts]
    manifests = [tree.manifest() for tree in trees]
    originals = [
        {entry.path: entry for entry in manifest.entries if entry.kind == FILE} for manifest in manifests
    ]
    first: dict[tuple[int, str], str] = {}
    known = {"", "."}
    for placed in stack(manifests):
        entry, number = placed.entry, placed.tree
        yield from _missing_folders(entry.path, known)
        source = entry.target if entry.kind == HARDLINK else entry.path
        if entry.kind in (FILE, HARDLINK):
            name = first.setdefault((number, source), entry.path)
            if name != entry.path:
                entry = Entry(entry.path, HARDLINK, 0, target=name)
            elif entry.kind == HARDLINK:
                entry = originals[number][source]._replace(path=entry.path)
        elif entry.kind == DIRECTORY:
            known.add(entry.path)
        yield (
            entry._replace(mtime=min(entry.mtime, parts[number].latest)),
            _opener(f"{trees[number].root}/{source}"),
        )


def with_members(members: Iterable[Member], more: Sequence[tuple[Entry, bytes]]) -> Iterator[Member]:
    """`members` with `more` entries and their content (in canonical order) among them.

    Of two with one path that of `more` counts, except that a folder which is there stays as it is.

    Raises:
        SpecError: something else is where a folder has to be.
    """
    waiting = deque(more)
    for member in members:
        path = path_bytes(member[0].path)
        while waiting and path_bytes(waiting[0][0].path) < path:
            yield _made(*waiting.popleft())
        if waiting and waiting[0][0].path == member[0].path:
            entry, data = waiting.popleft()
            if entry.kind == DIRECTORY and member[0].kind != DIRECTORY:
                raise SpecError(
                    f"`/{shown(entry.path)}` is no folder in the image, and has to be one",
                    hints=["leave it out of the image"],
                )
            yield member if entry.kind == DIRECTORY else _made(entry, data)
        else:
            yield member
    for entry, data in waiting:
        yield _made(entry, data)


def _made(entry: Entry, data: bytes) -> Member:
    return entry, lambda: io.BytesIO(data)


def _missing_folders(path: str, known: set[str]) -> Iterator[Member]:
    """The folders above `path` that are in no manifest, as `mkdir -p` by root would make them."""
    folders = path.split("/")[:-1]
    for depth in range(1, len(folders) + 1):
        folder = "/".join(folders[:depth])
        if folder not in known:
            known.add(folder)
            yield _made(Entry(folder, DIRECTORY, 0o755), b"")


def _opener(path: str) -> Callable[[], BinaryIO]:
    def open_content() -> BinaryIO:
        try:
            return open(path, "rb", buffering=0)
        except OSError as problem:
            raise StoreError(
                f"`{shown(path)}` cannot be read: {problem.strerror}", hints=["run `shipway verify --repair`"]
            ) from problem

    return open_content
