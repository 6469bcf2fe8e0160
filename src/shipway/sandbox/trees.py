"""Directories copied, compared and removed where mounts are refused. Links are never followed."""

from __future__ import annotations

import os
import stat

_CHUNK = 1 << 20


def tree_size(path: str, limit: int) -> int:
    """Bytes of the regular files at and below `path`; stops counting above `limit`."""
    found = os.stat(path)
    if not stat.S_ISDIR(found.st_mode):
        return found.st_size
    total = 0
    for directory, _, names in os.walk(path):
        total += sum(os.lstat(f"{directory}/{name}").st_size for name in names)
        if total > limit:
            break
    return total


def copy_tree(source: str, target: str) -> None:
    """Copy the content of `source` over the empty `target` of the same type: files, links and directories, modes and times."""
    if not os.path.isdir(source):
        _copy_file(source, target)
        return
    with os.scandir(source) as found:
        entries = list(found)
    for entry in entries:
        to = f"{target}/{entry.name}"
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), to)
        elif entry.is_dir():
            os.mkdir(to, 0o700)
            copy_tree(entry.path, to)
        elif entry.is_file():
            _copy_file(entry.path, to)
    _copy_attributes(source, target)


def update_tree(source: str, target: str) -> None:
    """Make `target` what `source` has become: changed and new files written, removed ones removed."""
    if not os.path.isdir(source):
        if _differs(source, target):
            _copy_file(source, target)
        return
    names = set(os.listdir(source))
    for name in set(os.listdir(target)) - names:
        remove_at(None, f"{target}/{name}")
    for name in sorted(names):
        _update_entry(f"{source}/{name}", f"{target}/{name}")


def _update_entry(source: str, target: str) -> None:
    kind = stat.S_IFMT(os.lstat(source).st_mode)
    if os.path.lexists(target) and stat.S_IFMT(os.lstat(target).st_mode) != kind:
        remove_at(None, target)
    if kind == stat.S_IFDIR:
        if not os.path.lexists(target):
            os.mkdir(target)
        update_tree(source, target)
    elif kind == stat.S_IFLNK:
        if not os.path.lexists(target) or os.readlink(target) != os.readlink(source):
            remove_at(None, target)
            os.symlink(os.readlink(source), target)
    elif kind == stat.S_IFREG and (not os.path.lexists(target) or _differs(source, target)):
        _copy_file(source, target)


def _differs(one: str, other: str) -> bool:
    a, b = os.stat(one), os.stat(other)
    return (a.st_size, a.st_mtime_ns, a.st_mode) != (b.st_size, b.st_mtime_ns, b.st_mode)


def _copy_file(source: str, target: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(source, "rb") as reader, open(os.open(target, flags, 0o600), "wb") as writer:
        while chunk := reader.read(_CHUNK):
            writer.write(chunk)
    _copy_attributes(source, target)


def _copy_attributes(source: str, target: str) -> None:
    found = os.stat(source)
    os.chmod(target, stat.S_IMODE(found.st_mode))
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


def remove_at(directory: int | None, name: str) -> None:
    """Remove `name` (below the open `directory`, or a path) with everything below it; nothing there is fine."""
    try:
        found = os.lstat(name, dir_fd=directory)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode):
        os.unlink(name, dir_fd=directory)
        return
    os.chmod(name, 0o700, dir_fd=directory)
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        for child in os.listdir(fd):
            remove_at(fd, child)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=directory)
