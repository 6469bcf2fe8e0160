"""The private folders of transactions, and what becomes of those whose process is gone.

A folder is named by the boot it was made in, so that nothing half-written before a power loss can be mistaken for work
of a living process; whether one is alive is told by its lock alone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os

from shipway.host import clock, files
from shipway.host.lock import is_locked
from shipway.store import layout

KEY_LOCK = "key-"
"""How the locks of keys being made are called, below `locks`."""


class Area:
    """One transaction's folder, locked as long as the process lives. `fd` is a descriptor of it, opened before any write."""

    __slots__ = ("fd", "path")

    def __init__(self, store: str):
        """Make a fresh one."""
        while True:
            self.path = f"{store}/{layout.STAGING}/{clock.boot_id()}-{files.random_name()}"
            files.step("staging:mkdir")
            os.mkdir(self.path, 0o700)
            fd = _lock_directory(self.path)
            # Before it was locked, a sweeper may have taken it for abandoned.
            if fd is not None and os.path.exists(self.path):
                break
            if fd is not None:
                os.close(fd)
        self.fd = fd

    def close(self) -> None:
        """Remove it with everything in it."""
        try:
            files.remove_tree(self.path)
        finally:
            os.close(self.fd)


def sweep(store: str) -> None:
    """Remove staging folders whose process is gone, and trash that nobody reads any more."""
    sweep_abandoned(store)
    empty_trash(store)


def sweep_abandoned(store: str) -> None:
    """Move staging folders whose process is gone into the trash."""
    folder = os.path.join(store, layout.STAGING)
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        fd = _lock_directory(path)
        if fd is None:
            continue
        # The lock is held while it moves, so that who has just made it sees either the lock or that it is gone.
        try:
            files.step("staging:sweep")
            with contextlib.suppress(FileNotFoundError):
                put_away(path, os.path.join(store, layout.TRASH, files.random_name()))
        finally:
            os.close(fd)


def _lock_directory(path: str) -> int | None:
    """A descriptor of directory `path` that holds its lock; None when another has it, or the directory is gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    return fd


def empty_trash(store: str) -> bool:
    """Delete what was taken away; True if nothing had to stay.

    A batch with a locked file `readers` stays: a container of another user still runs from it.
    """
    folder = os.path.join(store, layout.TRASH)
    clean = True
    for name in os.listdir(folder):
        batch = os.path.join(folder, name)
        if is_locked(os.path.join(batch, "readers")):
            clean = False
        else:
            files.step("trash:delete")
            files.remove_tree(batch)
    return clean


def put_away(path: str, target: str) -> None:
    """Rename `path` into the trash or the quarantine as `target`.

    An overlay file system refuses to rename a directory that came with a lower layer (a store inside a container
    image, say). Then it is deleted where it is, its manifest durably first: what has no manifest is no tree.
    """
    try:
        os.rename(path, target)
    except OSError as problem:
        if problem.errno != errno.EXDEV:
            raise
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(f"{path}/manifest")
            files.fsync_directory(path)
        files.remove_tree(path)
