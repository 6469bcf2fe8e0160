"""The sides of a `diff`: what a word of the command line names, read as one value. A new kind of side is one line in `SIDES`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import ExitCode, NotFound, ToolError
from shipway.core.text import shown
from shipway.verbs.context import host_platform
from shipway.verbs.find import LOCK_FILE
from shipway.verbs.project import read_lock, read_text, require_locked, require_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.lock.model import Lock
    from shipway.plan.diff import Named, Side
    from shipway.verbs.context import Task
    from shipway.verbs.project import Project

_GIT_SECONDS = 60.0


class Place(NamedTuple):
    """What one operand names."""

    kind: str
    """A key of `SIDES`."""
    name: str


def parse_operand(text: str, project: Project) -> Place:
    """`KIND:NAME`, or a bare word: a target of the spec, or the path of a lock file.

    Raises:
        ToolError: it is none of these (exit code `USAGE`).
    """
    kind, colon, name = text.partition(":")
    if colon and kind in SIDES and name:
        return Place(kind, name)
    if any(target.name == text for target in project.spec.targets):
        return Place("target", text)
    if os.path.isfile(text):
        return Place("lock", text)
    kinds = ", ".join(f"`{kind}:NAME`" for kind in SIDES)
    raise ToolError(
        f"`{shown(text)}` is no target and no lock file",
        hints=[
            f"the spec's targets are: {', '.join(target.name for target in project.spec.targets)}",
            f"or write {kinds}",
        ],
        code=ExitCode.USAGE,
    )


def read_side(place: Place, project: Project, task: Task) -> Side:
    """The side that `place` names.

    Raises:
        NotFound: it does not exist.
        LockFormatError: its lock cannot be read.
    """
    return SIDES[place.kind](place.name, project, task)


def _target(name: str, project: Project, task: Task) -> Side:
    return _side(name or _wanted(project, task), _own_lock(project), project, task, target=name)


def _lock_file(path: str, project: Project, task: Task) -> Side:
    from shipway.lock.parse import parse_lock

    folder, name = os.path.split(os.path.abspath(path))
    text = read_text(folder, name)
    if text is None:
        raise NotFound(f"there is no lock file `{shown(path)}`", hints=["correct its path"])
    return _side(f"lock:{path}", parse_lock(text, file=path), project, task)


def _revision(revision: str, project: Project, task: Task) -> Side:
    from shipway.lock.parse import parse_lock

    return _side(
        f"git:{revision}",
        parse_lock(_read_committed(project, revision), file=f"{revision}:{LOCK_FILE}"),
        project,
        task,
    )


def _read_committed(project: Project, revision: str) -> str:
    """The text of the project's lock in the commit `revision`. `cat-file` runs no filter that a repository could name."""
    from shipway.host.proc import Command, run

    if project.inferred:
        raise NotFound(
            "the spec is inferred, so no commit holds its lock", hints=["run `shipway init`, then commit"]
        )
    if revision.startswith("-"):  # git would take it for an option
        raise NotFound(f"`{shown(revision)}` is no revision", hints=["name a commit, a branch or a tag"])
    argv = ("git", "-C", project.folder, "cat-file", "blob", f"{revision}:./{LOCK_FILE}")
    done = run(Command(argv=argv), timeout=_GIT_SECONDS)
    if done.code != 0:
        raise NotFound(
            f"no commit `{shown(revision)}` holds this project's `{LOCK_FILE}`",
            hints=[f"`git log -- {LOCK_FILE}` lists the commits that do"],
            detail=done.stderr.decode("utf-8", "replace").strip(),
        )
    return done.stdout.decode("utf-8", "replace")


def _kept_base(name: str, project: Project, task: Task) -> Side:
    return _target(_kept_target(name, project)[1], project, task)


def _kept(name: str, project: Project, task: Task) -> Side:
    from dataclasses import replace

    from shipway.core.manifest import DIRECTORY, Manifest
    from shipway.core.overlay import stack
    from shipway.host.files import translating_disk_errors
    from shipway.plan.diff import Named
    from shipway.run.kept_changes import WRITTEN_AT_START, read_changes

    path, target = _kept_target(name, project)
    base = _target(target, project, task)
    label = f"kept:{name}"
    if base.trees is None:
        return replace(base, label=label)
    lower = {one.entry.path: one.entry for one in stack([tree.manifest for tree in base.trees])}
    with translating_disk_errors(f"read what is kept under `{name}`"):
        entries = read_changes(f"{path}/upper", lower)
    workdir = base.config["workdir"].strip("/") + "/"
    filled = {entry.path.rpartition("/")[0] for entry in entries}
    # The project is mounted at its working directory, and the caller's home volume below `/home`, so every start makes
    # the folders that lead there.
    at_start = {
        entry.path
        for entry in entries
        if entry.path in WRITTEN_AT_START
        or (entry.kind == DIRECTORY and workdir.startswith(f"{entry.path}/"))
        or (entry.kind == DIRECTORY and os.path.dirname(entry.path) == "home" and entry.path not in filled)
    }
    ours = Manifest(entry for entry in entries if entry.path in at_start)
    theirs = Manifest(entry for entry in entries if entry.path not in at_start)
    return replace(
        base, label=label, trees=(*base.trees, Named("written at every start", ours), Named(label, theirs))
    )


def _kept_target(name: str, project: Project) -> tuple[str, str]:
    """Folder and target of what is kept as `name`."""
    from shipway.host.dirs import state_dir
    from shipway.run.tops import list_kept

    there = {kept.name: kept for kept in list_kept(state_dir(), project.folder)}
    if name not in there:
        names = ", ".join(f"`{one}`" for one in there)
        raise NotFound(
            f"nothing is kept under `{shown(name)}`",
            hints=[
                f"there are {names}" if names else "`shipway shell --keep NAME` keeps what a container writes"
            ],
        )
    return there[name].path, there[name].target


SIDES: dict[str, Callable[[str, Project, Task], Side]] = {
    "target": _target,
    "lock": _lock_file,
    "git": _revision,
    "kept": _kept,
    "base": _kept_base,
}
"""How each kind of side is read; `base:NAME` is what the container kept as `NAME` began with."""


def _own_lock(project: Project) -> Lock:
    lock = read_lock(project)
    if lock is None:
        raise NotFound(f"there is no `{LOCK_FILE}`", hints=["run `shipway lock`"])
    return lock


def _wanted(project: Project, task: Task) -> str:
    return require_target(project.spec, task.target).name


def _side(label: str, lock: Lock, project: Project, task: Task, *, target: str = "") -> Side:
    from shipway.plan.diff import Side, read_config, read_packages

    locked = require_locked(lock, target or _wanted(project, task), task.platform or host_platform())
    return Side(
        label=label,
        packages=read_packages(lock, locked),
        config=read_config(lock, locked),
        trees=_trees(lock, locked.name, locked.platform, project, task),
    )


def _trees(lock: Lock, target: str, platform: str, project: Project, task: Task) -> tuple[Named, ...] | None:
    """The trees of a locked target but for the project's own files; None when the store lacks any."""
    from shipway.build.builder import find_trees
    from shipway.build.recipes import complete_requests
    from shipway.plan.diff import Named
    from shipway.plan.target import plan_target
    from shipway.store.store import Store

    requests = complete_requests(plan_target(lock, target, platform), project.folder, task.emit, files=False)
    trees = find_trees(Store.open(emit=task.emit), requests)
    if trees is None:
        return None
    return tuple(Named(request.name, tree.manifest()) for request, tree in zip(requests, trees, strict=True))
