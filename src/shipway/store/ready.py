"""The mark that a whole set of trees is there, so that a run reads one file in place of one per tree.

The mark remembers the generation of every store it speaks of. A store's generation changes before anything is taken
from it, so a mark of the present generation is true, and any other is ignored and made anew.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.core.errors import ToolError
from shipway.core.short_hash import hash_short
from shipway.host import files
from shipway.store import layout
from shipway.store.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.core.digest import TreeKey
    from shipway.store.store import Store

_WORTH = 8
"""Fewer trees than this are looked up one by one."""
_KIND = layout.READY_MARKS


def find_all(store: Store, keys: Sequence[TreeKey]) -> list[Tree | None]:
    """The tree of each key, in order; None for each that nobody has."""
    if len(keys) < _WORTH:
        return [store.find_tree(key) for key in keys]
    # The generations are read before anything is looked up, so the mark can only be too old, never too new.
    places = (store.path, *store.lowers)
    generations = b" ".join(_generation(place) for place in places)
    names = [key.hex for key in keys]
    mark = f"{store.path}/{layout.FACTS}/{_KIND}/{hash_short(''.join(names).encode())}"
    marked = _read_mark(mark, generations, keys, places)
    if marked is not None:
        return marked
    found = [store.find_tree(key) for key in keys]
    if all(found):
        _write_mark(mark, generations, found, places)
    return found


def _generation(place: str) -> bytes:
    """A word without spaces; a lost one never equals another."""
    return layout.read_generation(place) or os.urandom(8).hex().encode()


def _read_mark(
    mark: str, generations: bytes, keys: Sequence[TreeKey], places: tuple[str, ...]
) -> list[Tree | None] | None:
    """Lines: digest of the rest, the generations, then `PLACE TREEID` for each key."""
    try:
        with open(mark, "rb") as file:
            digest, _, rest = file.read().partition(b"\n")
    except FileNotFoundError:
        return None
    if hash_short(rest).encode() != digest:
        return None
    lines = rest.decode("ascii").splitlines()
    if not lines or lines[0].encode() != generations or len(lines) != len(keys) + 1:
        return None
    found: list[Tree | None] = []
    for key, line in zip(keys, lines[1:], strict=True):
        number, _, name = line.partition(" ")
        place = places[int(number)]
        found.append(Tree(key, name, f"{place}/{layout.TREES}/{name}", f"{place}/{layout.KEYS}/{key.hex}"))
    return found


def _write_mark(mark: str, generations: bytes, found: Sequence[Tree | None], places: tuple[str, ...]) -> None:
    """Remember the answer; a store that cannot be written answers without memory."""
    lines = [generations.decode("ascii")]
    for tree in found:
        assert tree is not None
        place, _, name = tree.path.rpartition(f"/{layout.TREES}/")
        lines.append(f"{places.index(place)} {name}")
    rest = ("\n".join(lines) + "\n").encode()
    try:
        files.make_directory(os.path.dirname(mark), 0o755)
        files.write_atomic(mark, hash_short(rest).encode() + b"\n" + rest, durable=False)
    except (OSError, ToolError):
        return
