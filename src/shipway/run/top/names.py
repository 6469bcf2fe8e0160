"""The writable top of a container: a folder that is thrown away with it, or one that is kept by name.

Each has a lock file beside it, held as long as the container lives and taken before the folder is made. So whoever gets
the lock of a folder that exists has found a leftover of a killed process, and removes it.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.digest import key_of
from shipway.core.errors import EngineError, NotFound
from shipway.core.events import Note, silent
from shipway.core.text import shown
from shipway.host.files import (
    filesystem_type,
    make_directory,
    random_name,
    remove_tree,
    translating_disk_errors,
    write_atomic,
)
from shipway.host.lock import FileLock, describe_holders
from shipway.run.homes import folder_size
from shipway.run.model import Top
from shipway.run.places import kept_folder, runs_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shipway.core.events import Emit
    from shipway.run.model import RunRequest

_UPPERS = frozenset({"ext4", "xfs", "btrfs", "tmpfs", "zfs", "f2fs", "bcachefs"})
"""File systems that overlayfs can write to. Network, FUSE and stacked ones are not among them."""
_RECORD = "kept.json"
_LOCK = ".lock"


class TopFolders(NamedTuple):
    """Host folders of one container."""

    run: str
    """Removed when the container ends."""
    upper: str = ""
    """Empty: memory, thrown away."""
    work: str = ""

    @property
    def scratch(self) -> str:
        """What is /tmp inside: on disk, for installers unpack gigabytes there."""
        return f"{self.run}/scratch"

    @property
    def over(self) -> str:
        """A lower above the others, for folders that must be the caller's."""
        return f"{self.run}/over"


class Kept(NamedTuple):
    """One kept top."""

    name: str
    path: str
    size: int
    target: str
    in_use: bool


def example_folders(request: RunRequest) -> TopFolders:
    """Stand-ins for folders that `opened_top` would make, for people to read."""
    if request.top is Top.READ_ONLY or request.merged_root:
        return TopFolders("RUN")
    base = "KEPT" if request.top is Top.KEPT else "RUN"
    return TopFolders("RUN", f"{base}/upper", f"{base}/work")


@contextlib.contextmanager
def opened_top(request: RunRequest, state: str, emit: Emit = silent) -> Iterator[TopFolders]:
    """Folders for one container, removed when the block ends (what is kept stays).

    Raises:
        EngineError: the kept top is in use, or the file system can hold none.
        NoSpace: the disk is full.
    """
    with opened_run(state) as run, contextlib.ExitStack() as stack:
        with translating_disk_errors(f"make the folders of a run below `{state}`"):
            folders = _choose_upper(request, state, run, stack, emit)
            _make_folder(folders.scratch, 0o1777)
            for path in filter(None, (folders.upper, folders.work)):
                # Whoever looks at `/` inside sees the mode of the upper folder.
                _make_folder(path, 0o755)
        yield folders


def lasting_folders(request: RunRequest, folder: str, emit: Emit = silent) -> TopFolders:
    """The folders of a container that lives on, all in its own `folder`; made when they are not there.

    Raises:
        NoSpace, StoreError: they cannot be made.
    """
    folders = TopFolders(folder, f"{folder}/upper", f"{folder}/work")
    if request.top is Top.READ_ONLY:
        folders = TopFolders(folder)
    elif (kind := filesystem_type(folder)) not in _UPPERS:
        text = f"`{folder}` lies on {kind}, so what the container writes stays in memory, and goes when it is stopped"
        emit(Note(text, "warning"))
        folders = TopFolders(folder)
    with translating_disk_errors(f"make the folders of a container below `{folder}`"):
        _make_folder(folders.scratch, 0o1777)
        for path in filter(None, (folders.upper, folders.work)):
            _make_folder(path, 0o755)
    return folders


@contextlib.contextmanager
def opened_run(state: str) -> Iterator[str]:
    """An empty folder for one container, removed when the block ends.

    Raises:
        NoSpace: the disk is full.
    """
    run = runs_folder(state, f"{os.getpid()}-{random_name()}")
    with contextlib.ExitStack() as stack:
        with translating_disk_errors(f"make the folders of a run below `{state}`"):
            make_directory(runs_folder(state))
            stack.enter_context(FileLock(run + _LOCK, remove=True))
            stack.callback(remove_tree, run)
            os.mkdir(run, 0o700)
        yield run


def _choose_upper(
    request: RunRequest, state: str, run: str, stack: contextlib.ExitStack, emit: Emit
) -> TopFolders:
    if request.top is Top.READ_ONLY or request.merged_root:
        return TopFolders(run)
    kind = filesystem_type(run)
    if kind in _UPPERS:
        base = _take_kept(request, state, stack, emit) if request.top is Top.KEPT else run
        return TopFolders(run, f"{base}/upper", f"{base}/work")
    if request.top is Top.KEPT:
        raise EngineError(
            f"nothing can be kept on the file system of `{state}` ({kind})",
            hints=("set XDG_STATE_HOME to a folder on a local disk",),
        )
    emit(
        Note(
            f"`{state}` lies on {kind}, so what the container writes stays in memory, half of it at most",
            "warning",
        )
    )
    return TopFolders(run)


def _take_kept(request: RunRequest, state: str, stack: contextlib.ExitStack, emit: Emit) -> str:
    folder = kept_folder(state, request.project, request.keep)
    make_directory(kept_folder(state, request.project))
    lock = FileLock(folder + _LOCK)
    if not lock.try_acquire():
        raise EngineError(
            f"`{request.keep}` is in use by {describe_holders(lock.path)}",
            hints=("wait for it to end", "keep this run under another name"),
        )
    stack.callback(lock.release)
    make_directory(folder)
    built = _built_key(request.lowers)
    record = _read_record(folder)
    if record.get("built", built) != built:
        emit(
            Note(
                f"the environment has changed since `{request.keep}` was kept; what is kept may not fit it",
                "warning",
            )
        )
    value = {"built": built, "target": request.target, "project": request.project}
    if record != value:
        write_atomic(f"{folder}/{_RECORD}", json.dumps(value).encode(), 0o600, durable=False)
    return folder


def _built_key(lowers: Sequence[str]) -> str:
    return key_of({"lowers": list(lowers)}).hex


def is_of_other_lowers(folder: str, lowers: Sequence[str]) -> bool:
    """Whether what is kept in `folder` was last used over other trees than `lowers` (the top one first)."""
    built = _built_key(lowers)
    return _read_record(folder).get("built", built) != built


def _read_record(folder: str) -> dict[str, str]:
    try:
        with open(f"{folder}/{_RECORD}", encoding="utf-8") as file:
            value = json.load(file)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def list_kept(state: str, project: str) -> tuple[Kept, ...]:
    """The tops kept of `project`, by name."""
    base = kept_folder(state, project)
    try:
        with os.scandir(base) as found:
            names = sorted(entry.name for entry in found if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return ()
    return tuple(_read_kept(f"{base}/{name}", name) for name in names)


def _read_kept(folder: str, name: str) -> Kept:
    lock = FileLock(folder + _LOCK)
    free = lock.try_acquire()
    lock.release()
    return Kept(
        name, folder, folder_size(f"{folder}/upper"), str(_read_record(folder).get("target", "")), not free
    )


def not_kept(name: str, there: Iterable[Kept]) -> NotFound:
    """The error that nothing is kept under `name`, beside what is."""
    names = ", ".join(f"`{shown(kept.name)}`" for kept in there)
    hint = f"there are {names}" if names else "`shipway shell --keep NAME` keeps what a container writes"
    return NotFound(f"nothing is kept under `{shown(name)}`", hints=(hint,))


def remove_kept(state: str, project: str, name: str, *, dry_run: bool = False) -> int:
    """Remove what is kept under `name`, or with `dry_run` only see that it can be; the bytes of its files.

    Raises:
        NotFound: nothing is.
        EngineError: a container uses it.
    """
    folder = kept_folder(state, project, name)
    if "/" in name or name in (".", "..") or not os.path.isdir(folder):
        raise not_kept(name, list_kept(state, project))
    lock = FileLock(folder + _LOCK, remove=True)
    if not lock.try_acquire():
        raise EngineError(
            f"`{name}` is in use by {describe_holders(lock.path)}", hints=("wait for it to end",)
        )
    try:
        size = folder_size(f"{folder}/upper")
        if not dry_run:
            with translating_disk_errors(f"remove `{folder}`"):
                remove_tree(folder)
    finally:
        lock.release()
    return size


def sweep_runs(state: str) -> tuple[str, ...]:
    """Remove what killed runs have left, and return the folders. Runs that live are untouched."""
    try:
        names = os.listdir(runs_folder(state))
    except FileNotFoundError:
        return ()
    swept = []
    for name in names:
        path = runs_folder(state, name.removesuffix(_LOCK))
        lock = FileLock(path + _LOCK, remove=True)
        if path in swept or not lock.try_acquire():
            continue
        try:
            remove_tree(path)
        finally:
            lock.release()
        swept.append(path)
    return tuple(swept)


def _make_folder(path: str, mode: int) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(path)
        # The umask must not decide.
        os.chmod(path, mode)
