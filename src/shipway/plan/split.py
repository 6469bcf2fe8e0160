"""A layer of a finished image, taken apart by the packages that its files belong to. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from shipway.core.manifest import HARDLINK, Manifest
from shipway.plan.sizes import UNOWNED, SizedTree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipway.core.manifest import Entry


def split_manifest(manifest: Manifest, owners: Mapping[str, tuple[str, str, str]]) -> tuple[SizedTree, ...]:
    """`manifest` as one tree for each package and, below them, one for what belongs to none.

    `owners`: kind, name and version by path. Folders and whiteouts are in the lowest tree, so that the stack is `manifest` again;
    a hard link stays beside its file.
    """
    parts: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    rest: list[Entry] = []
    for entry in manifest.entries:
        owner = owners.get(entry.target if entry.kind == HARDLINK else entry.path)
        (rest if owner is None else parts[owner]).append(entry)
    found = [SizedTree(UNOWNED, UNOWNED, "no package", Manifest(rest))] if rest else []
    for (kind, name, version), entries in sorted(parts.items()):
        title = f"{name} {version}" if version else name
        found.append(SizedTree(f"{kind}:{title}", kind, title, Manifest(entries)))
    return tuple(found)
