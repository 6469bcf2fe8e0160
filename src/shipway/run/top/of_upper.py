"""The writable top of a container that a supervisor runs, or of a kept one, read beside the trees that it lies on."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from shipway.core.manifest import DIRECTORY, FILE, WHITEOUT
from shipway.host.overlay import is_opaque
from shipway.run.facts import find_inside
from shipway.run.top.installed import Top, Written
from shipway.run.top.kept import read_written
from shipway.run.top.trees import visible_at
from shipway.sandbox.paths import open_in_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from shipway.core.manifest import Entry
    from shipway.run.top.trees import Seen, TreeFiles

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_LARGEST = 64 << 20
"""Bytes of a file that is read whole; metadata is never so large."""


def read_upper(upper: str, trees: Sequence[TreeFiles], places: Sequence[str] = ()) -> Top:
    """What the overlay's folder `upper` holds over `trees` (bottom first). What says the same as the trees is left out.

    `places`: where the container has mounts; see `is_of_start`.

    Raises:
        OSError: something cannot be read.
    """
    paths = list(_walk(upper, ""))
    opaque = [path for path, is_folder in paths if is_folder and is_opaque(os.path.join(upper, path))]
    seen = visible_at(trees, [path for path, _ in paths], opaque)
    lower = {path: one.entry for path, one in seen.items()}
    written, same = [], set()
    for entry in read_written(upper, lower, places):
        path = entry.path
        if path not in opaque and _is_same(entry, lower.get(path)):
            same.add(path)
        else:
            written.append(Written(path, _what(entry, lower), entry.kind == DIRECTORY))
    read_below = reader_below(trees, seen)
    read_above = _reader_above(upper, written, read_below)
    return Top(tuple(written), read_above, read_below, frozenset(same))


def _walk(upper: str, folder: str) -> Iterator[tuple[str, bool]]:
    """Every path of `upper` and whether it is a folder."""
    try:
        found = list(os.scandir(os.path.join(upper, folder)))
    except FileNotFoundError:
        return
    for entry in found:
        path = f"{folder}/{entry.name}" if folder else entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        yield path, is_folder
        if is_folder:
            yield from _walk(upper, path)


def _what(entry: Entry, lower: Mapping[str, Entry]) -> str:
    return "D" if entry.kind == WHITEOUT else "C" if entry.path in lower else "A"


def _is_same(entry: Entry, below: Entry | None) -> bool:
    if below is None or entry.kind != below.kind or entry.target != below.target:
        return False
    return entry.kind != FILE or (
        below.size >= 0 and (entry.size, entry.digest) == (below.size, below.digest)
    )


def reader_below(trees: Sequence[TreeFiles], seen: Mapping[str, Seen]) -> Callable[[str], bytes | None]:
    """A reader of plain files as `trees` have them; `seen`: paths that were looked up already."""
    lowers = [tree.root for tree in reversed(trees)]

    def read(path: str) -> bytes | None:
        one = seen.get(path)
        if one is not None:
            return _read(f"{trees[one.tree].root}/{one.origin}") if one.entry.kind == FILE else None
        found = find_inside(lowers, path)
        return _read(found.host) if found else None

    return read


def _reader_above(
    upper: str, written: Sequence[Written], read_below: Callable[[str], bytes | None]
) -> Callable[[str], bytes | None]:
    gone = {one.path for one in written if one.what == "D"}

    def read(path: str) -> bytes | None:
        if os.path.lexists(os.path.join(upper, path)):
            return None if path in gone else read_beneath(upper, path)
        above = path
        while above:
            if above in gone:
                return None
            above = above.rpartition("/")[0]
        return read_below(path)

    return read


def read_beneath(upper: str, path: str) -> bytes | None:
    """The bytes of the plain file `path` of a top; None: there is none.

    No link leads out of `upper`, not even one that the container puts in place of a folder meanwhile.
    """
    try:
        fd = open_beneath(upper, path)
    except OSError:
        return None
    return _content(fd)


def open_beneath(upper: str, path: str) -> int:
    """A descriptor of `path` below `upper`, for reading; see `read_beneath`.

    Raises:
        OSError: it cannot be opened, or is a link.
    """
    root = os.open(upper, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return open_in_root(root, path, _FLAGS)
    finally:
        os.close(root)


def _read(path: str) -> bytes | None:
    """The bytes of a plain file, links not followed: the container decides where they lead."""
    try:
        fd = os.open(path, _FLAGS)
    except OSError:
        return None
    return _content(fd)


def _content(fd: int) -> bytes | None:
    with open(fd, "rb") as file:
        return file.read(_LARGEST) if stat.S_ISREG(os.fstat(fd).st_mode) else None
