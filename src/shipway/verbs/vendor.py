"""`vendor` and `bundle`: everything that a lock names, in a folder or in one file, for builds without network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, ToolError
from shipway.core.text import shown
from shipway.verbs.bases import ensure_bases
from shipway.verbs.locking import ensure_lock
from shipway.verbs.own_output import warn_of_image
from shipway.verbs.project import read_project, require_locked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.build.collect import Collected, Supply
    from shipway.build.context import Artifact
    from shipway.lock.model import Lock, TargetLock
    from shipway.verbs.context import Task
    from shipway.verbs.project import Project

_LARGE = 1 << 30
"""Bytes of data from which on they are a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorItem:
    """One artifact."""

    kind: str
    """`base`, `data`, `deb`, `wheel`, `sdist`, `git`, `python`."""
    name: str
    member: str
    """Its path below the folder, and its name in a bundle."""
    size: int
    """Bytes; 0 where nobody knows before it is fetched."""
    new: bool
    """Brought now: it was not in the folder, or for a bundle not in the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorResult:
    """What was collected, or would be."""

    path: str
    name: str
    """Of the project."""
    targets: tuple[str, ...]
    """`NAME PLATFORM` of each."""
    items: tuple[VendorItem, ...]
    dry_run: bool
    unpinned: tuple[str, ...] = ()
    """Build commands that want the network themselves: nothing can be collected for them."""

    @property
    def size(self) -> int:
        """Bytes of everything."""
        return sum(item.size for item in self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    project: Project
    lock: Lock
    supply: Supply
    artifacts: tuple[Artifact, ...]
    locked: tuple[TargetLock, ...]
    unpinned: tuple[str, ...]


def run_vendor(folder: str, task: Task, *, dry_run: bool = False, data: bool = True) -> VendorResult:
    """Have every artifact of the lock in `folder`; empty: the one that the spec names. `data`: what `[data]` fetches, too.

    Raises:
        Vanished, OfflineError: some cannot be had; names all of them, with everything else in place.
        ToolError: no folder is named, it holds something else, or it cannot be written.
    """
    from shipway.build.collect import collect_artifacts, render_index
    from shipway.core.ignore import VENDOR_INDEX
    from shipway.host.files import translating_disk_errors, write_atomic

    project = read_project(task.directory, task.emit)
    folder = folder or (os.path.join(project.folder, project.spec.vendor) if project.spec.vendor else "")
    if not folder:
        raise ToolError(
            "no folder is named for what is collected",
            hints=["run `shipway vendor DIR`, or write `vendor` into the spec"],
            code=ExitCode.USAGE,
        )
    wanted = _read_wanted(project, task, folder, borrow=False, data=data)
    if dry_run:
        return _would(wanted, folder)
    ensure_bases(wanted.lock, wanted.locked, project, task, wanted.supply.store)
    collected = collect_artifacts(wanted.artifacts, folder, wanted.supply)
    with translating_disk_errors(f"write `{shown(folder)}`", error=ToolError):
        write_atomic(os.path.join(folder, VENDOR_INDEX), render_index(wanted.lock.name, collected))
    return _result(wanted, folder, collected)


def run_bundle(path: str, task: Task, *, dry_run: bool = False, data: bool = True) -> VendorResult:
    """Write every artifact of the lock to one file at `path`. What was fetched stays in `PATH.parts` until that is done.

    `data`: what `[data]` fetches, too.

    Raises:
        Vanished, OfflineError, ToolError: as `run_vendor`.
    """
    from shipway.build.collect import collect_artifacts, render_index, require_room, write_bundle
    from shipway.host.files import remove_tree

    project = read_project(task.directory, task.emit)
    if os.path.isdir(path):
        raise ToolError(
            f"`{shown(path)}` is a folder",
            hints=["name a file, or use `shipway vendor DIR`"],
            code=ExitCode.USAGE,
        )
    wanted = _read_wanted(project, task, path, borrow=True, data=data)
    require_room(wanted.artifacts)
    if dry_run:
        return _would(wanted, path)
    ensure_bases(wanted.lock, wanted.locked, project, task, wanted.supply.store)
    parts = f"{path}.parts"
    collected = collect_artifacts(wanted.artifacts, parts, wanted.supply)
    write_bundle(path, render_index(wanted.lock.name, collected), collected)
    remove_tree(parts)
    # A folder says by its index that it is no part of the project; a file can only be ignored.
    choices = [(target.include, target.ignore) for target in wanted.lock.targets]
    warn_of_image(path, wanted.project.folder, choices, task.emit)
    return _result(wanted, path, collected)


def _read_wanted(project: Project, task: Task, path: str, *, borrow: bool, data: bool) -> _Wanted:
    from shipway.build.collect import Supply
    from shipway.build.needs import list_artifacts
    from shipway.build.vendor import member_of
    from shipway.plan.target import plan_target
    from shipway.store.store import Store
    from shipway.verbs.locate import open_locate
    from shipway.verbs.workshop import open_fetcher

    store = Store.open(emit=task.emit)
    lock, _ = ensure_lock(project, task, store)
    targets = [
        target
        for target in lock.targets
        if task.target in ("", target.name) and task.platform in ("", target.platform)
    ]
    if not targets:
        targets = [require_locked(lock, task.target or project.spec.default_target, task.platform)]
    artifacts: dict[str, Artifact] = {}
    for target in targets:
        plan = plan_target(lock, target.name, target.platform)
        artifacts.update((member_of(one), one) for one in list_artifacts(lock, target, plan.trees))
    if data:
        artifacts |= _data_of(lock, targets, task)
    fetcher = open_fetcher(task)
    return _Wanted(
        project=project,
        lock=lock,
        supply=Supply(
            store, fetcher, open_locate(project, lock, store, fetcher, task, but_not=path), task.emit, borrow
        ),
        artifacts=tuple(artifacts.values()),
        locked=tuple(targets),
        unpinned=tuple(
            dict.fromkeys(" ".join(one.argv) for target in targets for one in target.build if one.network)
        ),
    )


def _data_of(lock: Lock, targets: Sequence[TargetLock], task: Task) -> dict[str, Artifact]:
    """The files of data that runs and images of `targets` need, and how large they are said."""
    from shipway.build.vendor import member_of
    from shipway.core.events import Note
    from shipway.core.units import render_size
    from shipway.plan.data import plan_data

    found = {
        member_of(file): file for target in targets for plan in plan_data(lock, target) for file in plan.files
    }
    if found:
        size = sum(file.size for file in found.values())
        count = f"{len(found)} file{'s' if len(found) > 1 else ''}"
        text = f"data come along: {count}, {render_size(size)}; `--no-data` leaves them out"
        task.emit(Note(text, "warning" if size >= _LARGE else "info"))
    return dict(found)


def _would(wanted: _Wanted, path: str) -> VendorResult:
    from shipway.build.artifacts import name_of_artifact
    from shipway.build.collect import find_known, kind_of
    from shipway.build.vendor import member_of

    def is_there(artifact: Artifact) -> bool:
        if wanted.supply.borrow:
            return find_known(artifact, wanted.supply.store) is not None
        return os.path.exists(os.path.join(path, member_of(artifact)))

    items = [
        VendorItem(
            kind=kind_of(one),
            name=name_of_artifact(one),
            member=member_of(one),
            size=one.size,
            new=not is_there(one),
        )
        for one in wanted.artifacts
    ]
    items.sort(key=lambda item: (item.kind, item.name, item.member))
    return _made(wanted, path, items, dry_run=True)


def _result(wanted: _Wanted, path: str, collected: Sequence[Collected]) -> VendorResult:
    items = [
        VendorItem(kind=one.kind, name=one.name, member=one.member, size=one.size, new=one.fetched)
        for one in collected
    ]
    return _made(wanted, path, items, dry_run=False)


def _made(wanted: _Wanted, path: str, items: Sequence[VendorItem], *, dry_run: bool) -> VendorResult:
    return VendorResult(
        path=path,
        name=wanted.lock.name,
        targets=tuple(f"{target.name} {target.platform}" for target in wanted.locked),
        items=tuple(items),
        dry_run=dry_run,
        unpinned=wanted.unpinned,
    )
