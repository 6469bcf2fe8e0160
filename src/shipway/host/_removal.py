"""Removal of a directory tree that may hold anything: links, unreadable directories, depths beyond any path limit."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

_DEEPEST = 100
"""Directories open at once; what lies deeper is first moved up."""


def remove_tree(path: str) -> None:
    """Remove `path`, whatever it is.

    Raises:
        OSError: something could not be removed.
    """
    folder, name = os.path.split(os.path.abspath(path))
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _remove(fd, name)
    finally:
        os.close(fd)


def _remove(parent: int, name: str) -> None:
    if _unlink(parent, name):
        return
    top = _open_directory(parent, name)
    if top is None:
        return
    try:
        raised = _Raised(top)
        _empty(top, raised, 1)
        while raised.waiting:
            deep = raised.waiting.pop()
            fd = _open_directory(top, deep)
            if fd is not None:
                try:
                    _empty(fd, raised, 1)
                finally:
                    os.close(fd)
                _rmdir(top, deep)
    finally:
        os.close(top)
    _rmdir(parent, name)


class _Raised:
    """Directories that lay too deep and now wait, renamed, in the top one."""

    def __init__(self, top: int):
        self.top = top
        self.waiting: list[str] = []
        self._count = 0

    def take(self, parent: int, name: str) -> None:
        """Move directory `name` of `parent` up."""
        while True:
            self._count += 1
            fresh = f".shipway-deep-{os.getpid()}-{self._count}"
            try:
                os.rename(name, fresh, src_dir_fd=parent, dst_dir_fd=self.top)
            except FileNotFoundError:
                return
            except OSError as problem:
                if problem.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    continue
                raise
            self.waiting.append(fresh)
            return


def _empty(fd: int, raised: _Raised, depth: int) -> None:
    with os.scandir(fd) as found:
        names = [entry.name for entry in found]
    for name in names:
        if name in raised.waiting and depth == 1:
            continue
        if _unlink(fd, name):
            continue
        if depth >= _DEEPEST:
            # A directory may be moved only by someone who may write it.
            opened = _open_directory(fd, name)
            if opened is not None:
                os.close(opened)
                raised.take(fd, name)
            continue
        below = _open_directory(fd, name)
        if below is None:
            continue
        try:
            _empty(below, raised, depth + 1)
        finally:
            os.close(below)
        _rmdir(fd, name)


def _unlink(parent: int, name: str) -> bool:
    """Remove a name that is no directory; True if it is gone."""
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return True
    except OSError as problem:
        # unlink(2) of a directory is EISDIR on Linux, EPERM by POSIX.
        if problem.errno in (errno.EISDIR, errno.EPERM) and _is_directory(parent, name):
            return False
        raise
    return True


def _is_directory(parent: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return True


def _open_directory(parent: int, name: str) -> int | None:
    """A descriptor of directory `name`, opened up to its owner first; None if it is gone."""
    try:
        handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(handle)
        if status.st_mode & 0o700 != 0o700 and status.st_uid == os.geteuid():  # noqa: PLR2004 - rwx of the owner
            # chmod by an O_PATH descriptor goes through /proc: fchmod(2) refuses one.
            os.chmod(f"/proc/self/fd/{handle}", 0o700)
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=handle)
    finally:
        os.close(handle)


def _rmdir(parent: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=parent)
