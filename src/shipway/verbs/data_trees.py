"""Data of a project on this host: what is fetched for a run, and where it is then."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.core.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipway.build.vendor import Vendor
    from shipway.core.digest import TreeKey
    from shipway.host.location import Location
    from shipway.lock.model import DataFile, Lock, TargetLock
    from shipway.plan.data import DataPlan
    from shipway.run.model import Mount
    from shipway.store.store import Store
    from shipway.verbs.context import Task
    from shipway.verbs.project import Project


_MOST = 200_000
"""Files of a folder that are counted; beyond that its size is a lower bound."""
_LARGE = 1 << 30
"""Bytes of copied data from which on it is a warning."""


def ensure_data(plans: Sequence[DataPlan], project: Project, store: Store, task: Task) -> int:
    """Have all of `plans` in the store, from what was collected first; returns the bytes that were fetched, if known.

    Raises:
        ToolError: something cannot be had.
    """
    from shipway.build.data_tree import bring_data
    from shipway.resolve.data import data_locations
    from shipway.verbs.locate import find_vendor
    from shipway.verbs.workshop import open_fetcher

    plans = find_missing(plans, store)
    vendor = find_vendor(project, task) if plans else None
    if task.offline:
        _require_at_hand(plans, vendor, store)

    def locate(file: DataFile) -> Iterator[Location]:
        if vendor is not None and (place := vendor.find(file)):
            yield place
        yield from data_locations(file, os.environ)

    return bring_data(plans, store=store, fetcher=open_fetcher(task), locate=locate, emit=task.emit)


def _require_at_hand(plans: Sequence[DataPlan], vendor: Vendor | None, store: Store) -> None:
    from shipway.build.collect import find_known
    from shipway.build.needs import missing_offline

    missing = [
        f"{plan.use.name}: {file.path}"
        for plan in plans
        for file in plan.files
        if find_known(file, store) is None
        and not file.source.startswith("file:")
        and (vendor is None or vendor.find(file) is None)
    ]
    if missing:
        raise missing_offline(missing)


def bring_copied(lock: Lock, target: TargetLock, project: Project, store: Store, task: Task) -> None:
    """Have the data that become part of the image, and say how large they make it.

    Raises:
        ToolError: they cannot be had.
    """
    from shipway.core.events import Note
    from shipway.core.units import render_size
    from shipway.plan.data import plan_data
    from shipway.verbs.run_options import absolute_source

    plans = tuple(plan for plan in plan_data(lock, target) if plan.use.copy)
    sizes = [(plan.use.name, plan.size, "") for plan in plans]
    for use in target.data:
        if use.copy and use.folder:
            path = absolute_source(use.folder, project.folder)
            size, at_least = measure(path) if os.path.exists(path) else (0, False)
            sizes.append((use.name, size, "at least " if at_least else ""))
    for name, size, bound in sizes:
        much = f"{bound}{render_size(size)} of" if size else "a copy of unknown size of"
        text = f"data: the image holds {much} `{name}`, for the spec wants them copied"
        if size < _LARGE:
            task.emit(Note(text))
        else:
            more = '; every push and pull carries them: `how = "mount"` keeps them out'
            task.emit(Note(text + more, "warning"))
    ensure_data(plans, project, store, task)


def measure(path: str) -> tuple[int, bool]:
    """Bytes of all files, links not followed; and whether the count was given up."""
    if not os.path.isdir(path):
        return os.stat(path).st_size, False
    total = count = 0
    for folder, _, names in os.walk(path):
        for name in names:
            count += 1
            if count > _MOST:
                return total, True
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:
                continue
    return total, False


def find_missing(plans: Sequence[DataPlan], store: Store) -> tuple[DataPlan, ...]:
    """Those that the store does not have."""
    return tuple(plan for plan in plans if store.find_tree(plan.key) is None)


def tell_trouble(project: Project, target: str, task: Task) -> None:
    """Tell which folders of the spec's data the caller cannot use, and what would change that."""
    from shipway.core.events import Note
    from shipway.verbs.data_access import explain_access
    from shipway.verbs.run_options import absolute_source

    for one in project.spec.target(target).data:
        if one.folder:
            path = absolute_source(one.folder, project.folder)
            trouble = explain_access(path, write=not (one.read_only or one.copy))
            if trouble:
                task.emit(Note(f"data: `{one.name}`: {trouble}", "warning"))


def data_keys(lock: Lock, target: TargetLock) -> tuple[TreeKey, ...]:
    """What a project needs of the store for its data."""
    from shipway.plan.data import plan_data

    return tuple(plan.key for plan in plan_data(lock, target))


def data_mounts(lock: Lock, target: TargetLock, store: Store) -> tuple[Mount, ...] | None:
    """What is mounted of fetched data; None when some is not here."""
    from shipway.plan.data import CONTENT, plan_data
    from shipway.run.model import Mount

    mounts = []
    for plan in plan_data(lock, target):
        if plan.use.copy:
            continue
        tree = store.find_tree(plan.key)
        if tree is None:
            return None
        source = f"{tree.root}/{CONTENT}" if plan.is_file else tree.root
        mounts.append(Mount(source, plan.use.target, read_only=True))
    return tuple(mounts)


def require_mounts(lock: Lock, target: TargetLock, store: Store) -> tuple[Mount, ...]:
    """As `data_mounts`, of data that were just brought.

    Raises:
        SpecError: they are gone again.
    """
    mounts = data_mounts(lock, target, store)
    if mounts is None:
        raise SpecError("data of the spec are not here", hints=["run `shipway data fetch`"])
    return mounts
