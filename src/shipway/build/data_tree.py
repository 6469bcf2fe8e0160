"""Data and weights as trees in the store: fetched file by file, each kept as soon as it is whole."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from shipway.archive.extract import Extractor
from shipway.archive.limits import LIMITS
from shipway.archive.names import refuse
from shipway.archive.stream import Bytes, decompress
from shipway.archive.tar import read_tar
from shipway.archive.zip import ZipReader
from shipway.build.wheel_tree import EPOCH
from shipway.core.digest import key_of
from shipway.core.events import Began, Ended, Note
from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry, Manifest
from shipway.core.text import shown
from shipway.core.units import render_size
from shipway.host.files import translating_disk_errors
from shipway.plan.data import CONTENT, file_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from shipway.archive.tar import TarMember
    from shipway.core.events import Emit
    from shipway.host.http import Fetcher
    from shipway.host.location import Location
    from shipway.lock.model import DataFile
    from shipway.plan.data import DataPlan
    from shipway.store.store import Store
    from shipway.store.tree import Tree

    FindLocations = Callable[[DataFile], Iterable[Location]]

PHASE = "fetch"
_WORKERS = 4
"""Files are large: the line is full with few of them."""
_MODE = 0o644
_MAGIC = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"\xfd7zXZ\0": ".xz"}


def find_data(store: Store, plan: DataPlan) -> Tree | None:
    """What is seen inside, if the store has it."""
    return store.find_tree(plan.key)


def bring_data(
    plans: Sequence[DataPlan], *, store: Store, fetcher: Fetcher, locate: FindLocations, emit: Emit
) -> int:
    """Have the trees of all `plans`; returns how many bytes had to be fetched, as far as sizes are known.

    An interrupted call goes on where it was, within a file as well.

    Raises:
        NotOffered, FetchError, HashMismatch, OfflineError: a file cannot be had.
        HostileInput: an archive breaks the rules.
        NoSpace, StoreError: the disk refuses.
    """
    plans = [plan for plan in plans if find_data(store, plan) is None]
    files = {file.sha256: file for plan in plans for file in plan.files}
    missing = [file for file in files.values() if store.find_tree(key_of(file_inputs(file))) is None]
    total = sum(file.size for file in missing)
    for file in missing:
        if known := store.find_unfinished(file.sha256):
            of = f" of {render_size(file.size)}" if file.size else ""
            emit(Note(f"data: `{shown(file.path)}` goes on at {render_size(known)}{of}"))
    if missing:
        emit(Began(PHASE, items=len(missing), size=total))
        _fetch_all(missing, store, fetcher, locate)
        emit(Ended(PHASE))
    for plan in plans:
        _assemble(plan, store)
    return total


def _fetch_all(missing: list[DataFile], store: Store, fetcher: Fetcher, locate: FindLocations) -> None:
    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="data")
    try:
        largest_first = sorted(missing, key=lambda file: -file.size)
        for future in as_completed(
            [pool.submit(_fetch, file, store, fetcher, locate) for file in largest_first]
        ):
            future.result()
    except BaseException:
        fetcher.stop()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _fetch(file: DataFile, store: Store, fetcher: Fetcher, locate: FindLocations) -> None:
    inputs = file_inputs(file)
    with store.transaction() as tx, tx.single_flight(key_of(inputs)) as found:
        if found is not None:
            return
        staged = tx.stage(file.path)
        path, part = f"{staged.root}/{CONTENT}", tx.unfinished_path(file.sha256)
        fetched = fetcher.fetch(
            locate(file), part, file.sha256, file.size or None, phase=PHASE, name=file.path, keep=True
        )
        with translating_disk_errors(f"write `{path}`"):
            os.rename(part, path)
        _settle(path)
        entry = Entry(CONTENT, FILE, _MODE, mtime=EPOCH, size=fetched.size, digest=file.sha256.hex)
        _settle_root(staged.root)
        tx.add_tree(inputs, staged, Manifest([entry]))
        tx.commit()


def _settle(path: str) -> None:
    os.chmod(path, _MODE)
    os.utime(path, (EPOCH, EPOCH))


def _settle_root(root: str) -> None:
    os.chmod(root, 0o755)  # noqa: S103 - seen inside by everybody
    os.utime(root, (0, 0))


def _assemble(plan: DataPlan, store: Store) -> None:
    if plan.is_file:
        return
    with store.transaction() as tx, tx.single_flight(plan.key) as found:
        if found is not None:
            return
        staged = tx.stage(plan.use.name)
        manifest = (
            _unpack(_content(plan.files[0], store), staged.root, plan.use.name)
            if plan.use.unpack
            else _link_all(plan, staged.root, store)
        )
        tx.add_tree(plan.inputs, staged, manifest)
        tx.commit()


def _content(file: DataFile, store: Store) -> str:
    tree = store.find_tree(key_of(file_inputs(file)))
    assert tree is not None, "fetched just now, and nothing is collected so early"
    return f"{tree.root}/{CONTENT}"


def _link_all(plan: DataPlan, root: str, store: Store) -> Manifest:
    """The files under their names, sharing the bytes of their own trees."""
    entries: dict[str, Entry] = {}
    for file in plan.files:
        for index, char in enumerate(file.path):
            if char == "/" and file.path[:index] not in entries:
                os.mkdir(f"{root}/{file.path[:index]}", 0o755)
                entries[file.path[:index]] = Entry(file.path[:index], DIRECTORY, 0o755, mtime=EPOCH)
        place = f"{root}/{file.path}"
        link_or_copy(_content(file, store), place)
        size = os.stat(place).st_size
        entries[file.path] = Entry(file.path, FILE, _MODE, mtime=EPOCH, size=size, digest=file.sha256.hex)
    for path in sorted((one.path for one in entries.values() if one.kind == DIRECTORY), reverse=True):
        os.chmod(f"{root}/{path}", 0o755)  # noqa: S103 - seen inside by everybody
        os.utime(f"{root}/{path}", (EPOCH, EPOCH))
    _settle_root(root)
    return Manifest(entries.values())


def link_or_copy(source: str, target: str) -> None:
    """`target` with the bytes and times of `source`, the same on disk where the file system allows."""
    try:
        os.link(source, target)
    except OSError:  # a store of others below ours, on another file system or with links protected
        shutil.copyfile(source, target)
        _settle(target)


def _unpack(path: str, root: str, name: str) -> Manifest:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    extractor = Extractor(root_fd, name)
    try:
        if os.pread(fd, 4, 0).startswith(b"PK"):
            archive = ZipReader(fd, name)
            for member in archive.members:
                extractor.file(member.path, archive.read(member), member.mode & 0o111 | _MODE, EPOCH)
        else:
            for entry in _tar_members(fd, name):
                _place(entry, extractor, name)
        return extractor.finish()
    finally:
        extractor.close()
        os.close(root_fd)
        os.close(fd)


def _tar_members(fd: int, name: str) -> Iterator[TarMember]:
    start = os.pread(fd, 8, 0)
    suffix = next((suffix for magic, suffix in _MAGIC.items() if start.startswith(magic)), "")
    size = os.fstat(fd).st_size
    packed = (os.pread(fd, 1 << 18, at) for at in range(0, size, 1 << 18))
    return read_tar(Bytes(decompress("data.tar" + suffix, packed, size, name, LIMITS)), name, LIMITS)


def _place(member: TarMember, extractor: Extractor, name: str) -> None:
    """Owners, times and unusual modes of whoever packed it do not come along."""
    mode = 0o755 if member.kind == DIRECTORY or member.mode & 0o111 else _MODE
    if member.path == ".":
        return
    if member.kind == DIRECTORY:
        extractor.directory(member.path, mode, EPOCH)
    elif member.kind == FILE:
        extractor.file(member.path, member.content, mode, EPOCH)
    elif member.kind == SYMLINK:
        extractor.symlink(member.path, member.target, EPOCH)
    elif member.kind == HARDLINK:
        extractor.hardlink(member.path, member.target)
    else:
        raise refuse(name, member.raw, "is a device, a FIFO or a socket")
