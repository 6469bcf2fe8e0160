"""An image as one tree: what its layers show when they are stacked, for formats that have no layers."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from shipway.core.errors import StoreError
from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, Entry, Manifest
from shipway.core.overlay import stack
from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from shipway.store.tree import Tree

    Member = tuple[Entry, Callable[[], BinaryIO]]


class Part(NamedTuple):
    """One tree of an image."""

    manifest: Manifest
    open_content: Callable[[str], BinaryIO]
    """The file at a path of the manifest."""
    latest: int
    """Its times are cut to this, seconds since 1970."""


def tree_part(tree: Tree, latest: int) -> Part:
    """A tree of the store; reading one of its files raises `StoreError` when that is not there."""
    root = tree.root

    def open_content(path: str) -> BinaryIO:
        try:
            return open(f"{root}/{path}", "rb", buffering=0)
        except OSError as problem:
            raise StoreError(
                f"`{shown(f'{root}/{path}')}` cannot be read: {problem.strerror}",
                hints=["run `shipway verify --repair`"],
            ) from problem

    return Part(tree.manifest(), open_content, latest)


def made_part(entries: Iterable[Entry], contents: Mapping[str, bytes], latest: int) -> Part:
    """A tree that is nowhere: `entries`, with the content of their files by path."""
    return Part(Manifest(entries), lambda path: io.BytesIO(contents[path]), latest)


def flat_members(parts: Sequence[Part]) -> Iterator[Member]:
    """Every path that a stack of `parts` (bottom first) shows, in canonical order, with a way to its content.

    A hard link leads to the first of its names that is shown, and folders that no tree describes are there.
    """
    originals = [
        {entry.path: entry for entry in part.manifest.entries if entry.kind == FILE} for part in parts
    ]
    first: dict[tuple[int, str], str] = {}
    known = {"", "."}
    for entry, number in stack([part.manifest for part in parts]):
        yield from _missing_folders(entry.path, known)
        source = entry.target if entry.kind == HARDLINK else entry.path
        plain = entry
        if entry.kind in (FILE, HARDLINK):
            name = first.setdefault((number, source), entry.path)
            content = originals[number][source]
            plain = (
                content._replace(path=name)
                if name == entry.path
                else Entry(entry.path, HARDLINK, 0, target=name)
            )
        elif entry.kind == DIRECTORY:
            known.add(entry.path)
        yield (
            plain._replace(mtime=min(plain.mtime, parts[number].latest)),
            _opener(parts[number], source),
        )


def _missing_folders(path: str, known: set[str]) -> Iterator[Member]:
    """The folders above `path` that are in no manifest, as `mkdir -p` by root would make them."""
    folders = path.split("/")[:-1]
    for depth in range(1, len(folders) + 1):
        folder = "/".join(folders[:depth])
        if folder not in known:
            known.add(folder)
            yield Entry(folder, DIRECTORY, 0o755), io.BytesIO


def _opener(part: Part, path: str) -> Callable[[], BinaryIO]:
    return lambda: part.open_content(path)
