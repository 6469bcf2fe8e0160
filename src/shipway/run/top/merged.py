"""Environments merged into one folder each, for engines that take a folder and no image. Kept as long as they are used.

A lock file beside each folder is held shared by every run in it, and exclusively by whoever makes or removes it.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.events import Began, Ended
from shipway.host.files import make_directory, remove_tree, translating_disk_errors
from shipway.host.lock import FileLock
from shipway.run.homes import folder_size
from shipway.run.places import root_folder, roots_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipway.core.events import Emit
    from shipway.run.model import Merge, RunRequest

PHASE = "merge"
_KEPT = 2
"""Environments of one project that stay."""
_PLACES = ("dev", "proc", "sys")
"""What is mounted in every container, also in one whose image has no such folder."""
_LOCK, _PART = ".lock", ".part"


@contextlib.contextmanager
def opened_root(request: RunRequest, state: str, merge: Merge, emit: Emit) -> Iterator[str]:
    """The folder with all that the lowers of `request` show when stacked; it stays while the block lasts.

    Whoever gets it must not write to it: other containers use it too.

    Raises:
        NoSpace: the disk is full.
        StoreError: it cannot be made, or another process makes it for too long.
    """
    folder = root_folder(state, request.project, request.lowers)
    with translating_disk_errors(f"merge the environment at `{folder}`"):
        make_directory(os.path.dirname(folder))
        lock = FileLock(folder + _LOCK, shared=True, emit=emit)
        lock.acquire()
        while not os.path.isdir(folder):
            lock.release()
            _make_alone(request, folder, merge, emit)
            lock.acquire()
        os.utime(folder)
    try:
        yield folder
    finally:
        lock.release()


class OldRoot(NamedTuple):
    """A merged environment that nobody has used lately."""

    name: str
    """Of its project and of itself."""
    size: int
    """Bytes of its files."""


def collect_roots(state: str, *, before: float, dry_run: bool = False) -> tuple[OldRoot, ...]:
    """Remove the merged environments last used before `before` (seconds since 1970) that are not in use, and what makers left.

    Raises:
        NoSpace, StoreError: the disk does not answer.
    """
    base = roots_folder(state)
    found = []
    with translating_disk_errors(f"collect what is not used below `{base}`"):
        for path in _folders(base):
            for entry in _folders(path.path):
                if entry.stat(follow_symlinks=False).st_mtime < before:
                    size = folder_size(entry.path)
                    if dry_run or _remove(entry.path):
                        found.append(OldRoot(f"{path.name}/{entry.name}", size))
    return tuple(found)


def _folders(base: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(base) as found:
            return sorted(
                (one for one in found if one.is_dir(follow_symlinks=False)), key=lambda one: one.name
            )
    except FileNotFoundError:
        return []


def _remove(path: str) -> bool:
    """Remove a folder, whole or half made, unless it is in use; whether it is gone."""
    lock = FileLock(path.removesuffix(_PART) + _LOCK, remove=True)
    if not lock.try_acquire():
        return False
    try:
        remove_tree(path)
    finally:
        lock.release()
    return True


def _make_alone(request: RunRequest, folder: str, merge: Merge, emit: Emit) -> None:
    """Make `folder`, or wait until another process has: it goes on to use it, and so the lock is not free before it ends."""
    maker = FileLock(folder + _LOCK, emit=emit)
    if not maker.acquire(between=lambda: os.path.isdir(folder)):
        return
    try:
        if not os.path.isdir(folder):
            _make(request, folder, merge, emit)
    finally:
        maker.release()


def _make(request: RunRequest, folder: str, merge: Merge, emit: Emit) -> None:
    _remove_old(folder)
    part = folder + _PART
    remove_tree(part)
    os.mkdir(part, 0o755)
    emit(Began(PHASE))
    merge(request.lowers, part)
    for name in _PLACES:
        with contextlib.suppress(FileExistsError):
            os.mkdir(f"{part}/{name}", 0o755)
    emit(Ended(PHASE))
    os.rename(part, folder)


def _remove_old(folder: str) -> None:
    """Of the project's other folders, let only the last used stay, and those that are in use."""
    others = [one for one in _folders(os.path.dirname(folder)) if one.path.removesuffix(_PART) != folder]
    others.sort(key=lambda entry: entry.stat(follow_symlinks=False).st_mtime, reverse=True)
    for entry in others[_KEPT - 1 :]:
        _remove(entry.path)
