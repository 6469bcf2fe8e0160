"""What a sandboxed build left: an overlay's upper directory as a tree, equal whoever ran it.

Modes: a file that overlayfs copied up shows the mode that trees have on disk; where it equals the disk form of the lower entry's
mode, the lower mode is meant. Owners: from the lower entry, then from recorded changes of owner; the real owner on
disk is whoever built. Times: what did not change keeps the lower time, everything else has one fixed time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, WHITEOUT, Entry, disk_mode
from shipway.host.overlay import is_opaque

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FIXED_TIME = 315532800
"""1980-01-01T00:00:00Z, the earliest time that every archive format can state."""
_CHUNK = 1 << 20
_PREFIXES = ("user.overlay.", "trusted.overlay.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the sandbox wrote down instead of doing it. Paths are relative to the root."""

    owners: dict[str, tuple[int, int]] = field(default_factory=dict)
    """-1 means: not changed."""
    xattrs: dict[str, tuple[tuple[str, bytes], ...]] = field(default_factory=dict)

    def merged(self, later: Recorded) -> Recorded:
        """What is here, then `later`."""
        owners = dict(self.owners)
        for path, (uid, gid) in later.owners.items():
            old = owners.get(path, (-1, -1))
            owners[path] = (old[0] if uid < 0 else uid, old[1] if gid < 0 else gid)
        return Recorded(owners=owners, xattrs=self.xattrs | later.xattrs)


def capture_upper(root: str, lower: Mapping[str, Entry], recorded: Recorded) -> dict[str, Entry]:
    """The entries of the upper directory `root` over `lower`, which is changed to be a tree's content on the way.

    What equals the lower entry is removed from `root`; the rest gets the modes and times that trees have on disk; sockets, pipes
    and overlayfs's own attributes vanish. A directory that only leads to changes keeps the lower attributes.
    """
    return _Capture(root, lower, recorded).run()


class _Capture:
    def __init__(self, root: str, lower: Mapping[str, Entry], recorded: Recorded):
        self._root = root
        self._lower = lower
        self._recorded = recorded
        self._found: dict[str, Entry] = {}
        self._links: dict[tuple[int, int], str] = {}
        self._children: dict[str, list[str]] | None = None

    def run(self) -> dict[str, Entry]:
        self._directory("")
        finish_times(self._root, self._found.values())
        return self._found

    def _directory(self, path: str) -> bool:
        """Capture what is in `path`; whether anything is."""
        full = os.path.join(self._root, path)
        names = sorted(os.listdir(full), key=os.fsencode)
        kept = False
        for name in names:
            kept |= self._one(f"{path}/{name}" if path else name)
        if is_opaque(full):
            kept |= self._hide_lower(path, set(names))
        return kept

    def _one(self, path: str) -> bool:
        full = os.path.join(self._root, path)
        info = os.lstat(full)
        kind = stat.S_IFMT(info.st_mode)
        below = self._lower.get(path)
        if kind == stat.S_IFDIR:
            return self._one_directory(path, full, info, below)
        if kind == stat.S_IFCHR and info.st_rdev == 0:
            return self._whiteout(path, full)
        if kind == stat.S_IFLNK:
            entry = self._entry(path, SYMLINK, 0o777, below, target=os.readlink(full))
        elif kind == stat.S_IFREG:
            entry = self._file(path, full, info, below)
        else:
            os.unlink(full)
            return False
        if below is not None and entry._replace(mtime=0) == below._replace(mtime=0):
            os.unlink(full)
            return False
        self._found[path] = entry
        return True

    def _one_directory(self, path: str, full: str, info: os.stat_result, below: Entry | None) -> bool:
        mode = stat.S_IMODE(info.st_mode)
        if info.st_uid == os.geteuid() and mode & 0o700 != 0o700:  # noqa: PLR2004 - the owner's bits
            os.chmod(full, mode | 0o700)
        has_children = self._directory(path)
        _drop_overlay_attributes(full)
        is_merged = below is not None and below.kind == DIRECTORY
        entry = self._entry(path, DIRECTORY, mode, below if is_merged else None)
        if is_merged and below is not None and entry._replace(mtime=0) == below._replace(mtime=0):
            entry = below
            if not has_children:
                os.rmdir(full)
                return False
        self._found[path] = entry
        os.chmod(full, disk_mode(DIRECTORY, entry.mode))
        return True

    def _whiteout(self, path: str, full: str) -> bool:
        if path not in self._lower:
            os.unlink(full)
            return False
        self._found[path] = Entry(path, WHITEOUT, 0)
        return True

    def _file(self, path: str, full: str, info: os.stat_result, below: Entry | None) -> Entry:
        mode = stat.S_IMODE(info.st_mode)
        first = self._links.setdefault((info.st_dev, info.st_ino), path)
        if first != path:
            origin = self._found[first]
            return origin._replace(path=path, kind=HARDLINK, size=0, digest="", target=first, xattrs=())
        if mode & 0o400 == 0:
            os.chmod(full, mode | 0o400)
        digest, size = hash_file(full)
        entry = self._entry(path, FILE, mode, below if below is not None and below.kind == FILE else None)
        os.chmod(full, disk_mode(FILE, entry.mode))
        _drop_overlay_attributes(full)
        return entry._replace(digest=digest, size=size)

    def _entry(self, path: str, kind: str, mode: int, below: Entry | None, target: str = "") -> Entry:
        if (
            below is not None
            and below.kind == kind
            and kind != SYMLINK
            and mode == disk_mode(kind, below.mode)
        ):
            mode = below.mode
        same = below is not None and below.kind == kind
        uid, gid = (below.uid, below.gid) if same and below is not None else (0, 0)
        recorded_uid, recorded_gid = self._recorded.owners.get(path, (-1, -1))
        xattrs = self._recorded.xattrs.get(path, below.xattrs if same and below is not None else ())
        return Entry(
            path,
            kind,
            mode,
            uid if recorded_uid < 0 else recorded_uid,
            gid if recorded_gid < 0 else recorded_gid,
            FIXED_TIME,
            target=target,
            xattrs=xattrs,
        )

    def _hide_lower(self, path: str, names: set[str]) -> bool:
        """An opaque directory hides all lower siblings: say so one by one, as layers prefer it."""
        if self._children is None:
            self._children = {}
            for one in self._lower:
                parent, _, name = one.rpartition("/")
                self._children.setdefault(parent, []).append(name)
        hidden = [name for name in self._children.get(path, ()) if name not in names]
        for name in hidden:
            place = f"{path}/{name}" if path else name
            make_whiteout(os.path.join(self._root, place))
            self._found[place] = Entry(place, WHITEOUT, 0)
        return bool(hidden)


def make_whiteout(path: str) -> None:
    """Hide the lower path at `path` in the way overlayfs does; any user may, since kernel 5.8."""
    os.mknod(path, stat.S_IFCHR, 0)


def hash_file(path: str) -> tuple[str, int]:
    """The sha256 of a file in hex, and its size."""
    digest = hashlib.sha256()
    size = 0
    with open(path, "rb", buffering=0) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def finish_times(root: str, entries: Iterable[Entry]) -> None:
    """Give the files on disk the times of their entries, directories after what is in them."""
    for entry in sorted(entries, key=lambda one: one.path.count("/"), reverse=True):
        if entry.kind != WHITEOUT:
            os.utime(os.path.join(root, entry.path), (entry.mtime, entry.mtime), follow_symlinks=False)


def walk_files(root: str) -> Iterator[str]:
    """Relative paths of everything below `root` that is no directory."""
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(os.path.join(root, folder)) as found:
            for one in found:
                path = f"{folder}/{one.name}" if folder else one.name
                if one.is_dir(follow_symlinks=False):
                    pending.append(path)
                else:
                    yield path


def _drop_overlay_attributes(path: str) -> None:
    with contextlib.suppress(OSError):
        for name in os.listxattr(path, follow_symlinks=False):
            if name.startswith(_PREFIXES):
                os.removexattr(path, name, follow_symlinks=False)
