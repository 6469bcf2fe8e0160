"""Data of a project on this host: what is fetched for a run, and where it is then."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.core.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.core.digest import TreeKey
    from shipway.lock.model import Lock, TargetLock
    from shipway.plan.data import DataPlan
    from shipway.run.model import Mount
    from shipway.store.store import Store
    from shipway.verbs.context import Task


def ensure_data(plans: Sequence[DataPlan], store: Store, task: Task) -> int:
    """Have all of `plans` in the store; returns the bytes that were fetched, as far as sizes are known.

    Raises:
        ToolError: something cannot be had.
    """
    from shipway.build.data_tree import bring_data
    from shipway.resolve.data import data_locations
    from shipway.verbs.workshop import open_fetcher

    return bring_data(
        plans,
        store=store,
        fetcher=open_fetcher(task),
        locate=lambda file: data_locations(file, os.environ),
        emit=task.emit,
    )


def find_missing(plans: Sequence[DataPlan], store: Store) -> tuple[DataPlan, ...]:
    """Those that the store does not have."""
    return tuple(plan for plan in plans if store.find_tree(plan.key) is None)


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
