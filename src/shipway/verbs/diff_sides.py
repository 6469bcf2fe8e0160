"""The sides of a `diff`: what a word of the command line names, read as one value. A new kind of side is one line in `SIDES`."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import ExitCode, NotFound, SpecError, ToolError
from shipway.core.text import shown
from shipway.verbs.context import host_platform
from shipway.verbs.find import LOCK_FILE
from shipway.verbs.project import read_lock, read_text, require_locked, require_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.lock.model import Lock
    from shipway.plan.diff import Side
    from shipway.store.tree import Tree
    from shipway.verbs.context import Task
    from shipway.verbs.project import Project

_GIT_SECONDS = 60.0


class Around(NamedTuple):
    """What reading a side needs to know."""

    task: Task
    project: Callable[[], Project]
    """Reads the project once somebody asks: two finished images need none."""
    mixed: bool = False
    """A lock's side is compared with a finished image, so its own files count, too."""


class Place(NamedTuple):
    """What one operand names."""

    kind: str
    """A key of `SIDES`."""
    name: str


def parse_operand(text: str, around: Around) -> Place:
    """`KIND:NAME`, or a bare word: a target of the spec, the path of a lock file or image, or the name of a stored
    image or container.

    Raises:
        ToolError: it is none of these (exit code `USAGE`).
    """
    from shipway.verbs.diff_lasting import is_lasting
    from shipway.verbs.image_view import is_image_path, is_stored

    kind, colon, name = text.partition(":")
    if colon and kind in SIDES and name:
        return Place(kind, name)
    targets: list[str] = []
    hints = []
    try:
        targets = [target.name for target in around.project().spec.targets]
        hints.append(f"the spec's targets are: {', '.join(targets)}")
    except SpecError as error:
        hints.append(f"there is no project: {error.message}")
    if text in targets:
        return Place("target", text)
    if is_image_path(text) or is_stored(text, around.task):
        return Place("image", text)
    if os.path.isfile(text):
        return Place("lock", text)
    if is_lasting(text):
        return Place("container", text)
    kinds = ", ".join(f"`{kind}:NAME`" for kind in SIDES)
    raise ToolError(
        f"`{shown(text)}` is no target, no lock file, no image and no container here",
        hints=[*hints, f"or write {kinds}"],
        code=ExitCode.USAGE,
    )


def read_side(place: Place, around: Around) -> Side:
    """The side that `place` names.

    Raises:
        NotFound: it does not exist.
        LockFormatError: its lock cannot be read.
        EngineError: the engine that has it does not answer.
    """
    return SIDES[place.kind](place.name, around)


def _target(name: str, around: Around) -> Side:
    project = around.project()
    return _side(name or _wanted(around), _own_lock(project), around, target=name)


def _lock_file(path: str, around: Around) -> Side:
    from shipway.lock.parse import parse_lock

    folder, name = os.path.split(os.path.abspath(path))
    text = read_text(folder, name)
    if text is None:
        raise NotFound(f"there is no lock file `{shown(path)}`", hints=["correct its path"])
    return _side(f"lock:{path}", parse_lock(text, file=path), around)


def _revision(revision: str, around: Around) -> Side:
    from shipway.lock.parse import parse_lock

    text = _read_committed(around.project(), revision)
    return _side(f"git:{revision}", parse_lock(text, file=f"{revision}:{LOCK_FILE}"), around)


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


def _kept_base(name: str, around: Around) -> Side:
    return _target(_kept_target(name, around.project())[1], around)


def _kept(name: str, around: Around) -> Side:
    from shipway.core.manifest import Manifest
    from shipway.core.overlay import stack
    from shipway.host.files import translating_disk_errors
    from shipway.plan.diff import Named
    from shipway.run.top.kept import read_written

    path, target = _kept_target(name, around.project())
    base = _target(target, around)
    label = f"kept:{name}"
    if base.trees is None:
        return replace(base, label=label)
    lower = {one.entry.path: one.entry for one in stack([tree.manifest for tree in base.trees])}
    with translating_disk_errors(f"read what is kept under `{name}`"):
        written = Manifest(read_written(f"{path}/upper", lower, _places(around.project(), target)))
    return replace(base, label=label, trees=(*base.trees, Named(label, written)))


def _places(project: Project, target: str) -> tuple[str, ...]:
    """Where runs of a target have mounts by the spec, relative to the root; those of a command line are not kept."""
    from shipway.verbs.run_options import read_run_options

    options = read_run_options(project, target)
    workdir = project.spec.target(target).workdir
    return tuple(place.strip("/") for place in (workdir, *(mount.target for mount in options.mounts)))


def _kept_target(name: str, project: Project) -> tuple[str, str]:
    """Folder and target of what is kept as `name`."""
    from shipway.host.dirs import state_dir
    from shipway.run.top.names import list_kept, not_kept

    there = {kept.name: kept for kept in list_kept(state_dir(), project.folder)}
    if name not in there:
        raise not_kept(name, there.values())
    return there[name].path, there[name].target


def _begun(name: str, around: Around) -> Side:
    from shipway.verbs.diff_lasting import read_begun

    return read_begun(name, around.task)


def _lasting(name: str, around: Around) -> Side:
    from shipway.verbs.diff_lasting import read_lasting

    return read_lasting(name, around.task)


def _image(name: str, around: Around) -> Side:
    from shipway.verbs.diff_images import read_image

    return read_image(name, around.task)


def _engine_image(engine: str) -> Callable[[str, Around], Side]:
    def read(name: str, around: Around) -> Side:
        from shipway.verbs.diff_images import read_engine_image

        return read_engine_image(engine, name, around.task)

    return read


def _container(engine: str) -> Callable[[str, Around], Side]:
    def read(name: str, around: Around) -> Side:
        from shipway.verbs.diff_images import read_container

        return read_container(engine, name, around.task)

    return read


SIDES: dict[str, Callable[[str, Around], Side]] = {
    "target": _target,
    "lock": _lock_file,
    "git": _revision,
    "kept": _kept,
    "base": _kept_base,
    "container": _lasting,
    "begun": _begun,
    "image": _image,
    "docker-daemon": _engine_image("docker"),
    "containers-storage": _engine_image("podman"),
    "docker": _container("docker"),
    "podman": _container("podman"),
}
"""How each kind of side is read; `base:NAME` and `begun:NAME` are what a container began with,
the one kept or living as `NAME`."""
FINISHED = frozenset(
    {"container", "begun", "image", "docker-daemon", "containers-storage", "docker", "podman"}
)
"""Kinds that no lock is behind."""
BASES = {"kept": "base", "container": "begun", "docker": "docker-daemon", "podman": "containers-storage"}
"""The kind that reads what a container began with."""


def _own_lock(project: Project) -> Lock:
    lock = read_lock(project)
    if lock is None:
        raise NotFound(f"there is no `{LOCK_FILE}`", hints=["run `shipway lock`"])
    return lock


def _wanted(around: Around) -> str:
    return require_target(around.project().spec, around.task.target).name


def _side(label: str, lock: Lock, around: Around, *, target: str = "") -> Side:
    from shipway.plan.diff import Named, Side, read_config, read_packages, read_settings
    from shipway.plan.target import plan_target

    locked = require_locked(lock, target or _wanted(around), around.task.platform or host_platform())
    settings = plan_target(lock, locked.name, locked.platform).settings
    side = Side(
        label=label,
        packages=read_packages(lock, locked),
        config=read_config(lock, locked),
        settings=read_settings(
            locked.platform,
            settings.env,
            settings.workdir,
            {"entrypoint": settings.entrypoint, "command": settings.command},
        ),
        trees=None,
    )
    trees = _trees(lock, locked.name, locked.platform, around)
    if trees is None:
        return side
    if around.mixed:
        from shipway.verbs.diff_images import read_as_finished

        side = read_as_finished(side, [tree for _, tree in trees], around.task.emit)
    return replace(side, trees=tuple(Named(name, tree.manifest()) for name, tree in trees))


def _trees(lock: Lock, target: str, platform: str, around: Around) -> list[tuple[str, Tree]] | None:
    """The trees of a locked target, the project's own files only where these count; None when the store lacks any."""
    from shipway.build.builder import find_trees
    from shipway.build.recipes import complete_requests
    from shipway.plan.target import plan_target
    from shipway.store.store import Store

    emit, plan = around.task.emit, plan_target(lock, target, platform)
    requests = complete_requests(plan, around.project().folder, emit, files=around.mixed)
    trees = find_trees(Store.open(emit=emit), requests)
    if trees is None:
        return None
    return [(request.name, tree) for request, tree in zip(requests, trees, strict=True)]
