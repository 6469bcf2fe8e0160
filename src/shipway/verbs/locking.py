"""Is the lock fresh, and if not, make it so: the one way to a lock for every verb that needs one."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shipway.core.errors import LockStale, ToolError
from shipway.core.events import Note
from shipway.core.text import shown
from shipway.verbs.context import LockMode, host_platform
from shipway.verbs.find import LOCK_FILE
from shipway.verbs.project import read_lock

if TYPE_CHECKING:
    from shipway.core.digest import TreeKey
    from shipway.core.events import Emit
    from shipway.lock.model import Lock
    from shipway.resolve.hold import Hold
    from shipway.resolve.lock_spec import LockRequest
    from shipway.store.store import Store
    from shipway.verbs.context import Task
    from shipway.verbs.project import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How a lock stands to its spec."""

    lock: Lock | None
    inputs: TreeKey
    """Deep checksum of what the spec says now."""
    drift: tuple[str, ...]
    """What changed, each as a sentence; empty: the lock is fresh."""


def check_lock(project: Project, *, platforms: tuple[str, ...] = (), editable: bool = False) -> Freshness:
    """Compare the project's lock with its spec, without network. `platforms`: also wanted, whatever the spec says.

    `editable`: sources of local projects may have changed where a run can take them as they are.

    Raises:
        LockFormatError: the lock cannot be read.
    """
    from shipway.resolve.freshness import find_drift, inputs_key
    from shipway.sources.drift import find_source_drift
    from shipway.verbs.editable import is_editable

    key = inputs_key(project.spec, project.texts)
    lock = read_lock(project)
    if lock is None:
        return Freshness(lock=None, inputs=key, drift=(f"there is no `{LOCK_FILE}`",))
    drift = find_drift(project.spec, key, lock)
    drift += find_source_drift(lock, project.folder, is_editable if editable else None)
    if lock.bases:
        from shipway.verbs.bases import find_base_drift

        drift += find_base_drift(lock, project.folder)
    there = {target.platform for target in lock.targets}
    drift += tuple(f"platform `{name}` is not in the lock" for name in platforms if name not in there)
    return Freshness(lock=lock, inputs=key, drift=drift)


def ensure_lock(
    project: Project, task: Task, store: Store, *, editable: bool = False
) -> tuple[Lock, Freshness]:
    """A lock to work with, as `task.mode` allows, and how the one on disk stood. `editable`: see `check_lock`.

    Raises:
        LockStale: it is missing or stale and may not be made.
    """
    wanted = (task.platform,) if task.platform else ()
    platforms = wanted if task.mode is not LockMode.FROZEN else ()
    found = check_lock(project, platforms=platforms, editable=editable)
    if found.lock is not None and (not found.drift or task.mode is LockMode.FROZEN):
        return found.lock, found
    if task.mode not in (LockMode.UPDATE, LockMode.TRIAL):
        raise LockStale(
            f"the lock of `{project.spec.name}` does not match the spec"
            if found.lock
            else f"there is no `{LOCK_FILE}`",
            hints=["run `shipway lock`"],
            detail="\n".join(found.drift) if found.lock else "",
        )
    for sentence in found.drift if found.lock else ():
        task.emit(Note(f"lock: {sentence}"))
    return make_lock(project, found, task, store, upgrade=frozenset()), found


def make_lock(
    project: Project,
    found: Freshness,
    task: Task,
    store: Store,
    *,
    upgrade: frozenset[str] | None,
    platforms: tuple[str, ...] = (),
    hold: Hold | None = None,
    builds: bool = True,
    dry_run: bool = False,
) -> Lock:
    """Resolve the spec and write the lock, unless it is for a dry run. `upgrade`: names that may move; None: all. `hold`: what
    must stay, and not only if it can. `builds`: what has no wheel may be built. Nothing is resolved where only the name changed.
    """
    from shipway.resolve.lock_spec import LockRequest, choose_platforms, resolve_spec
    from shipway.verbs.workshop import open_resolvers

    known = choose_platforms(project.spec, found.lock, host_platform())
    wanted = (*known, *platforms, *((task.platform,) if task.platform else ()))
    request = LockRequest(
        spec=project.spec,
        inputs=found.inputs,
        platforms=tuple(dict.fromkeys(wanted)),
        project=project.folder,
        previous=found.lock,
        upgrade=upgrade,
        hold=hold,
    )
    lock = _renamed(project, found, request) if hold is None else None
    if lock is None:
        resolvers = open_resolvers(project, task, store)
        lock = resolve_spec(request, resolvers if builds else replace(resolvers, make_builder=None))
    if not dry_run and task.mode is not LockMode.TRIAL:
        write_lock(project, lock, task.emit)
    return lock


def _renamed(project: Project, found: Freshness, request: LockRequest) -> Lock | None:
    """The lock as it was but for the name, where nothing else has changed or is to change; else None."""
    from shipway.resolve.freshness import rename_lock

    if found.lock is None or len(found.drift) != 1 or request.upgrade != frozenset():
        return None
    there = {target.platform for target in found.lock.targets}
    return rename_lock(project.spec, project.texts, found.lock) if there >= set(request.platforms) else None


def write_lock(project: Project, lock: Lock, emit: Emit) -> None:
    """Write the project's lock file.

    Raises:
        NoSpace, ToolError: it cannot be written.
    """
    from shipway.host.files import make_directory, translating_disk_errors, write_atomic
    from shipway.lock.render import render_lock

    folder = os.path.dirname(project.lock_path)
    with translating_disk_errors(f"write `{shown(project.lock_path)}`", error=ToolError):
        if project.inferred:
            make_directory(folder)
            write_atomic(os.path.join(folder, "shipway.toml"), project.inferred.encode())
        write_atomic(project.lock_path, render_lock(lock).encode())
    emit(Note(f"wrote `{project.lock_path if project.inferred else LOCK_FILE}`"))
