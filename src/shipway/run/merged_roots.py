"""Environments merged into one folder each, for engines that take a folder and no image. Kept as long as they are used.

A lock file beside each folder is held shared by every run in it, and exclusively by whoever makes or removes it.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from shipway.core.events import Began, Ended
from shipway.host.files import make_directory, remove_tree, translating_disk_errors
from shipway.host.lock import FileLock
from shipway.run.places import root_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipway.core.events import Emit
    from shipway.run.model import Merge, RunRequest

PHASE = "merge"
_KEPT = 2
"""Environments of one project that stay."""
_LOCK = ".lock"


@contextlib.contextmanager
def opened_root(request: RunRequest, state: str, merge: Merge, emit: Emit) -> Iterator[str]:
    """The folder with all that the lowers of `request` show when stacked; it stays while the block lasts.

    Whoever gets it must not write to it: other containers use it too.

    Raises:
        NoSpace: the disk is full.
        StoreError: it cannot be made, or another process makes it for too long.
    """
    folder = root_folder(state, request.project, request.lowers)
    with translating_disk_errors(f"merging the environment at `{folder}`"):
        make_directory(os.path.dirname(folder))
        lock = FileLock(folder + _LOCK, shared=True, emit=emit)
        lock.acquire()
        while not os.path.isdir(folder):
            lock.release()
            with FileLock(folder + _LOCK, emit=emit):
                if not os.path.isdir(folder):
                    _make(request, folder, merge, emit)
            lock.acquire()
        os.utime(folder)
    try:
        yield folder
    finally:
        lock.release()


def _make(request: RunRequest, folder: str, merge: Merge, emit: Emit) -> None:
    _remove_old(folder)
    part = f"{folder}.part"
    remove_tree(part)
    os.mkdir(part, 0o755)
    emit(Began(PHASE))
    merge(request.lowers, part)
    emit(Ended(PHASE))
    os.rename(part, folder)


def _remove_old(folder: str) -> None:
    """Of the project's other folders, let only the last used stay, and those that are in use."""
    base = os.path.dirname(folder)
    with os.scandir(base) as found:
        others = [entry for entry in found if entry.is_dir(follow_symlinks=False)]
    others.sort(key=lambda entry: entry.stat(follow_symlinks=False).st_mtime, reverse=True)
    for entry in others[_KEPT - 1 :]:
        name = entry.path.removesuffix(".part")
        lock = FileLock(name + _LOCK, remove=True)
        if name != folder and lock.try_acquire():
            try:
                remove_tree(entry.path)
            finally:
                lock.release()
