"""The files of stacked trees, to look into: by manifests, so nothing is mounted and no link leads out of the image.

A path is absolute or relative to the image's root, which is the same here. Links are followed as the kernel would inside the
image: an absolute target starts at its root, and `..` ends there.
"""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING

from shipway.core.errors import HostileInput
from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK
from shipway.core.text import shown
from shipway.core.units import render_size
from shipway.host import files as disk
from shipway.image.foreign import visible_places

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shipway.core.manifest import Entry
    from shipway.core.overlay import Placed
    from shipway.store.tree import Tree

_LINKS = 40
_OPENING = 1 << 16
_TEXT = 32 << 20
"""Bytes of the largest text that is read; dpkg's status of five thousand packages has 6 MB."""


class BaseFiles:
    """What one image holds. Reads only, and only what it is asked for."""

    def __init__(self, places: Mapping[str, Placed], read: Callable[[Placed, int], bytes]) -> None:
        """`places`: every path that is there. `read`: at most so many bytes from the beginning of the file at a place."""
        self._places = places
        self._read = read
        self._names: dict[str, list[str]] = defaultdict(list)
        for path in places:
            parent, _, name = path.rpartition("/")
            if path != ".":
                self._names[parent].append(name)

    def names(self, folder: str) -> tuple[str, ...]:
        """The names in `folder`, sorted; nothing for what is no folder."""
        found = self.find(folder)
        return () if found is None else tuple(sorted(self._names.get(found, ())))

    def find(self, path: str) -> str | None:
        """Where `path` leads, without links and relative to the root (which is empty); None: nowhere."""
        left = _parts(path)
        found = ""
        links = 0
        while left:
            part = left.pop()
            if part == "..":
                found = found.rpartition("/")[0]
                continue
            inner = f"{found}/{part}" if found else part
            place = self._places.get(inner)
            if place is None or (left and place.entry.kind not in (DIRECTORY, SYMLINK)):
                return None
            if place.entry.kind != SYMLINK:
                found = inner
                continue
            links += 1
            if links > _LINKS:
                return None
            left += _parts(place.entry.target)
            if place.entry.target.startswith("/"):
                found = ""
        return found

    def find_file(self, path: str) -> Entry | None:
        """The file that `path` leads to, or None."""
        found = self.find(path)
        place = self._places.get(found) if found else None
        return place.entry if place is not None and place.entry.kind in (FILE, HARDLINK) else None

    def head(self, path: str, size: int) -> bytes:
        """The first `size` bytes of the file that `path` leads to; nothing where there is none.

        Raises:
            StoreError: the store has lost it.
        """
        entry = self.find_file(path)
        return self._read(self._places[entry.path], size) if entry is not None else b""

    def opening(self, path: str) -> str:
        """The beginning of a small text, 64 KiB of it, `surrogateescape` for bytes that are no UTF-8; empty where there is none.

        Raises:
            StoreError: the store has lost it.
        """
        return self.head(path, _OPENING).decode("utf-8", "surrogateescape")

    def text(self, path: str) -> str:
        """The whole of a text, `surrogateescape` for bytes that are no UTF-8; empty where there is none.

        Raises:
            HostileInput: it is larger than any honest one.
            StoreError: the store has lost it.
        """
        data = self.head(path, _TEXT + 1)
        if len(data) > _TEXT:
            raise HostileInput(
                f"`{shown(path)}` of the image has more than {render_size(_TEXT)}",
                hints=["no honest tool writes this; look at where the image came from"],
            )
        return data.decode("utf-8", "surrogateescape")


def files_of_trees(trees: Sequence[Tree]) -> BaseFiles:
    """The files of `trees`, bottom first, as long as they stay in the store.

    Raises:
        StoreError: a manifest is missing or damaged.
    """
    roots = [tree.root for tree in trees]

    def read(place: Placed, size: int) -> bytes:
        path = f"{roots[place.tree]}/{place.entry.path}"
        with disk.translating_disk_errors(f"read `{shown(place.entry.path)}` of the image"):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            with open(fd, "rb") as file:
                return file.read(size)

    return BaseFiles(visible_places([tree.manifest() for tree in trees]), read)


def _parts(path: str) -> list[str]:
    """The components of `path`, the last one first."""
    return [part for part in path.split("/") if part not in ("", ".")][::-1]
