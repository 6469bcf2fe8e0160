"""Durable writes, renames that never overwrite, removal that never follows a link, and what disks answer.

Every step that changes what a crash would leave behind announces itself by `step(name)`; tests stop the process there.
Imported on every start, so `ctypes` is loaded only by the calls that Python has no wrapper for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

from shipway.core.errors import NoSpace, StoreError, ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEMPORARY_PREFIX = ".tmp-"
"""What unfinished files of `write_atomic` are called; whoever owns the folder sweeps old ones."""

on_step: Callable[[str], None] | None = None
"""A test's hook: called with the name of each durable step before it is done."""

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the kernel answers when a disk or a quota is full."""

_COPY_CHUNK = 1 << 20


def step(name: str) -> None:
    """Announce that `name` is about to be done."""
    if on_step is not None:
        on_step(name)


@contextlib.contextmanager
def translating_disk_errors(what: str, *, error: type[ToolError] = StoreError) -> Iterator[None]:
    """Turn an `OSError` inside into `NoSpace` or `error`, whose message says that `what` failed and why.

    `what` is an infinitive with its object in backticks: "write `/x`".
    """
    try:
        yield
    except OSError as problem:
        raise disk_error(problem, what, error) from problem


def disk_error(problem: OSError, what: str, error: type[ToolError] = StoreError) -> ToolError:
    """The error a person can act on for `problem`."""
    reason = os.strerror(problem.errno) if problem.errno else str(problem)
    message = f"cannot {what}: {reason}"
    if problem.errno in FULL:
        return NoSpace(message, hints=SPACE_HINTS)
    hints = _STORE_HINTS if issubclass(error, StoreError) else _PLACE_HINTS
    hint = hints.get(problem.errno or 0, "run `shipway doctor` to check disks and permissions")
    return error(message, hints=[hint])


SPACE_HINTS = (
    "free space, or run `shipway gc` to drop what no project uses; `df -h` and `df -i` show what is full",
    "or use a larger disk: SHIPWAY_STORE says where the store is, XDG_STATE_HOME where containers and homes are",
)
_PLACE_HINTS = {
    errno.EIO: "the disk reports errors: look at `dmesg`",
    errno.EROFS: "the file system is read-only: name another place",
    errno.EACCES: "let yourself write there, or name another place",
    errno.EPERM: "let yourself write there, or name another place",
    errno.EMFILE: "raise the limit of open files: `ulimit -n 4096`",
    errno.ENFILE: "the whole system is out of file handles: end other programs or raise `fs.file-max`",
    errno.ENAMETOOLONG: "use a shorter path",
}
"""By error, of a place that the caller named."""
_STORE_HINTS = {
    **_PLACE_HINTS,
    errno.EIO: "the disk reports errors: look at `dmesg`, then run `shipway verify`",
    errno.EROFS: "the file system is read-only: set SHIPWAY_STORE to a folder that you can write",
    errno.EACCES: "set SHIPWAY_STORE to a folder that you can write",
    errno.EPERM: "set SHIPWAY_STORE to a folder that you can write",
    errno.ENAMETOOLONG: "use a shorter path for the store (SHIPWAY_STORE)",
}


def make_directory(path: str, mode: int = 0o700) -> None:
    """Make `path` and its missing parents; `path` itself gets exactly `mode`, whatever the umask. There already: left alone."""
    try:
        made = _make(path, mode)
    except FileNotFoundError:
        parent = os.path.dirname(path)
        if not parent:
            raise
        if not os.path.isdir(parent):
            # The XDG base directory rules ask for 0700 on folders that had to be made.
            make_directory(parent, 0o700)
        # Somebody else may have made it between the two looks; `/proc` and its like say once more that they have no room.
        made = _make(path, mode)
    if made:
        os.chmod(path, mode)


def _make(path: str, mode: int) -> bool:
    """Make the folder; False when it is there."""
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
        return False
    return True


def read_kernel(path: str) -> str:
    """The text of a file of the kernel's, such as one of `/proc`; empty where there is none."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""


def write_file(path: str, data: bytes, mode: int = 0o644) -> None:
    """Write a new file at `path`, not durable yet, with exactly `mode`.

    Raises:
        FileExistsError: something is there.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        write_all(fd, data)
        os.fchmod(fd, mode)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte of `data`; one `write` may take fewer."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_atomic(path: str, data: bytes, mode: int = 0o644, *, durable: bool = True) -> None:
    """Put `data` at `path` so that a reader sees the old bytes or the new ones, never a mixture.

    When it returns and `durable` is set, the new bytes survive a power loss.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f"{TEMPORARY_PREFIX}{random_name()}-{name[:80]}")
    step("write-atomic:write")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            write_all(fd, data)
            os.fchmod(fd, mode)
            if durable:
                step("write-atomic:fsync")
                os.fsync(fd)
        finally:
            os.close(fd)
        step("write-atomic:rename")
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if durable:
        step("write-atomic:fsync-directory")
        fsync_directory(folder)


def random_name() -> str:
    """Sixteen hex digits that nobody else has."""
    return os.urandom(8).hex()


def fsync_directory(path: str) -> None:
    """Make the names in directory `path` durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_filesystem(fd: int) -> None:
    """Make everything written to the file system of `fd` durable (syncfs(2)).

    Errors of writes since `fd` was opened are reported, so open it before writing. Linux before 5.8 does not report
    them; there use `fsync_tree` as well (see `sync_reports_errors`).
    """
    from shipway.host import _libc  # noqa: PLC0415 - ctypes only when something was written

    _libc.syncfs(fd)


def sync_reports_errors() -> bool:
    """Whether `sync_filesystem` tells of writes that failed: syncfs(2) says since Linux 5.8.

    There is no way to probe this without a failing disk, so the version decides.
    """
    numbers = os.uname().release.split("-")[0].split(".")
    try:
        return (int(numbers[0]), int(numbers[1])) >= (5, 8)
    except (ValueError, IndexError):
        return False


def fsync_tree(path: str) -> None:
    """Make every file and directory below `path` durable, one by one."""
    for folder, _, names in os.walk(path):
        for name in names:
            file = os.path.join(folder, name)
            if stat.S_ISREG(os.lstat(file).st_mode):
                fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
        fsync_directory(folder)


def start_writeback(fd: int, offset: int = 0, size: int = 0) -> None:
    """Ask the kernel to begin writing pages of `fd` to disk now; a hint that cannot fail (sync_file_range(2))."""
    from shipway.host import _libc  # noqa: PLC0415 - ctypes only when something was written

    _libc.start_writeback(fd, offset, size)


def rename_noreplace(source: str, target: str) -> None:
    """Rename `source` to `target` on one file system, atomically.

    Raises:
        FileExistsError: `target` is there (a directory in the way raises it too).
    """
    from shipway.host import _libc  # noqa: PLC0415 - ctypes only when something was written

    if _libc.renameat2(source, target, _libc.RENAME_NOREPLACE):
        return
    # This file system or kernel has no RENAME_NOREPLACE.
    if stat.S_ISDIR(os.lstat(source).st_mode):
        _rename_directory(source, target)
        return
    os.link(source, target, follow_symlinks=False)
    os.unlink(source)


def _rename_directory(source: str, target: str) -> None:
    """rename(2) replaces an empty directory only; whoever calls never leaves an empty one at a final name."""
    try:
        os.rename(source, target)
    except OSError as problem:
        if problem.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from problem
        raise


def remove_tree(path: str) -> None:
    """Remove `path` and everything below; nothing there is fine.

    Works by directory descriptors, follows no link, opens up directories whose mode forbids it, and survives
    another process removing the same thing.
    """
    from shipway.host import _removal  # noqa: PLC0415 - nothing to remove on the way to a run

    _removal.remove_tree(path)


def reflink_or_copy(source: str, target: str, mode: int) -> bool:
    """Make `target` a new file with the bytes of `source` and `mode`; True if it shares the disk blocks.

    FICLONE is ioctl_ficlone(2); where the file system has none the bytes are copied.
    """
    import fcntl  # noqa: PLC0415 - only where files are copied

    source_fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        target_fd = os.open(
            target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            try:
                fcntl.ioctl(target_fd, _FICLONE, source_fd)
                shared = True
            except OSError as problem:
                if problem.errno in (*FULL, errno.EIO):
                    raise
                shared = False
                _copy_bytes(source_fd, target_fd)
            os.fchmod(target_fd, mode)
        finally:
            os.close(target_fd)
    finally:
        os.close(source_fd)
    return shared


_FICLONE = 0x40049409
"""_IOW(0x94, 9, int), from linux/fs.h; the same number on x86-64 and arm64."""


def _copy_bytes(source: int, target: int) -> None:
    """Copy in the kernel where it can, through memory where it cannot."""
    try:
        while os.copy_file_range(source, target, _COPY_CHUNK * 64):
            pass
    except OSError as problem:
        if problem.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM):
            raise
        while chunk := os.read(source, _COPY_CHUNK):
            write_all(target, chunk)


def free_bytes(path: str) -> int:
    """Bytes that this user may still write on the file system of `path`."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def filesystem_type(path: str) -> str:
    """The kind of file system `path` lies on, as mount(8) names it; `0x…` for a kind this table lacks (statfs(2))."""
    from shipway.host import _libc  # noqa: PLC0415 - ctypes only when something was written

    return _libc.filesystem_type(path)
