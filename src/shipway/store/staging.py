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

    __slots__ = ("_trash", "fd", "path")

    def __init__(self, store: str):
        """Make a fresh one."""
        self._trash = os.path.join(store, layout.TRASH)
        while True:
            self.path = f"{store}/{layout.STAGING}/{clock.boot_id()}-{files.random_name()}"
            files.step("staging:mkdir")
            os.mkdir(self.path, 0o700)
            os.chmod(self.path, 0o700)
            self.fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Between mkdir and flock a sweeper may have taken it for abandoned.
                if os.path.exists(self.path):
                    return
            os.close(self.fd)

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
        if not is_locked(path):
            with contextlib.suppress(FileNotFoundError):
                files.step("staging:sweep")
                put_away(path, os.path.join(store, layout.TRASH, files.random_name()))


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
