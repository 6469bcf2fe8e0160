"""A merged directory that stands for an overlay: what a build changed in it becomes what an upper directory would hold.

Every file that was put there from a tree is remembered by inode number and change time, which nobody can set back; whatever
differs afterwards was made or touched by the build.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from shipway.build.capture import make_whiteout
from shipway.build.merge import finish_directory, place_entry
from shipway.core.manifest import DIRECTORY, HARDLINK, WHITEOUT, Entry, Manifest, disk_mode
from shipway.host.files import remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class MergedRoot:
    """The directory `path`, to which trees are added one after the other, a later one over an earlier one."""

    def __init__(self, path: str):
        self.path = path
        self._known: dict[str, tuple[int, int]] = {}

    def add(self, root: str, manifest: Manifest, kept: Iterable[str] = ()) -> None:
        """Put the tree at `root` over what is there; paths in `kept` stay as they are where something is there."""
        stays = {path for path in kept if os.path.lexists(os.path.join(self.path, path))}
        for entry in manifest.entries:
            if entry.kind == DIRECTORY:
                self._add_directory(entry)
            elif entry.path not in stays:
                self._add_file(entry, root)
        for entry in manifest.entries:
            if entry.kind not in (DIRECTORY, WHITEOUT) and entry.path not in stays:
                self._note(entry.path)

    def split(self, lower: Mapping[str, Entry], upper: str) -> None:
        """Move everything that is not as it was put there to the empty directory `upper`, as overlayfs would have it there.

        `lower` says what the trees show. Afterwards this directory holds leftovers only.
        """
        seen: set[str] = set()
        self._split_directory("", lower, upper, seen)
        for path in lower:
            parent = os.path.dirname(path)
            if path not in seen and (not parent or parent in seen) and path != ".":
                place = os.path.join(upper, path)
                self._make_parents(parent, upper)
                if not os.path.lexists(place):
                    make_whiteout(place)

    def _add_directory(self, entry: Entry) -> None:
        full = os.path.join(self.path, entry.path)
        # A link is never followed, whatever it points to: what an earlier tree put there must not lead out of here.
        if entry.path != "." and not _is_real_directory(full):
            if os.path.lexists(full):
                os.unlink(full)
            os.mkdir(full, 0o700)
            finish_directory(full, entry)

    def _add_file(self, entry: Entry, root: str) -> None:
        full = os.path.join(self.path, entry.path)
        if _is_real_directory(full):
            remove_tree(full)
        elif os.path.lexists(full):
            os.unlink(full)
        if entry.kind == WHITEOUT:
            self._known.pop(entry.path, None)
        elif entry.kind == HARDLINK:
            os.link(os.path.join(self.path, entry.target), full, follow_symlinks=False)
        else:
            place_entry(entry, root, full)

    def _note(self, path: str) -> None:
        found = os.lstat(os.path.join(self.path, path))
        self._known[path] = (found.st_ino, found.st_ctime_ns)

    def _split_directory(self, folder: str, lower: Mapping[str, Entry], upper: str, seen: set[str]) -> None:
        with os.scandir(os.path.join(self.path, folder)) as found:
            entries = sorted(found, key=lambda one: one.name)
        for one in entries:
            path = f"{folder}/{one.name}" if folder else one.name
            seen.add(path)
            info = one.stat(follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                self._split_directory(path, lower, upper, seen)
                below = lower.get(path)
                is_same = below is not None and below.kind == DIRECTORY
                mode = stat.S_IMODE(info.st_mode)
                if not is_same or (below is not None and mode != disk_mode(DIRECTORY, below.mode)):
                    self._make_parents(path, upper)
                if os.path.isdir(os.path.join(upper, path)):
                    os.chmod(os.path.join(upper, path), mode)
            elif self._known.get(path) != (info.st_ino, info.st_ctime_ns):
                self._make_parents(folder, upper)
                os.rename(one.path, os.path.join(upper, path))

    def _make_parents(self, folder: str, upper: str) -> None:
        """Make `folder` in `upper`, each level with the mode it has here."""
        full = os.path.join(upper, folder)
        if not folder or os.path.isdir(full):
            return
        self._make_parents(os.path.dirname(folder), upper)
        os.mkdir(full)
        os.chmod(full, stat.S_IMODE(os.lstat(os.path.join(self.path, folder)).st_mode) | 0o700)


def _is_real_directory(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False
