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
        seen = _without_replaced(seen, manifest)
        for entry in manifest.entries:
            if entry.kind == WHITEOUT and not keep_whiteouts:
                seen.pop(entry.path, None)
            else:
                seen[entry.path] = Placed(entry, number)
    return sorted(seen.values(), key=lambda placed: path_bytes(placed.entry.path))


def _without_replaced(seen: dict[str, Placed], above: Manifest) -> dict[str, Placed]:
    """`seen` without what lies below directories that `above` replaces. One pass, however many these are."""
    replaced = {
        entry.path
        for entry in above.entries
        if entry.kind != DIRECTORY
        and (below := seen.get(entry.path)) is not None
        and below.entry.kind == DIRECTORY
    }
    if not replaced:
        return seen
    return {path: placed for path, placed in seen.items() if not _lies_below(path, replaced)}


def _lies_below(path: str, folders: set[str]) -> bool:
    while path := path.rpartition("/")[0]:
        if path in folders:
            return True
    return False
