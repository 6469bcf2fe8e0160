"""Trees merged into one directory, where the kernel cannot stack them: more than 500 lowers, or a host that refuses mounts.

The arithmetic is that of `core.overlay`, over manifests; on disk every path then has the mode that trees have there.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, disk_mode
from shipway.core.overlay import stack
from shipway.host import files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.core.manifest import Entry, Manifest

MOST_LOWERS = 500
"""The kernel's OVL_MAX_STACK."""


def merge_trees(trees: Sequence[tuple[str, Manifest]], target: str, *, link: bool = False) -> None:
    """Fill the empty directory `target` with what a stack of `trees` (root, manifest; bottom first) shows.

    With `link`, files are hard links into the trees: only where nobody can write to `target`. Else they are copies,
    sharing blocks where the file system can.

    Raises:
        NoSpace: the disk is full.
    """
    with files.translating_disk_errors(f"merge {len(trees)} trees"):
        folders = []
        first_names: dict[tuple[int, str], str] = {}
        for placed in stack([manifest for _, manifest in trees]):
            entry, root = placed.entry, trees[placed.tree][0]
            full = os.path.join(target, entry.path)
            if entry.kind == DIRECTORY:
                if entry.path != ".":
                    os.mkdir(full, 0o700)
                folders.append(entry)
                continue
            name = (placed.tree, entry.target if entry.kind == HARDLINK else entry.path)
            earlier = first_names.setdefault(name, full)
            if entry.kind in (FILE, HARDLINK) and earlier != full:
                os.link(earlier, full, follow_symlinks=False)
            else:
                place_entry(entry, root, full, link=link)
        for entry in reversed(folders):
            finish_directory(os.path.join(target, entry.path), entry)


def place_entry(entry: Entry, root: str, full: str, *, link: bool = False) -> None:
    """Put the file or link `entry` of the tree at `root` to the path `full`, which is free."""
    if entry.kind == SYMLINK:
        os.symlink(entry.target, full)
        os.utime(full, (entry.mtime, entry.mtime), follow_symlinks=False)
        return
    source = os.path.join(root, entry.target if entry.kind == HARDLINK else entry.path)
    if link:
        os.link(source, full, follow_symlinks=False)
        return
    files.reflink_or_copy(source, full, disk_mode(FILE, entry.mode))
    os.utime(full, (entry.mtime, entry.mtime))


def finish_directory(full: str, entry: Entry) -> None:
    """Give a directory the mode and time of its entry."""
    os.chmod(full, disk_mode(DIRECTORY, entry.mode))
    os.utime(full, (entry.mtime, entry.mtime))


def bounded_lowers(trees: Sequence[tuple[str, Manifest]], work: str, *, most: int = MOST_LOWERS) -> list[str]:
    """Directories for an overlay, bottom first: `trees`, of which the lowest are merged below `work` where there are too many."""
    if len(trees) <= most:
        return [root for root, _ in trees]
    extra = len(trees) - most + 1
    merged = os.path.join(work, "merged")
    if os.path.isdir(merged):
        shutil.rmtree(merged)
    os.makedirs(merged)
    merge_trees(trees[:extra], merged, link=True)
    return [merged, *(root for root, _ in trees[extra:])]
