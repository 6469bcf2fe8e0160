"""`run` and `shell`: a command in the container.

When a launch record says that nothing changed, the container starts without spec, lock or plan being read; this module
and what it imports at the top stay small for that way.
"""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError
from shipway.core.events import Note
from shipway.verbs.context import LockMode, Task, host_platform
from shipway.verbs.find import find_folder
from shipway.verbs.invocation import find_lookalikes, read_invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shipway.core.digest import TreeKey
    from shipway.image.portable import PortableImage
    from shipway.run.model import Environment, Invocation, LifeOptions, Merge, RunRequest
    from shipway.run.ready import Ready
    from shipway.store.store import Store
    from shipway.store.tree import Tree
    from shipway.verbs.prepare import Planned, Prepared

_NATIVE = "native"
_SIGBUS = 128 + 7


class RunWords(NamedTuple):
    """The options of `run` and `shell` as they were written."""

    argv: tuple[str, ...] = ()
    shell: bool = False
    env: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    workdir: str = ""
    hostname: str = ""
    network: str = ""
    shm_size: int | None = None
    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None
    keep: str = ""
    read_only: bool = False
    volumes: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    ulimits: tuple[str, ...] = ()
    user: str = ""
    groups: tuple[str, ...] = ()
    entrypoint: str | None = None
    pid: str = ""
    ipc: str = ""
    cpuset: str = ""
    cpu_shares: int | None = None
    memory_swap: int | None = None
    gpus: str = ""
    display: bool = False
    tty: bool = False
    engine: str = ""
    """Empty: the spec's, else our own."""
    editable: bool = True
    """Local projects are imported from their folders; else as they are built, and built again if they changed."""
    life: LifeOptions | None = None
    """Of a container that lives on; None: it is thrown away with this command."""
    restart_said: bool = False
    """`life` has a restart policy that was asked for."""
    own: bool = False
    """It is the project's own container (`up`)."""


class RunResult(NamedTuple):
    """How it ended, or what would be done."""

    code: int
    plan: tuple[str, ...] = ()
    """Of a dry run: one line per fact and step."""
    name: str = ""
    """Of a container that goes on without this command."""
    id: str = ""
    log: str = ""
    """The file with its output."""


def run_command(words: RunWords, task: Task, *, dry_run: bool = False) -> RunResult:
    """Build what is missing, then run the command to its end.

    Raises:
        ToolError: the container could not be made or started.
    """
    from shipway.store.store import Store

    asked = read_invocation(words)
    folder = find_folder(task.directory)
    store = Store.open(emit=task.emit)
    record = _ready_file(folder, task)
    ready = _find_ready(record, task)
    if ready is not None and (words.editable or not ready.environment.editable):
        keys = _keys(ready.environment.keys)
        with store.use(keys) as use:
            from shipway.run.ready import holds

            there = all(
                os.path.exists(mount.source) for mount in ready.environment.options.mounts if not mount.owned
            )
            if there and not use.missing and holds(ready, context=_context(store, task)):
                image = _image_of(None, None if dry_run else ready, record, task)
                start = Start(ready.environment, asked, words.engine, use.trees, image, use.fds)
                life = life_of(words, ready.environment)
                return start_container(start, task, dry_run=dry_run, life=life, own=words.own)
    prepared = _prepare(task, dry_run=dry_run, editable=words.editable)
    if prepared is None:
        return RunResult(0, _unbuilt(task))
    environment = _environment(prepared)
    ready = None if dry_run else _remember(environment, prepared, record, task)
    with store.use(_keys(environment.keys)) as use:
        if use.missing:
            raise EngineError(
                "trees of the environment were collected while it was started",
                hints=["run the command again"],
            )
        image = _image_of(prepared, ready, record, task)
        start = Start(environment, asked, words.engine, use.trees, image, use.fds)
        life = life_of(words, environment)
        return start_container(start, task, dry_run=dry_run, life=life, own=words.own)


def life_of(words: RunWords, environment: Environment) -> LifeOptions | None:
    """How long the container lives: as the words say, and where they say nothing about restarts, as the spec does."""
    if words.life is None or words.restart_said:
        return words.life
    return words.life._replace(restart=environment.options.restart)


def find_environment(task: Task) -> Environment | None:
    """What a run would mount now; None while something is to be locked or built first. Changes nothing."""
    remembered = find_remembered(task)
    if remembered is not None:
        return remembered
    prepared = _prepare(task, dry_run=True)
    return None if prepared is None else _environment(prepared)


def find_remembered(task: Task) -> Environment | None:
    """What the launch record says that a run would mount; None where there is none that still holds."""
    from shipway.run.ready import holds
    from shipway.store.store import Store

    ready = _find_ready(_ready_file(find_folder(task.directory), task), task)
    store = Store.open(emit=task.emit)
    return ready.environment if ready is not None and holds(ready, context=_context(store, task)) else None


class Start(NamedTuple):
    """All that a start needs."""

    environment: Environment
    asked: Invocation
    engine: str
    """As asked for; empty: the environment's own."""
    trees: Sequence[Tree]
    """The top one first."""
    image: Callable[[], PortableImage]
    """The same as an image, for an engine that wants one."""
    fds: tuple[int, ...] = ()
    """Descriptors that hold the trees against collection."""
    image_name: str = ""
    """The stored image that it is; empty: the project's own environment."""


def run_prepared(words: RunWords, prepared: Prepared, task: Task) -> RunResult:
    """Run the command in the environment of trees that were just made or found; nothing is remembered for later runs.

    Our own engine runs it where the words name no other, whatever the spec prefers.

    Raises:
        ToolError: the container could not be started.
    """
    environment = _environment(prepared)
    with prepared.planned.store.use(_keys(environment.keys)) as use:
        asked = read_invocation(words)._replace(built=True)
        image = _image_of(prepared, None, "", task)
        start = Start(environment, asked, words.engine or _NATIVE, use.trees, image)
        return start_container(start, task, dry_run=False)


def _ready_file(folder: str, task: Task) -> str:
    from shipway.host.dirs import state_dir
    from shipway.run.places import ready_file

    return ready_file(state_dir(), folder, task.target)


def _find_ready(file: str, task: Task) -> Ready | None:
    from shipway.run.ready import read_ready

    return None if task.platform and task.platform != host_platform() else read_ready(file)


def _image_of(
    prepared: Prepared | None, ready: Ready | None, record: str, task: Task
) -> Callable[[], PortableImage]:
    """A way to the image; asking for it completes the launch record `ready`, if there is one."""

    def make() -> PortableImage:
        from shipway.verbs.run_portable import make_remembered_image, make_run_image

        if ready is None:
            return make_run_image(prepared, task)
        return make_remembered_image(prepared, ready, record, task)

    return make


def _context(store: Store, task: Task) -> str:
    """What must be the same besides files: the stores, whose absence of trees and whose owner would matter, and the platform."""
    return "\n".join((store.path, *store.lowers, task.platform or host_platform()))


def _prepare(task: Task, *, dry_run: bool, editable: bool = True) -> Prepared | None:
    """The environment's trees, built if need be; None when it would have to be and must not."""
    gc.enable()  # a build is long, and the process began without
    from shipway.verbs.build import keep
    from shipway.verbs.editable import plan_run_project
    from shipway.verbs.history import remember_build
    from shipway.verbs.prepare import build_planned, plan_project

    if dry_run:
        from shipway.build.builder import find_trees
        from shipway.verbs.locking import check_lock
        from shipway.verbs.prepare import Prepared
        from shipway.verbs.project import read_project

        if check_lock(read_project(task.directory, task.emit), editable=editable).drift:
            return None
        planned = plan_project(task._replace(mode=LockMode.FROZEN), files=False)
        trees = find_trees(planned.store, planned.requests)
        if trees is None or _missing_data(planned):
            return None
        return Prepared(planned=planned, trees=tuple(trees), built=0)
    prepared = build_planned(plan_run_project(task, editable=editable), task)
    _bring_data(prepared.planned, task)
    keep(prepared)
    remember_build(prepared.planned.project.folder, prepared.planned)
    return prepared


def _missing_data(planned: Planned) -> bool:
    target = planned.lock.target(planned.plan.target, planned.plan.platform)
    if not target.data:
        return False
    from shipway.verbs.data_trees import data_mounts

    return data_mounts(planned.lock, target, planned.store) is None


def _bring_data(planned: Planned, task: Task) -> None:
    """Have what the container is going to see of `[data]`."""
    target = planned.lock.target(planned.plan.target, planned.plan.platform)
    if planned.project.spec.target(target.name).data:
        from shipway.verbs.data_trees import tell_trouble

        tell_trouble(planned.project, target.name, task)
    if target.data:
        from shipway.plan.data import plan_data
        from shipway.verbs.data import say_size
        from shipway.verbs.data_trees import ensure_data, find_missing

        missing = find_missing(plan_data(planned.lock, target), planned.store)
        say_size(missing, task.emit)
        ensure_data(missing, planned.project, planned.store, task)


def remember_prepared(prepared: Prepared, task: Task) -> Environment:
    """What a run of `prepared` would mount, with the launch record of the next run written."""
    environment = _environment(prepared)
    planned = prepared.planned
    _remember(environment, prepared, _ready_file(planned.project.folder, task), task)
    return environment


def _environment(prepared: Prepared) -> Environment:
    from shipway.run.facts import read_image_facts
    from shipway.run.model import Environment
    from shipway.verbs.editable import find_editables
    from shipway.verbs.run_options import read_run_options

    planned = prepared.planned
    lowers = tuple(tree.root for tree in reversed(prepared.trees))
    settings = planned.plan.settings
    target = planned.lock.target(planned.plan.target, planned.plan.platform)
    options = read_run_options(planned.project, planned.plan.target)
    if target.data:
        from shipway.verbs.data_trees import require_mounts

        mounts = require_mounts(planned.lock, target, planned.store)
        options = options._replace(mounts=(*mounts, *options.mounts))
    return Environment(
        project=planned.project.folder,
        name=planned.lock.name,
        target=planned.plan.target,
        lowers=lowers,
        keys=tuple(request.key for request in reversed(planned.requests)),
        env=settings.env,
        workdir=settings.workdir,
        command=target.command or (*settings.entrypoint, *settings.command),
        options=options,
        bytecode=target.bytecode,
        facts=read_image_facts(lowers),
        editable=find_editables(prepared),
    )


def _remember(environment: Environment, prepared: Prepared, file: str, task: Task) -> Ready | None:
    """Write the launch record of the next run, unless something decides that is no single file, or the lock is stale."""
    from shipway.run.ready import Ready, read_inputs
    from shipway.verbs.run_portable import remember

    planned = prepared.planned
    target = planned.lock.target(planned.plan.target, planned.plan.platform)
    if task.mode is LockMode.FROZEN or planned.project.inferred or any(one.inputs for one in target.build):
        return None
    inputs = list(planned.project.inputs())
    if any(source.kind == "local" for source in planned.lock.sources):
        from shipway.verbs.editable import editable_inputs, find_unplaced

        unplaced = find_unplaced(prepared)
        for sentence in unplaced:
            task.emit(Note(sentence))
        if unplaced:
            return None
        inputs += editable_inputs(prepared)
    if planned.lock.bases:
        from shipway.verbs.bases import base_inputs

        inputs += base_inputs(planned.lock, planned.project.folder, planned.store)
    ready = Ready(environment, read_inputs(inputs), _context(planned.store, task))
    remember(file, ready, task)
    return ready


def start_container(
    start: Start, task: Task, *, dry_run: bool, life: LifeOptions | None = None, own: bool = False
) -> RunResult:
    """Run the container to its end, or say what would be done: on the engine that is asked for, else on one that can.

    `life`: it lives on.

    Raises:
        ToolError: it could not be made or started.
    """
    from shipway.host.dirs import state_dir
    from shipway.run.engines import ENGINES
    from shipway.run.native import HostRefuses
    from shipway.run.start import read_run

    state = state_dir()
    for sentence in find_lookalikes(start.asked.mounts) if start.asked.mounts else ():
        task.emit(Note(sentence, "warning"))
    request = read_run(start.environment, start.asked, environ=os.environ, state=state)
    asked = start.engine or start.environment.options.engine
    engine = ENGINES[asked or _NATIVE]
    if dry_run:
        from shipway.run.describe import describe_run

        lasting = life is not None
        if life is not None:
            _require_life(state, life, engine.name, own=own)
        lines = engine.describe(request, start.image, lasting=lasting)
        return RunResult(0, (*describe_run(request, lasting=lasting), "", *lines))

    merge = merger(start.trees)
    if life is None and engine.name != _NATIVE:
        _require_command(request)
    if life is not None:
        from shipway.run.life_words import require_log
        from shipway.verbs.lasting import start_lasting

        require_log(life.log, engine.name)
        result = start_lasting(start, merge, task, life, own=own)
        return _told(result, request, task, "command" if result.code == _SIGBUS else "")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    try:
        outcome = engine.run(
            request, state=state, runtime=runtime, emit=task.emit, image=start.image, merge=merge
        )
    except HostRefuses as refusal:
        from shipway.run.choice import run_instead

        outcome = run_instead(
            refusal, request, asked=bool(asked), state=state, emit=task.emit, image=start.image, merge=merge
        )
    return _told(RunResult(outcome.code), request, task, outcome.bus_error)


def _require_life(state: str, life: LifeOptions, engine: str, *, own: bool) -> None:
    """Make sure of what would keep a container from being made; one of the project's `own` gives its name up itself."""
    from shipway.run.life_words import require_log
    from shipway.verbs.lasting import require_name_to_have

    require_log(life.log, engine)
    if not own:
        require_name_to_have(state, life)


def _require_command(request: RunRequest) -> None:
    """Have a command that is not there told by us, and not by an engine's programs, before anything is handed over or started."""
    from shipway.run.inside import find_fault

    fault = find_fault(request)
    if fault is not None:
        raise fault


def _told(result: RunResult, request: RunRequest, task: Task, sign: str) -> RunResult:
    """`result`, after what there is to say about an end that has a usual cause: `sign` is that of a bus error, or empty."""
    if sign:
        from shipway.run.bus_error import Sign, explain_bus_error

        task.emit(Note(explain_bus_error(request, Sign(sign)), "warning"))
    return result


def merger(trees: Sequence[Tree]) -> Merge:
    """What merges some of `trees` into one folder, for hosts that refuse overlays."""

    def merge(lowers: Sequence[str], target: str) -> None:
        from shipway.build.merge import merge_trees

        manifests = {tree.root: tree.manifest() for tree in trees}
        merge_trees([(root, manifests[root]) for root in reversed(lowers)], target)

    return merge


def _unbuilt(task: Task) -> tuple[str, ...]:
    from shipway.verbs.explain import run_explain

    plan = run_explain(task)
    work = [f"build {layer.name}: {', '.join(layer.missing)}" for layer in plan.layers if layer.missing]
    return (f"lock       {plan.lock}", *plan.drift, *work, "run        when that is done")


def _keys(keys: Sequence[str]) -> Sequence[TreeKey]:
    from shipway.core.digest import TreeKey

    make: Callable[[str], TreeKey] = TreeKey
    return [make(key) for key in keys]
