"""The one thing that creates files from archives: below one directory, by directory handles only, hashing while writing.

Every directory below the root is made by us and opened component by component with `O_NOFOLLOW|O_DIRECTORY` from its
parent's handle, every file with `O_CREAT|O_EXCL|O_NOFOLLOW` in its directory's handle. No path that an archive names is ever
resolved by the kernel in more than one component, so no link, wherever it points and whoever races us, is ever followed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable

from shipway.archive.limits import LIMITS, Limits
from shipway.archive.names import refuse, refuse_archive
from shipway.core.errors import NoSpace
from shipway.core.manifest import (
    DIRECTORY,
    FILE,
    HARDLINK,
    SYMLINK,
    WHITEOUT,
    Entry,
    Manifest,
    disk_mode,
    path_bytes,
)
from shipway.core.text import shown

_HANDLES = 96
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
Xattrs = tuple[tuple[str, bytes], ...]


class Extractor:
    """Fills the empty directory behind `root_fd`.

    On disk modes are those of `core.manifest.disk_mode`; owners, setuid, setgid, sticky
    and extended attributes are in the manifest only. Not for two threads at once: each thread works on its own `sibling()`.
    """

    def __init__(self, root_fd: int, artifact: str, *, limits: Limits = LIMITS):
        """`root_fd` stays the caller's; `artifact` is named in errors."""
        self._root = root_fd
        self._artifact = artifact
        self._limits = limits
        self._handles: dict[str, int] = {}
        self.entries: dict[str, Entry] = {}
        self._implied: dict[str, Entry] = {}

    def sibling(self) -> Extractor:
        """One with own handles that writes into the same tree; for files in directories that exist already."""
        other = Extractor(self._root, self._artifact, limits=self._limits)
        other.entries, other._implied = self.entries, self._implied
        return other

    def directory(
        self, path: str, mode: int, mtime: int, *, uid: int = 0, gid: int = 0, xattrs: Xattrs = ()
    ) -> None:
        """Make `path`, or give the directory its attributes that was made for a member below it.

        Raises:
            HostileInput: the path is there already, or lies below something that is no directory.
        """
        known = self._implied.pop(path, None)
        if known is None:
            self._make_directory(path, mtime)
        self.entries[path] = Entry(path, DIRECTORY, mode & 0o7777, uid, gid, mtime, xattrs=xattrs)

    def ensure_directory(self, path: str, mtime: int) -> None:
        """Make `path` and what is above it, where no member gave it attributes yet."""
        if path and path not in self.entries and path not in self._implied:
            self._make_directory(path, mtime)
            self._implied[path] = Entry(path, DIRECTORY, 0o755, mtime=mtime)

    def file(
        self,
        path: str,
        content: Iterable[bytes],
        mode: int,
        mtime: int,
        *,
        uid: int = 0,
        gid: int = 0,
        xattrs: Xattrs = (),
    ) -> Entry:
        """Write a file and say what it is.

        Raises:
            HostileInput: the path is there already, or lies below something that is no directory.
            NoSpace: the disk is full.
        """
        parent, name = self._place(path, mtime)
        try:
            fd = os.open(name, _CREATE, 0o600, dir_fd=parent)
        except FileExistsError as error:
            raise refuse(self._artifact, path, "occurs twice") from error
        except OSError as error:
            raise self._disk_error(error, path) from error
        try:
            size, digest = _copy(fd, content)
            os.fchmod(fd, disk_mode(FILE, mode))
            os.utime(fd, (mtime, mtime))
        except OSError as error:
            raise self._disk_error(error, path) from error
        finally:
            os.close(fd)
        entry = Entry(path, FILE, mode & 0o7777, uid, gid, mtime, size, digest, "", xattrs)
        self.entries[path] = entry
        return entry

    def symlink(self, path: str, target: str, mtime: int, *, uid: int = 0, gid: int = 0) -> None:
        """Make a symbolic link; its target is text. Errors as for `file`."""
        parent, name = self._place(path, mtime)
        try:
            os.symlink(target, name, dir_fd=parent)
            os.utime(name, (mtime, mtime), dir_fd=parent, follow_symlinks=False)
        except FileExistsError as error:
            raise refuse(self._artifact, path, "occurs twice") from error
        except OSError as error:
            raise self._disk_error(error, path) from error
        self.entries[path] = Entry(path, SYMLINK, 0o777, uid, gid, mtime, target=target)

    def hardlink(self, path: str, target: str) -> None:
        """Make `path` another name of the file `target` of this tree.

        Raises:
            HostileInput: `target` is no file of this tree; else as for `file`.
        """
        first = self.entries.get(target)
        if first is not None and first.kind == HARDLINK:
            first = self.entries[first.target]
        if first is None or first.kind != FILE:
            raise refuse(
                self._artifact, path, f"is a hard link to `{shown(target)}`, which is no file of this tree"
            )
        parent, name = self._place(path, first.mtime)
        origin, origin_name = self._place(first.path, first.mtime, new=False)
        try:
            os.link(origin_name, name, src_dir_fd=origin, dst_dir_fd=parent, follow_symlinks=False)
        except FileExistsError as error:
            raise refuse(self._artifact, path, "occurs twice") from error
        except OSError as error:
            raise self._disk_error(error, path) from error
        self.entries[path] = Entry(
            path, HARDLINK, first.mode, first.uid, first.gid, first.mtime, target=first.path
        )

    def whiteout(self, path: str) -> None:
        """Hide what lower trees have at `path`, in the way overlayfs does; any user may, since kernel 5.8."""
        parent, name = self._place(path, 0)
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=parent)
        except OSError as error:
            raise self._disk_error(error, path) from error
        self.entries[path] = Entry(path, WHITEOUT, 0)

    def implied(self) -> list[str]:
        """The directories that no member gave attributes yet."""
        return list(self._implied)

    def finish(self) -> Manifest:
        """Set the directories' modes and times, close all handles, and name everything there is."""
        self.entries.update(self._implied)
        self._implied.clear()
        for path in sorted(
            (p for p, e in self.entries.items() if e.kind == DIRECTORY), key=path_bytes, reverse=True
        ):
            entry = self.entries[path]
            fd = self._open(path)
            os.fchmod(fd, disk_mode(DIRECTORY, entry.mode))
            os.utime(fd, (entry.mtime, entry.mtime))
        self.close()
        # The topmost tree's root is the root that a container sees, so it must be open to all.
        os.fchmod(self._root, 0o755)
        os.utime(self._root, (0, 0))
        return Manifest(_with_first_names(self.entries))

    def close(self) -> None:
        """Close the handles."""
        for fd in self._handles.values():
            os.close(fd)
        self._handles.clear()

    def _place(self, path: str, mtime: int, *, new: bool = True) -> tuple[int, str]:
        """The handle of the parent of `path`, made if needed, and the last component."""
        if new:
            if path in self.entries or path in self._implied or path == ".":
                raise refuse(self._artifact, path, "occurs twice")
            if len(self.entries) >= self._limits.entries:
                raise refuse_archive(self._artifact, f"has more than {self._limits.entries} members")
        parent, _, name = path.rpartition("/")
        self.ensure_directory(parent, mtime)
        return self._open(parent), name

    def _make_directory(self, path: str, mtime: int) -> None:
        parent, name = self._place(path, mtime)
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError as error:
            raise refuse(self._artifact, path, "occurs twice") from error
        except OSError as error:
            raise self._disk_error(error, path) from error

    def _open(self, path: str) -> int:
        """A handle on the directory `path` of this tree."""
        if not path:
            return self._root
        fd = self._handles.get(path)
        if fd is None:
            parent, _, name = path.rpartition("/")
            above = self._open(parent)
            try:
                fd = os.open(name, _OPEN_DIRECTORY, dir_fd=above)
            except NotADirectoryError as error:
                raise refuse(
                    self._artifact, path, "is no directory, and other members lie below it"
                ) from error
            except OSError as error:
                why = "is a link, and other members lie below it"
                raise (
                    refuse(self._artifact, path, why)
                    if error.errno == errno.ELOOP
                    else self._disk_error(error, path)
                ) from error
            if len(self._handles) >= _HANDLES:
                os.close(self._handles.pop(self._oldest(parent)))
            self._handles[path] = fd
        return fd

    def _oldest(self, parent: str) -> str:
        """A handle to give up: the longest open one that is not above the one being opened."""
        return next(path for path in self._handles if not (parent == path or parent.startswith(path + "/")))

    def _disk_error(self, error: OSError, path: str) -> Exception:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return NoSpace(
                f"no space left while unpacking `{shown(path)}` of `{shown(self._artifact)}`",
                hints=(
                    "free some space, or set SHIPWAY_STORE to a larger disk",
                    "shipway gc --older-than 30d",
                ),
            )
        if error.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.EMLINK):
            return refuse(self._artifact, path, f"cannot exist on this file system: {error.strerror}")
        return error


def _copy(fd: int, content: Iterable[bytes]) -> tuple[int, str]:
    """Write all of `content` to `fd`: its size and hex sha256."""
    sha = hashlib.sha256()
    size = 0
    for chunk in content:
        sha.update(chunk)
        size += len(chunk)
        written = os.write(fd, chunk)
        while written < len(chunk):
            written += os.write(fd, memoryview(chunk)[written:])
    return size, sha.hexdigest()


def _with_first_names(entries: dict[str, Entry]) -> list[Entry]:
    """The entries, where of several hard links the first in path order is the file: one form for one tree."""
    groups: dict[str, list[str]] = {}
    for entry in entries.values():
        if entry.kind == HARDLINK:
            groups.setdefault(entry.target, [entry.target]).append(entry.path)
    renamed = dict(entries)
    for target, paths in groups.items():
        first = min(paths, key=path_bytes)
        content = entries[target]
        for path in paths:
            renamed[path] = content._replace(
                path=path, kind=HARDLINK, size=0, digest="", target=first, xattrs=()
            )
        renamed[first] = content._replace(path=first)
    return list(renamed.values())
