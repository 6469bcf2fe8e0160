"""Containers of a project whose own writes are looked at: which there are, and what was installed in each behind our back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import NotFound
from shipway.core.text import shown
from shipway.verbs.project import require_locked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.lock.model import Lock
    from shipway.run.installed import Installed, Top
    from shipway.run.tree_changes import TreeFiles
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
    folder: str = ""
    """Of a kept top that no container uses: where it lies."""


def find_watched(
    project: Project, lock: Lock, store: Store, task: Task, label: str = ""
) -> tuple[Watched, ...]:
    """Every container of the project that has something of its own, or the one called `label`.

    Raises:
        NotFound: there is no such container.
    """
    from shipway.host.dirs import state_dir
    from shipway.run.tops import list_kept

    kept = {KEPT + one.name: one for one in list_kept(state_dir(), project.folder)}
    if label and label not in kept:
        names = ", ".join(f"`{shown(one)}`" for one in kept)
        raise NotFound(
            f"there is no container `{shown(label)}` of this project",
            hints=[f"there are {names}" if names else "`shipway shell --keep NAME` keeps one"],
        )
    found = []
    for name, one in kept.items():
        if label in ("", name):
            trees = stack_of(lock, one.target, project, store, task)
            if trees is not None:
                found.append(_kept(name, one.path, one.target, trees, running=one.in_use))
    return tuple(found)


def _kept(label: str, path: str, target: str, trees: Sequence[TreeFiles], *, running: bool) -> Watched:
    from shipway.host.files import translating_disk_errors
    from shipway.run.installed import find_installed
    from shipway.run.top_reading import read_upper
    from shipway.run.tops import is_of_other_lowers

    with translating_disk_errors(f"read what is kept in `{path}`"):
        top = read_upper(f"{path}/upper", trees)
    return Watched(
        label=label,
        target=target,
        running=running,
        older=is_of_other_lowers(path, [tree.root for tree in reversed(trees)]),
        trees=tuple(trees),
        top=top,
        installed=find_installed(top),
        folder="" if running else path,
    )


def stack_of(
    lock: Lock, target: str, project: Project, store: Store, task: Task
) -> tuple[TreeFiles, ...] | None:
    """The trees of a locked target, bottom first; None where the store lacks any, or the lock the target."""
    from shipway.build.builder import find_trees
    from shipway.build.recipes import complete_requests
    from shipway.core.events import silent
    from shipway.plan.target import plan_target
    from shipway.run.tree_changes import TreeFiles
    from shipway.verbs.context import host_platform

    try:
        locked = require_locked(lock, target, task.platform or host_platform())
    except NotFound:
        return None
    plan = plan_target(lock, locked.name, locked.platform)
    trees = find_trees(store, complete_requests(plan, project.folder, silent, files=False))
    return None if trees is None else tuple(TreeFiles(tree.root, tree.manifest_text()) for tree in trees)
