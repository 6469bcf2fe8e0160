"""`lock`: choose everything by hash; or check, upgrade, repair what was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, LockStale
from shipway.verbs.locking import check_lock, make_lock, write_lock
from shipway.verbs.prepare import describe_changes
from shipway.verbs.project import read_project

if TYPE_CHECKING:
    from shipway.lock.model import Lock
    from shipway.verbs.context import Task
    from shipway.verbs.locking import Freshness
    from shipway.verbs.project import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRequest:
    """What to do with the lock."""

    check: bool = False
    upgrade: tuple[str, ...] | None = None
    """Names that may move; empty: all; None: only what must."""
    repair: bool = False
    platforms: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LockResult:
    """What became of the lock."""

    path: str
    state: str
    """`fresh`, `stale`, `written`, `unwritten` (a dry run)."""
    drift: tuple[str, ...]
    changes: tuple[str, ...]
    """Packages that moved, `wheel numpy 1.26.4 -> 2.0.0`."""
    targets: tuple[tuple[str, str, int, int], ...]
    """Name, platform, OS packages, Python packages."""

    @property
    def code(self) -> ExitCode:
        """`LOCK_STALE` when it was only checked and is stale."""
        return ExitCode.LOCK_STALE if self.state == "stale" else ExitCode.OK


def run_lock(request: LockRequest, task: Task) -> LockResult:
    """Do it.

    Raises:
        ConflictError, NotFound, FetchError, …: the lock cannot be made; the one that was there stays.
    """
    project = read_project(task.directory, task.emit)
    found = check_lock(project, platforms=request.platforms)
    if request.check:
        return _result(project, found, found.lock, "stale" if found.drift else "fresh")
    if request.repair:
        return _repair(request, project, found, task)
    if not found.drift and request.upgrade is None:
        return _result(project, found, found.lock, "fresh")
    from shipway.store.store import Store

    upgrade = None if request.upgrade == () else frozenset(request.upgrade or ())
    lock = make_lock(
        project,
        found,
        task,
        Store.open(emit=task.emit),
        upgrade=upgrade,
        platforms=request.platforms,
        dry_run=request.dry_run,
    )
    return _result(project, found, lock, "unwritten" if request.dry_run else "written")


def _repair(request: LockRequest, project: Project, found: Freshness, task: Task) -> LockResult:
    from shipway.store.store import Store
    from shipway.verbs.vanished import find_vanished

    if found.lock is None:
        raise LockStale("there is no lock to repair", hints=["run `shipway lock`"])
    store = Store.open(emit=task.emit)
    names = find_vanished(project, found.lock, store, task)
    if not names:
        return _result(project, found, found.lock, "fresh")
    lock = make_lock(project, found, task, store, upgrade=names, dry_run=True)
    if not request.dry_run:
        write_lock(project, lock, task.emit)
    return _result(project, found, lock, "unwritten" if request.dry_run else "written")


def _result(project: Project, found: Freshness, lock: Lock | None, state: str) -> LockResult:
    changes = describe_changes(found.lock, lock) if found.lock and lock and lock is not found.lock else ()
    return LockResult(
        path=project.lock_path,
        state=state,
        drift=found.drift,
        changes=changes,
        targets=tuple(
            (target.name, target.platform, len(target.debs), len(target.wheels))
            for target in (lock.targets if lock else ())
        ),
    )
