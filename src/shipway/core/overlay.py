"""What lies where when trees are stacked: the arithmetic of overlays over manifests, without a kernel.

Rules as overlayfs and the OCI image-spec have them: a later tree's path hides an earlier one's; two directories merge and the
later one's attributes count; anything else replaces the path and all that lay below it; a whiteout removes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shipway.core.manifest import DIRECTORY, WHITEOUT, Entry, Manifest, path_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence


class Placed(NamedTuple):
    """An entry and the tree it comes from."""

    entry: Entry
    tree: int
    """Position of its tree in the stack, 0 at the bottom."""


def stack(manifests: Sequence[Manifest], *, keep_whiteouts: bool = False) -> list[Placed]:
    """All paths visible when `manifests` (bottom first) are stacked, in canonical order.

    With `keep_whiteouts`, a whiteout stays in the result: the stack is a layer above others, not a whole root.
    """
    seen: dict[str, Placed] = {}
    for number, manifest in enumerate(manifests):
        for entry in manifest.entries:
            below = seen.get(entry.path)
            if below is not None and below.entry.kind == DIRECTORY and entry.kind != DIRECTORY:
                _drop_below(seen, entry.path)
            if entry.kind == WHITEOUT and not keep_whiteouts:
                seen.pop(entry.path, None)
            else:
                seen[entry.path] = Placed(entry, number)
    return sorted(seen.values(), key=lambda placed: path_bytes(placed.entry.path))


def _drop_below(seen: dict[str, Placed], path: str) -> None:
    prefix = path + "/"
    for name in [name for name in seen if name.startswith(prefix)]:
        del seen[name]
