"""What lies under a layer, one path at a time: adding a layer costs its own size, and a question nothing more than its answer.

An image may have hundreds of layers of many thousand paths. Who lists everything below for each of them needs hours for an
image of a few megabytes; so here nothing is ever listed as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.manifest import DIRECTORY, WHITEOUT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipway.core.manifest import Entry, Manifest


class Below:
    """The paths that are there when layers are stacked."""

    def __init__(self, manifests: Iterable[Manifest] = ()) -> None:
        """`manifests`: bottom first."""
        self._entries: dict[str, Entry] = {}
        self._children: dict[str, dict[str, None]] = {}
        for manifest in manifests:
            self.add(manifest)

    def add(self, manifest: Manifest) -> None:
        """Put a layer on top."""
        for entry in manifest.entries:
            found = self._entries.get(entry.path)
            if found is not None and not (found.kind == entry.kind == DIRECTORY):
                self._remove(entry.path)
            if entry.kind != WHITEOUT:
                self._entries[entry.path] = entry
                self._children.setdefault(entry.path.rpartition("/")[0], {})[entry.path] = None

    def get(self, path: str) -> Entry | None:
        """What is at `path`."""
        return self._entries.get(path)

    def children(self, path: str) -> tuple[str, ...]:
        """The paths right below the folder `path`; the root is empty."""
        return tuple(self._children.get(path, ()))

    def _remove(self, path: str) -> None:
        self._children[path.rpartition("/")[0]].pop(path, None)
        left = [path]
        while left:
            one = left.pop()
            self._entries.pop(one, None)
            left += self._children.pop(one, ())
