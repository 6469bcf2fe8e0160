"""Containers that live on: given a name, made, started, and started again as they were."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError, ExitCode, ToolError
from shipway.core.events import Note
from shipway.core.text import shown
from shipway.host.clock import now
from shipway.host.dirs import state_dir
from shipway.run.life import client, records
from shipway.run.life.journal import write_event
from shipway.run.life.lives import Begin, life_of
from shipway.run.life.log_write import log_file
from shipway.run.life.model import MAIN, TOOLS, Container, Record, State
from shipway.run.life.relay import Ends
from shipway.run.model import Mount, Top
from shipway.run.request import choose_hostname
from shipway.run.words import require_container_name
from shipway.verbs.run import RunResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shipway.core.events import Emit
    from shipway.host.lock import FileLock
    from shipway.image.portable import PortableImage
    from shipway.run.model import Environment, LifeOptions, Merge, RunRequest
    from shipway.verbs.context import Task
    from shipway.verbs.run import Start

_OLD = "-old"
_POLL = 0.02


def make_lasting(
    start: Start, life: LifeOptions, task: Task, *, own: bool = False
) -> tuple[Container, FileLock]:
    """A new container, not started yet, and what to release when it was. `own`: it is the project's own, as `up` makes it.

    Raises:
        ToolError: its name is in use by one that runs, or it cannot be made.
    """
    state = state_dir()
    engine = start.engine or start.environment.options.engine or "native"
    life_of(engine)
    with records.naming(state):
        name = _free_name(state, life, start.environment, task.emit)
        record = Record(
            id=client.new_id(),
            name=name,
            engine=engine,
            environment=start.environment,
            asked=start.asked,
            options=life._replace(name=name),
            made=now(),
            image=start.image_name,
            own=own,
        )
        folder, starting = records.make_container(state, record)
    _pin(record, folder, task.emit)
    write_event(state, record, "create")
    return Container(record, records.read_status(folder), folder), starting


def _free_name(state: str, life: LifeOptions, environment: Environment, emit: Emit) -> str:
    """The name asked for, or a new one; whoever had it before and does not run gives way, and loses nothing."""
    if not life.name:
        return _new_name(state, environment)
    held = require_name_to_have(state, life)
    if held is None:
        return life.name
    if records.is_being_started(held.folder):
        raise StartingAlready(held)
    _step_aside(state, held, emit)
    return life.name


def require_name_to_have(state: str, life: LifeOptions) -> Container | None:
    """Make sure that a new container can have its name; whoever has it now, has ended, and is to give way.

    Raises:
        ToolError: it is none, or whoever has it runs.
    """
    name = require_container_name(life.name) if life.name else ""
    if not name or records.find_named(state, name) is None:
        return None
    held = client.find_container(state, name)
    if held.status.state in (State.RUNNING, State.RESTARTING, State.PAUSED):
        raise ToolError(
            f"a container `{shown(name)}` runs already, made for `{shown(held.project)}`",
            hints=(
                f"run a command in it: `shipway exec {name} COMMAND`",
                f"end it first: `shipway stop {name}`",
                "or choose another `--name`",
            ),
            code=ExitCode.ENGINE,
        )
    return held


class StartingAlready(EngineError):
    """Another command is starting the container."""

    def __init__(self, container: Container):
        super().__init__(
            f"a container `{shown(container.name)}` is being started by another command",
            hints=("`shipway ps` lists it when it runs",),
        )
        self.folder = container.folder

    def wait(self) -> None:
        """Until it runs, or was given up."""
        while records.is_being_started(self.folder):
            time.sleep(_POLL)


def _step_aside(state: str, held: Container, emit: Emit) -> None:
    """Free the name of a container that has ended: it goes when it holds nothing of its own, else it gets another name."""
    from shipway.verbs.tops import count_own_files

    if not count_own_files(held):
        life_of(held.engine).remove(held)
        write_event(state, held.record, "remove", detail="its name was given to another")
        emit(Note(f"replaced `{held.name}`, which had ended and had written nothing outside mounts"))
        return
    name = _next_old(state, held.name)
    renamed = held.record._replace(name=name)
    life_of(held.engine).rename(held, name)
    client.rename(held, renamed)
    write_event(state, renamed, "rename", detail=held.name)
    emit(
        Note(
            f"the container that was `{held.name}` and has ended is `{name}` now, for it holds files of its own: "
            f"`shipway diff {name}` lists them, `shipway rm {name}` removes it"
        )
    )


def _next_old(state: str, name: str) -> str:
    candidate, number = name + _OLD, 2
    while records.find_named(state, candidate) is not None:
        candidate, number = f"{name}{_OLD}{number}", number + 1
    return candidate


def _new_name(state: str, environment: Environment) -> str:
    while True:
        name = f"{choose_hostname(environment.name, environment.target)}-{os.urandom(2).hex()}"
        if records.find_named(state, name) is None:
            return name


def _pin(record: Record, folder: str, emit: Emit) -> None:
    """Keep what the container is made of in the store, as long as its folder is there."""
    from shipway.core.digest import LockDigest, TreeKey
    from shipway.store.pins import write_pin
    from shipway.store.store import Store

    keys = [TreeKey(key) for key in record.environment.keys]
    write_pin(
        Store.open(emit=emit), folder, LockDigest.of(record.id.encode()), "container", keys=keys, blobs=()
    )


def start_lasting(start: Start, merge: Merge, task: Task, life: LifeOptions, *, own: bool) -> RunResult:
    """Make a container and start it; what became of it.

    Raises:
        ToolError: it could not be made or started; one that could not be started is not kept.
    """
    container, starting = make_lasting(start, life, task, own=own)
    around = Around(start.image, merge, start.fds, task.emit)
    try:
        code = begin_lasting(container, around, attached=not life.detach)
    except ToolError:
        made = records.read_record(container.folder) or container.record  # an engine may have made it already
        life_of(container.engine).remove(container._replace(record=made))
        raise
    finally:
        starting.release()
    if code is not None:
        return RunResult(code)
    log = log_file(container.folder, MAIN)
    return RunResult(0, name=container.name, id=container.id, log=log if os.path.exists(log) else "")


@contextlib.contextmanager
def held_start(container: Container) -> Iterator[None]:
    """Start a container that is there: nobody else does meanwhile, or takes its name.

    Raises:
        EngineError: somebody else does.
        NotFound: it was removed meanwhile.
    """
    state = state_dir()
    with records.naming(state):
        if records.read_record(container.folder) is None:
            raise records.no_container(state, container.name)
        starting = records.hold_start(container.folder)
    if starting is None:
        raise StartingAlready(container)
    try:
        if client.find_container(state, container.id).running:  # since the caller looked
            raise StartingAlready(container)
        yield
    finally:
        starting.release()


class Around:
    """What a start of a container needs of its surroundings."""

    def __init__(
        self,
        image: Callable[[], PortableImage],
        merge: Merge | None,
        fds: Sequence[int],
        emit: Emit,
    ):
        """`fds`: hold what the container is made of."""
        self.image = image
        self.merge = merge
        self.fds = fds
        self.emit = emit


def begin_lasting(container: Container, around: Around, *, attached: bool) -> int | None:
    """Start a container that does not run. `attached`: with the caller's streams from the first byte on.

    Returns the command's exit code, or None when it goes on without the caller.

    Raises:
        ToolError: it could not be started.
    """
    state = state_dir()
    record = container.record
    if record.begun and container.supervised:  # its trees are mounted anew, the engines' image stays
        from shipway.run.life.records import write_record

        record = record._replace(begun=())
        write_record(container.folder, record)
    begin = Begin(
        record=record,
        folder=container.folder,
        state=state,
        runtime=os.environ.get("XDG_RUNTIME_DIR", ""),
        read_request=lambda: read_request(record, state),
        image=around.image,
        merge=around.merge,
        emit=around.emit,
        keep=around.fds,
        ends=Ends() if attached else None,
    )
    return life_of(record.engine).begin(begin)


def read_request(record: Record, state: str) -> RunRequest:
    """The container as this host makes it now: as one that is thrown away, but with a top that lasts and the tools' folder."""
    from shipway.host.files import make_directory
    from shipway.run.start import read_run

    request = read_run(record.environment, record.asked, environ=os.environ, state=state)
    make_directory(f"{state}/tools")
    tools = Mount(f"{state}/tools", TOOLS, read_only=True)
    mounts = sorted((*request.mounts, tools), key=lambda mount: (mount.target.count("/"), mount.target))
    top = request.top if request.top is Top.READ_ONLY else Top.KEPT
    return request._replace(mounts=tuple(mounts), top=top, keep="")


def require_engine_of(container: Container) -> None:
    """Make sure that the container lives on at all.

    Raises:
        EngineError: it goes with the command that started it.
    """
    if not container.record.lasting:
        raise EngineError(
            f"`{container.name}` is thrown away with the command that started it",
            hints=("containers with a name live on: `shipway run --name NAME`, `shipway up`",),
        )
