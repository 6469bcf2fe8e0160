"""From a project to trees that are there: lock, plan, fetch, build. The way that `build`, `run`, `shell` and `verify` share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import Vanished
from shipway.core.events import Note
from shipway.verbs.context import host_platform
from shipway.verbs.locking import ensure_lock, make_lock
from shipway.verbs.project import read_project, require_locked, require_target

if TYPE_CHECKING:
    from shipway.lock.model import Lock
    from shipway.plan.model import Plan, TreeRequest
    from shipway.store.store import Store
    from shipway.store.tree import Tree
    from shipway.verbs.context import Task
    from shipway.verbs.locking import Freshness
    from shipway.verbs.project import Project

_REPAIRS = 3
"""How often a lock is repaired in one command; what vanishes faster than that is no accident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A project with a lock and the plan of one target."""

    project: Project
    store: Store
    lock: Lock
    freshness: Freshness
    plan: Plan
    requests: tuple[TreeRequest, ...]
    """The trees to have, bottom first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The same with every tree in the store."""

    planned: Planned
    trees: tuple[Tree, ...]
    """In the order of `planned.requests`."""
    built: int
    """How many of them were made now."""


def plan_project(task: Task, *, files: bool, editable: bool = False) -> Planned:
    """Read, lock if need be, and plan. `files`: the image's own copy of the project belongs to it. `editable`: see `check_lock`.

    Raises:
        SpecError, LockStale, NotFound: there is nothing that could be planned.
    """
    from shipway.store.store import Store

    project = read_project(task.directory, task.emit)
    store = Store.open(emit=task.emit)
    target = require_target(project.spec, task.target).name
    lock, freshness = ensure_lock(project, task, store, editable=editable)
    return plan_locked(project, lock, freshness, store=store, target=target, task=task, files=files)


def plan_locked(
    project: Project, lock: Lock, freshness: Freshness, *, store: Store, target: str, task: Task, files: bool
) -> Planned:
    """The plan of one target of `lock`."""
    from shipway.build.recipes import complete_requests
    from shipway.plan.target import plan_target

    platform = task.platform or host_platform()
    require_locked(lock, target, platform)
    plan = plan_target(lock, target, platform)
    requests = complete_requests(plan, project.folder, task.emit, files=files)
    return Planned(project=project, store=store, lock=lock, freshness=freshness, plan=plan, requests=requests)


def build_planned(planned: Planned, task: Task) -> Prepared:
    """Have every tree; with `task.repair`, replace what vanished from the archives in the lock and say so.

    Raises:
        Vanished: a locked artifact is offered nowhere, and nothing may be replaced.
        OfflineError: there is to be no network and something is missing; names all of it, before anything is built.
        ToolError: anything else that a build can meet.
    """
    for _ in range(_REPAIRS):
        try:
            return _build_once(planned, task)
        except Vanished as error:
            if not task.repair:
                raise
            planned = repair_planned(planned, error, task)
    return _build_once(planned, task)


def repair_planned(planned: Planned, error: Vanished, task: Task) -> Planned:
    """Lock again with other versions of only what `error` names."""
    names = package_names(planned.lock, error.names)
    task.emit(Note(f"{error.message}; replacing {', '.join(sorted(names)) or 'it'} in the lock", "warning"))
    lock = make_lock(planned.project, planned.freshness, task, planned.store, upgrade=names)
    files = len(planned.requests) == len(planned.plan.trees)
    for line in describe_changes(planned.lock, lock):
        task.emit(Note(f"lock: {line}", "warning"))
    return plan_locked(
        planned.project,
        lock,
        planned.freshness,
        store=planned.store,
        target=planned.plan.target,
        task=task,
        files=files,
    )


def package_names(lock: Lock, artifacts: tuple[str, ...]) -> frozenset[str]:
    """Names of the packages whose artifacts are called `artifacts` in messages."""
    wanted = set(artifacts)
    debs = {deb.name for deb in lock.debs if f"{deb.name} {deb.version}" in wanted}
    wheels = {wheel.name for wheel in lock.wheels if wheel.filename in wanted}
    sources = {source.name for source in lock.sources if {source.filename, source.id} & wanted}
    return frozenset(debs | wheels | sources)


def describe_changes(old: Lock, new: Lock) -> tuple[str, ...]:
    """Every package that differs between two locks, as `name old -> new`."""
    before = _versions(old)
    after = _versions(new)
    lines = []
    for kind, name in sorted(before.keys() | after.keys()):
        was, now = before.get((kind, name), ""), after.get((kind, name), "")
        if was != now:
            lines.append(f"{kind} {name} {was or '(none)'} -> {now or '(none)'}")
    return tuple(lines)


def _versions(lock: Lock) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], set[str]] = {}
    for kind, packages in (("deb", lock.debs), ("wheel", lock.wheels)):
        for package in packages:
            found.setdefault((kind, package.name), set()).add(package.version)
    for base in lock.bases:
        found.setdefault(("base", f"{base.name} on {base.platform}"), set()).add(base.manifest[:19])
    return {key: ", ".join(sorted(versions)) for key, versions in found.items()}


def _build_once(planned: Planned, task: Task) -> Prepared:
    from shipway.build.builder import build_trees, find_trees

    found = find_trees(planned.store, planned.requests)
    target = planned.lock.target(planned.plan.target, planned.plan.platform)
    base = planned.lock.base_of(target)
    if found is not None and (
        base is None or all(planned.store.find_blob(one.sha256) for one in base.layers)
    ):
        return Prepared(planned=planned, trees=tuple(found), built=0)
    from shipway.verbs.bases import ensure_bases
    from shipway.verbs.locate import open_locate
    from shipway.verbs.workshop import open_fetcher

    if any(use.copy for use in target.data):
        from shipway.verbs.data_trees import bring_copied

        bring_copied(planned.lock, target, planned.project, planned.store, task)
    fetcher = open_fetcher(task)
    locate = open_locate(planned.project, planned.lock, planned.store, fetcher, task)
    ensure_bases(planned.lock, [target], planned.project, task, planned.store)
    if task.offline:
        from shipway.build.needs import require_at_hand

        missing = [request for request in planned.requests if planned.store.find_tree(request.key) is None]
        require_at_hand(planned.lock, target, missing, store=planned.store, locate=locate)
    built = build_trees(
        planned.plan,
        planned.requests,
        lock=planned.lock,
        store=planned.store,
        fetcher=fetcher,
        locate=locate,
        project=planned.project.folder,
        emit=task.emit,
    )
    return Prepared(planned=planned, trees=tuple(built.trees), built=built.made)
