"""Containers of a project whose own writes are looked at: which there are, and what was installed in each behind our back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import NotFound, ToolError
from shipway.core.text import shown
from shipway.verbs.project import require_locked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.lock.model import Lock
    from shipway.run.life.model import Container
    from shipway.run.top.installed import Installed, Top
    from shipway.run.top.names import Kept
    from shipway.run.top.trees import TreeFiles
    from shipway.store.store import Store
    from shipway.verbs.context import Task
    from shipway.verbs.project import Project

KEPT = "kept:"
"""In front of the name of a top that `--keep NAME` keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One container."""

    label: str
    """Its name, or `kept:NAME`."""
    target: str
    running: bool
    older: bool
    """It was made of other trees than the lock says now."""
    trees: tuple[TreeFiles, ...]
    """What it stands on, bottom first."""
    top: Top
    installed: Installed
    upper: str = ""
    """Where its writable top lies, while nothing uses it: then it can be changed from outside."""
    lock: str = ""
    """The lock file of what uses the top."""
    container: Container | None = None
    """None: a kept top."""


class Unread(NamedTuple):
    """A container that could not be looked into."""

    label: str
    target: str
    running: bool
    why: str


def find_watched(
    project: Project, lock: Lock, store: Store, task: Task, label: str = ""
) -> tuple[tuple[Watched, ...], tuple[Unread, ...]]:
    """Every container of the project that lives on and every kept top, or the one called `label`; then those that cannot be read.

    Raises:
        NotFound: there is no such container.
    """
    kept = {KEPT + one.name: one for one in _list_kept(project)}
    containers = {one.name: one for one in _list_containers(project)}
    if label and label not in kept and label not in containers:
        names = ", ".join(f"`{shown(one)}`" for one in (*containers, *kept))
        raise NotFound(
            f"there is no container `{shown(label)}` of this project",
            hints=[f"there are {names}" if names else "`shipway up` starts one"],
        )
    found: list[Watched] = []
    unread: list[Unread] = []
    for one in containers.values():
        if label in ("", one.name):
            try:
                now = stack_of(lock, one.target, project, store, task)
                found.append(_container(one, now, store))
            except ToolError as error:
                unread.append(Unread(one.name, one.target, one.running, error.message))
    for name, top in kept.items():
        if label in ("", name):
            trees = stack_of(lock, top.target, project, store, task)
            if trees is None:
                why = "the environment of its target is not built: `shipway build`"
                unread.append(Unread(name, top.target, top.in_use, why))
            else:
                found.append(_kept(name, top, trees))
    return tuple(found), tuple(unread)


def _list_kept(project: Project) -> tuple[Kept, ...]:
    from shipway.host.dirs import state_dir
    from shipway.run.top.names import list_kept

    return list_kept(state_dir(), project.folder)


def _list_containers(project: Project) -> list[Container]:
    """Those of the project's own environment that live on."""
    from shipway.host.dirs import state_dir
    from shipway.run.life import client

    return [
        one
        for one in client.list_containers(state_dir())
        if one.project == project.folder and one.environment.keys and not one.record.image
    ]


def _container(one: Container, now: Sequence[TreeFiles] | None, store: Store) -> Watched:
    from shipway.run.life.records import LOCK
    from shipway.verbs.bringing import read_own, trees_of

    trees = trees_of(one.environment.keys, store)
    top, installed = read_own(one, trees, store)
    is_ours = one.supervised and not one.running
    return Watched(
        label=one.name,
        target=one.target,
        running=one.running,
        older=now is None or [tree.root for tree in now] != [tree.root for tree in trees],
        trees=trees,
        top=top,
        installed=installed,
        upper=f"{one.folder}/upper" if is_ours else "",
        lock=f"{one.folder}/{LOCK}",
        container=one,
    )


def _kept(label: str, kept: Kept, trees: Sequence[TreeFiles]) -> Watched:
    from shipway.host.files import translating_disk_errors
    from shipway.run.top.installed import find_installed
    from shipway.run.top.names import is_of_other_lowers
    from shipway.run.top.of_upper import read_upper

    upper = f"{kept.path}/upper"
    with translating_disk_errors(f"read what is kept in `{kept.path}`"):
        top = read_upper(upper, trees)
    return Watched(
        label=label,
        target=kept.target,
        running=kept.in_use,
        older=is_of_other_lowers(kept.path, [tree.root for tree in reversed(trees)]),
        trees=tuple(trees),
        top=top,
        installed=find_installed(top),
        upper="" if kept.in_use else upper,
        lock=f"{kept.path}.lock",
    )


def stack_of(
    lock: Lock, target: str, project: Project, store: Store, task: Task
) -> tuple[TreeFiles, ...] | None:
    """The trees of a locked target, bottom first; None where the store lacks any, or the lock the target."""
    from shipway.build.builder import find_trees
    from shipway.build.recipes import complete_requests
    from shipway.core.events import silent
    from shipway.plan.target import plan_target
    from shipway.run.top.trees import TreeFiles
    from shipway.verbs.context import host_platform

    try:
        locked = require_locked(lock, target, task.platform or host_platform())
    except NotFound:
        return None
    plan = plan_target(lock, locked.name, locked.platform)
    trees = find_trees(store, complete_requests(plan, project.folder, silent, files=False))
    return None if trees is None else tuple(TreeFiles(tree.root, tree.manifest_text()) for tree in trees)
