"""What runs now, and what was used when.

A use file is named by the digest of its text: the sorted keys that are used together. Whoever runs from these trees
holds a shared flock on it; its modification time is the last use. Collection spares the keys of a locked one.

Below another user's store nothing can be written. There the lock is on `locks/readers`: who collects moves that very
file into the trash together with the trees, and deletes the batch only when nobody holds the file any more.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Self

from shipway.core.digest import TreeKey
from shipway.core.events import Note
from shipway.core.short_hash import hash_short
from shipway.host import files
from shipway.host.lock import FileLock
from shipway.store import layout
from shipway.store.ready import find_all

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from shipway.store.store import Store
    from shipway.store.tree import Tree


class Use:
    """Trees that are not deleted while this is open, or while a process has inherited `fds`."""

    __slots__ = ("fds", "missing", "trees")

    def __init__(self, fds: tuple[int, ...], trees: tuple[Tree, ...], missing: tuple[TreeKey, ...]):
        """Made by `open_use`."""
        self.fds = fds
        """Descriptors that hold the locks. Close-on-exec; to keep the trees in use across an exec, pass them on."""
        self.trees = trees
        """In the order of the keys; without those in `missing`."""
        self.missing = missing
        """Keys of trees that nobody has: to be built first."""

    def close(self) -> None:
        """End the use. Copies of `fds` in other processes keep it."""
        fds, self.fds = self.fds, ()
        for fd in fds:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_use(store: Store, keys: Sequence[TreeKey]) -> Use:
    """Lock, then look: no collection can come between.

    Raises:
        StoreError: a collection holds the store for too long, or the disk does not answer.
        NoSpace: no room for the mark.
    """
    fds: list[int] = []
    with files.translating_disk_errors(f"use trees of the store `{store.path}`"):
        try:
            with FileLock(f"{store.path}/{layout.STORE_LOCK}", shared=True, emit=store.emit):
                fds.append(_lock_keys(store, keys))
                fds += _lock_lowers(store)
                found = find_all(store, keys)
        except BaseException:
            for fd in fds:
                os.close(fd)
            raise
    missing = tuple(key for key, tree in zip(keys, found, strict=True) if tree is None)
    return Use(tuple(fds), tuple(tree for tree in found if tree is not None), missing)


def _lock_keys(store: Store, keys: Sequence[TreeKey]) -> int:
    text = render_use(keys)
    path = f"{store.path}/{layout.USES}/{hash_short(text)}"
    fd = _open_use(path)
    if fd is None or os.fstat(fd).st_size != len(text):
        # A power loss may have left it torn; nobody can have been using it then.
        if fd is not None:
            os.close(fd)
        files.write_atomic(path, text, durable=False)
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
    except BaseException:
        os.close(fd)
        raise
    store.touch(path)
    return fd


def _open_use(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None


def _lock_lowers(store: Store) -> list[int]:
    """One shared lock for each store below."""
    fds: list[int] = []
    try:
        for lower in store.lowers:
            try:
                with FileLock(f"{lower}/{layout.STORE_LOCK}", shared=True, emit=store.emit):
                    fd = os.open(f"{lower}/{layout.READERS_LOCK}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                    fds.append(fd)
                    fcntl.flock(fd, fcntl.LOCK_SH)
            except OSError as problem:
                reason = os.strerror(problem.errno or 0)
                store.emit(
                    Note(
                        f"the shared store `{lower}` cannot be locked ({reason}): its owner could collect what runs",
                        "warning",
                    )
                )
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise
    return fds


def render_use(keys: Sequence[TreeKey]) -> bytes:
    """The text of a use file."""
    return "".join(f"{key.hex}\n" for key in sorted(set(keys))).encode()


def parse_use(text: bytes, name: str) -> tuple[TreeKey, ...]:
    """The keys in a use file called `name`; none when it is torn."""
    if hash_short(text) != name:
        return ()
    return tuple(TreeKey.from_hex(line) for line in text.decode("ascii").splitlines())
