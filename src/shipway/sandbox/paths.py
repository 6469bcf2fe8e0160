"""Paths resolved inside a root, so that no link in it leads outside.

openat2(2) with RESOLVE_IN_ROOT where the kernel has it, else the same walk by hand. Absolute links, `..` and links to
/proc/self all end inside; magic links are refused.
"""

from __future__ import annotations

import errno
import os
import stat

from . import syscalls

_MAX_LINKS = 40


def open_in_root(root: int, path: str, flags: int = syscalls.O_PATH) -> int:
    """Open `path` as a process chrooted to `root` would. Raises `OSError`. The last component is followed unless O_NOFOLLOW."""
    resolve = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
    while True:
        try:
            return syscalls.openat2(root, path, flags, resolve)
        except OSError as error:
            if error.errno == errno.EAGAIN:  # a rename raced with `..`; the kernel asks for another try
                continue
            if error.errno in (errno.ENOSYS, errno.EPERM):
                return walk_in_root(root, path, flags)
            raise


def walk_in_root(root: int, path: str, flags: int = syscalls.O_PATH) -> int:
    """`open_in_root` for kernels and filters without openat2: one component at a time, links read and restarted by hand."""
    todo = [part for part in reversed(path.split("/")) if part and part != "."]
    stack = [os.dup(root)]
    links = 0
    follow_last = not flags & os.O_NOFOLLOW
    try:
        while todo:
            name = todo.pop()
            if name == "..":
                if len(stack) > 1:
                    os.close(stack.pop())
                continue
            fd = os.open(name, syscalls.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=stack[-1])
            if not stat.S_ISLNK(os.fstat(fd).st_mode) or (not todo and not follow_last):
                stack.append(fd)
                continue
            text = os.readlink("", dir_fd=fd)
            os.close(fd)
            links += 1
            if links > _MAX_LINKS:
                syscalls.fail(errno.ELOOP, path)
            if text.startswith("/"):
                _close_all(stack[1:])
                del stack[1:]
            todo += [part for part in reversed(text.split("/")) if part and part != "."]
        return _reopen(stack[-1], flags)
    finally:
        _close_all(stack)


def _reopen(fd: int, flags: int) -> int:
    if flags & syscalls.O_PATH:
        if flags & os.O_DIRECTORY and not stat.S_ISDIR(os.fstat(fd).st_mode):
            syscalls.fail(errno.ENOTDIR, "")
        return os.dup(fd)
    return os.open(f"/proc/self/fd/{fd}", (flags & ~os.O_NOFOLLOW) | os.O_CLOEXEC)


def make_directories(root: int, path: str, mode: int = 0o755) -> int:
    """Make `path` and its parents inside `root` and return an O_PATH descriptor of it.

    Links on the way are followed inside the root. Raises `OSError`: ENOTDIR where a part is no directory, ENOENT where a part is
    a link to nothing (which is never created through).
    """
    parts = [part for part in path.split("/") if part and part != "."]
    done = ""
    fd = os.dup(root)
    for index, part in enumerate(parts):
        done = f"{done}/{part}"
        try:
            following = open_in_root(root, done, syscalls.O_PATH | os.O_DIRECTORY)
        except FileNotFoundError:
            try:
                _make_directory(part, mode if index == len(parts) - 1 else 0o755, fd)
                following = open_in_root(root, done, syscalls.O_PATH | os.O_DIRECTORY)
            except OSError:
                os.close(fd)
                raise
        except OSError:
            os.close(fd)
            raise
        os.close(fd)
        fd = following
    return fd


def _make_directory(name: str, mode: int, parent: int) -> None:
    try:
        os.mkdir(name, mode, dir_fd=parent)
    except FileExistsError as error:
        raise OSError(errno.ENOENT, "is a link to nothing", name) from error
    # The umask must not decide what is in a tree.
    os.chmod(name, mode, dir_fd=parent)


def open_parent(root: int, path: str) -> tuple[int, str]:
    """The directory that holds `path` (made if absent) and the last name. Raises `ValueError` for `/` and for `..` at the end."""
    head, _, name = path.rstrip("/").rpartition("/")
    if not name or name in (".", ".."):
        raise ValueError(f"`{path}` names no file")
    return make_directories(root, head or "/"), name


def remove_file(parent: int, name: str) -> None:
    """Remove the file or link `name` if there is one; a directory stays and raises `IsADirectoryError`."""
    try:
        found = os.lstat(name, dir_fd=parent)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    os.unlink(name, dir_fd=parent)


def _close_all(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
