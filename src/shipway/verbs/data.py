"""`data`: what a project declares of data and weights, and the volumes of this user."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import ExitCode, NotFound, ToolError
from shipway.core.text import shown
from shipway.verbs.context import host_platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipway.core.digest import TreeKey
    from shipway.core.events import Emit
    from shipway.lock.model import Lock, TargetLock
    from shipway.plan.data import DataPlan
    from shipway.spec.model import DataSource
    from shipway.store.store import Store
    from shipway.verbs.context import Task
    from shipway.verbs.project import Project


class DataItem(NamedTuple):
    """One name of `[data]`, or a volume that this project does not name."""

    name: str
    kind: str
    """`folder`, `volume`, `url`, `hub`."""
    source: str
    target: str
    """Empty for a volume of others."""
    how: str
    size: int
    """Bytes; 0: not known, or nothing there."""
    at_least: bool
    """There is more than was counted."""
    state: str
    """`here`, `absent`, `not locked`, `not readable`, `not writable`, `damaged`."""
    path: str
    """On the host, when it is here."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataResult:
    """What there is, or what was done."""

    verb: str
    """`list`, `fetch`, `verify`, `rm`."""
    items: tuple[DataItem, ...]
    size: int = 0
    """Bytes fetched or freed, or to be."""
    dry_run: bool = False

    @property
    def code(self) -> ExitCode:
        """`VERIFY` when something is damaged."""
        return ExitCode.VERIFY if any(item.state == "damaged" for item in self.items) else ExitCode.OK


class _View(NamedTuple):
    """One target of a project, with its lock as far as there is one."""

    project: Project
    data: tuple[DataSource, ...]
    store: Store
    lock: Lock | None
    locked: TargetLock | None

    def plans(self) -> dict[str, DataPlan]:
        from shipway.plan.data import plan_data

        return (
            {plan.use.name: plan for plan in plan_data(self.lock, self.locked)}
            if self.lock and self.locked
            else {}
        )


def list_data(task: Task) -> DataResult:
    """Everything that the target declares, then volumes that it does not name. Asks no server and writes nothing."""
    from shipway.verbs.find import has_spec

    items: list[DataItem] = []
    if has_spec(task.directory or "."):
        view = _view(task)
        plans = view.plans()
        items = [_item(one, view, plans.get(one.name)) for one in view.data]
    named = {item.source for item in items if item.kind == "volume"}
    items += [_volume(name) for name in _volume_names() if name not in named]
    return DataResult(verb="list", items=tuple(items))


def fetch_data(names: Sequence[str], task: Task, *, dry_run: bool = False) -> DataResult:
    """Have what is fetched, of these names or all, in the store, and pin it. Locks what is not locked.

    Raises:
        NotFound: the target declares no such data, or a server does not have them.
        ToolError: they cannot be had.
    """
    from shipway.verbs.data_trees import ensure_data
    from shipway.verbs.locking import ensure_lock
    from shipway.verbs.project import require_locked

    view = _view(task)
    wanted = _named(view.data, names)
    lock, _ = ensure_lock(view.project, task, view.store)
    locked = require_locked(lock, _target_name(view.project, task), task.platform or host_platform())
    view = view._replace(lock=lock, locked=locked)
    plans = view.plans()
    chosen = [plans[one.name] for one in wanted if one.name in plans]
    missing = [plan for plan in chosen if view.store.find_tree(plan.key) is None]
    size = sum(plan.size for plan in missing)
    if not dry_run:
        say_size(missing, task.emit)
        ensure_data(chosen, view.project, view.store, task)
        _pin(view, [plan.key for plan in plans.values()])
    items = tuple(_item(one, view, plans.get(one.name)) for one in wanted)
    return DataResult(verb="fetch", items=items, size=size, dry_run=dry_run)


def _pin(view: _View, keys: list[TreeKey]) -> None:
    """Keep what was fetched from collection, beside what the target needs anyway; the next build says it anew."""
    from shipway.core.digest import LockDigest
    from shipway.lock.render import render_lock

    assert view.lock is not None
    assert view.locked is not None
    label = f"{view.locked.name} {view.locked.platform}"
    folder = view.project.folder
    now = next((one for one in view.store.pins() if (one.project, one.target) == (folder, label)), None)
    view.store.pin(
        folder,
        (*(now.keys if now else ()), *keys),
        LockDigest.of(render_lock(view.lock).encode()),
        target=label,
        blobs=now.blobs if now else (),
    )


def say_size(plans: Iterable[DataPlan], emit: Emit) -> None:
    """Tell what is about to be fetched, and how much."""
    from shipway.core.events import Note
    from shipway.core.units import render_size

    for plan in plans:
        count = f"{len(plan.files)} file{'s' if len(plan.files) > 1 else ''}"
        size = render_size(plan.size) if plan.size else "of unknown size"
        emit(Note(f"data: `{plan.use.name}` is fetched: {count}, {size}"))


def verify_data(names: Sequence[str], task: Task) -> DataResult:
    """Read every byte of what was fetched, and try folders.

    Raises:
        NotFound: the target declares no such data.
    """
    from shipway.store.verify import check_tree

    view = _view(task)
    plans = view.plans()
    items = []
    for one in _named(view.data, names):
        plan = plans.get(one.name)
        item = _item(one, view, plan)
        tree = view.store.find_tree(plan.key) if plan else None
        faults = check_tree(tree.path, tree.id.hex) if tree else []
        if faults:
            first = faults[0]
            where = f" `{shown(first.path)}`" if first.path else ""
            item = item._replace(
                state="damaged",
                note=f"{first.problem}{where}: `shipway verify --repair` takes it out, and the next run fetches it again",
            )
        items.append(item)
    return DataResult(verb="verify", items=tuple(items))


def remove_volumes(names: Sequence[str], *, dry_run: bool = False) -> DataResult:
    """Delete volumes and what is in them, for good.

    Raises:
        NotFound: there is no such volume.
        ToolError: a container that runs uses it.
    """
    from shipway.host.dirs import state_dir
    from shipway.host.files import remove_tree, translating_disk_errors
    from shipway.run.places import volume_folder

    there = _volume_names()
    for name in names:
        if name not in there:
            raise NotFound(
                f"there is no volume `{shown(name)}`",
                hints=[
                    f"there are: {', '.join(there)}" if there else "there are none",
                    "what was fetched goes by `shipway gc`, when no spec names it any more",
                ],
            )
        _require_unused(volume_folder(state_dir(), name), name)
    items = tuple(_volume(name) for name in names)
    if not dry_run:
        for name in names:
            folder = volume_folder(state_dir(), name)
            with translating_disk_errors(f"remove `{folder}`", error=ToolError):
                remove_tree(folder)
    return DataResult(verb="rm", items=items, size=sum(item.size for item in items), dry_run=dry_run)


def _require_unused(folder: str, name: str) -> None:
    from shipway.host.dirs import state_dir
    from shipway.run.life.client import list_containers

    for one in list_containers(state_dir()):
        mounts = (*one.record.asked.mounts, *one.record.environment.options.mounts)
        if one.running and any(mount.source == folder for mount in mounts):
            raise ToolError(
                f"the container `{shown(one.name)}` uses the volume `{name}`",
                hints=[f"stop it first: `shipway stop {one.name}`"],
                code=ExitCode.USAGE,
            )


def _view(task: Task) -> _View:
    from shipway.store.store import Store
    from shipway.verbs.project import read_lock, read_project, require_target

    project = read_project(task.directory, task.emit)
    target = require_target(project.spec, task.target)
    lock = read_lock(project)
    platform = task.platform or host_platform()
    locked = next(
        (one for one in lock.targets if (one.name, one.platform) == (target.name, platform))
        if lock
        else iter(()),
        None,
    )
    return _View(project, target.data, Store.open(emit=task.emit), lock, locked)


def _target_name(project: Project, task: Task) -> str:
    from shipway.verbs.project import require_target

    return require_target(project.spec, task.target).name


def _named(data: Sequence[DataSource], names: Sequence[str]) -> list[DataSource]:
    known = {one.name: one for one in data}
    for name in names:
        if name not in known:
            hint = f"it declares: {', '.join(known)}" if known else "add a table `[data.NAME]` to the spec"
            raise NotFound(f"the target declares no data `{shown(name)}`", hints=[hint])
    return [known[name] for name in names] if names else list(data)


def _item(one: DataSource, view: _View, plan: DataPlan | None) -> DataItem:
    from shipway.host.dirs import state_dir
    from shipway.run.places import volume_folder
    from shipway.verbs.run_options import absolute_source

    how = "copy" if one.copy else "mount"
    if one.fetched:
        return _fetched(one, view, plan, how)
    if one.volume:
        path = volume_folder(state_dir(), one.volume)
        return _on_disk(one.name, "volume", one.volume, one.target, how, path, write=False)
    path = absolute_source(one.folder, view.project.folder)
    return _on_disk(one.name, "folder", one.folder, one.target, how, path, write=not one.read_only)


def _fetched(one: DataSource, view: _View, plan: DataPlan | None, how: str) -> DataItem:
    from shipway.resolve.data_uses import lock_uses, source_of

    kind = "url" if one.url else "hub"
    is_locked = plan is not None and plan.use in (
        use for target in view.project.spec.targets for use in lock_uses(target)
    )
    tree = view.store.find_tree(plan.key) if plan and is_locked else None
    state = "here" if tree else "absent" if is_locked else "not locked"
    note = (
        "" if tree else "`shipway data fetch` brings it" if is_locked else "`shipway lock` asks for its files"
    )
    size = plan.size if plan and is_locked else 0
    return DataItem(
        one.name, kind, source_of(one), one.target, how, size, False, state, tree.root if tree else "", note
    )


def _on_disk(name: str, kind: str, source: str, target: str, how: str, path: str, *, write: bool) -> DataItem:
    from shipway.verbs.data_access import explain_access
    from shipway.verbs.data_trees import measure

    if not os.path.exists(path):
        note = "made on first use" if kind == "volume" else "make it, or correct the spec"
        return DataItem(name, kind, source, target, how, 0, False, "absent", "", note)
    trouble = explain_access(path, write=write)
    state = "here" if not trouble else "not writable" if "written" in trouble else "not readable"
    size, at_least = measure(path)
    return DataItem(name, kind, source, target, how, size, at_least, state, path, trouble)


def _volume(name: str) -> DataItem:
    from shipway.host.dirs import state_dir
    from shipway.run.places import volume_folder

    return _on_disk(name, "volume", name, "", "mount", volume_folder(state_dir(), name), write=False)


def _volume_names() -> list[str]:
    from shipway.host.dirs import state_dir
    from shipway.run.places import volume_folder

    try:
        return sorted(entry.name for entry in os.scandir(volume_folder(state_dir())) if entry.is_dir())
    except FileNotFoundError:
        return []
