"""Containers by the names that people type: found, listed, entered, ended, started again, removed."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError, ExitCode, NotFound, ToolError
from shipway.core.events import Note
from shipway.core.text import shown
from shipway.host.dirs import state_dir
from shipway.run.life import client
from shipway.run.life.journal import write_event
from shipway.run.life.lives import life_of
from shipway.run.life.model import MAIN, Container, Service, State
from shipway.run.life.native_top import describe_files
from shipway.verbs.find import find_folder
from shipway.verbs.tops import measure_own

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipway.core.events import Emit
    from shipway.verbs.context import Task

__all__ = ["Container", "Service"]
LIVES = (State.RUNNING, State.RESTARTING, State.PAUSED)
_POLL = 0.05


class Named(NamedTuple):
    """A container, or one service in it."""

    container: Container
    service: str = ""
    """Empty: the container's own command."""


class Listed(NamedTuple):
    """A line of `ps`."""

    container: Container
    services: tuple[Service, ...]


def find_named(name: str, task: Task) -> Named:
    """What `NAME` or `NAME/SERVICE` means; an empty name is the project's own container.

    Raises:
        NotFound: there is none.
    """
    head, _, service = name.partition("/")
    if head:
        return Named(client.find_container(state_dir(), head), service)
    return Named(require_own(task), service)


def require_own(task: Task) -> Container:
    """The container that `up` made for this project.

    Raises:
        NotFound: there is none.
    """
    folder = find_folder(task.directory)
    found = client.find_own(state_dir(), folder, task.target)
    if found is None:
        raise NotFound(
            f"the project in `{shown(folder)}` has no container",
            hints=("start one: `shipway up`", "or name another: `shipway ps -a` lists all"),
        )
    return found


def choose_words(words: Sequence[str], task: Task) -> tuple[Container, tuple[str, ...]]:
    """The container that the first word names, and the words behind it; else the project's own, and all words.

    Raises:
        NotFound: neither is there.
    """
    state = state_dir()
    if words:
        try:
            return client.find_container(state, words[0]), tuple(words[1:])
        except NotFound:
            own = client.find_own(state, find_folder(task.directory), task.target)
            if own is None:
                raise
            return own, tuple(words)
    return require_own(task), ()


@contextlib.contextmanager
def explaining_words(container: Container, words: Sequence[str]) -> Iterator[None]:
    """Say of a first word that was taken for a command, and is none, that no container is called so either."""
    try:
        yield
    except EngineError as error:
        is_command = bool(words) and words[0] != container.name and not container.id.startswith(words[0])
        if error.code is ExitCode.COMMAND_NOT_FOUND and is_command and len(words) > 1:
            error.hints = (
                f"no container is called `{shown(words[0])}` either: `shipway ps` lists them",
                *error.hints,
            )
        raise


def list_all(task: Task, *, every: bool, here: bool) -> tuple[Listed, ...]:
    """What `ps` shows. `every`: also those that have ended. `here`: only those of this project."""
    folder = find_folder(task.directory) if here else ""
    chosen = [
        one
        for one in client.list_containers(state_dir())
        if (every or one.status.state in LIVES) and folder in ("", one.project)
    ]
    return tuple(Listed(one, client.list_services(one)) for one in chosen)


def stop(named: Named, patience: float, emit: Emit) -> int:
    """End it: ask, and kill after `patience` seconds. Returns its exit code.

    Raises:
        NotFound: no such service runs.
    """
    container, service = named
    if not service and container.status.state not in LIVES:
        emit(Note(f"`{container.name}` has ended already"))
        return container.status.code
    code = life_of(container.engine).stop(container, patience, service)
    if container.record.lasting:
        write_event(state_dir(), container.record, "stop", code=code, detail=service)
    return code


def kill(named: Named, number: int) -> None:
    """Send a signal.

    Raises:
        EngineError: it does not run.
    """
    client.require_running(named.container)
    life_of(named.container.engine).signal(named.container, number, named.service)


def remove(container: Container, *, force: bool, emit: Emit) -> None:
    """Remove a container, and say what goes with it.

    Raises:
        EngineError: it runs, and is not to be ended.
    """
    if not container.record.lasting:
        raise EngineError(
            f"`{container.name}` is removed by itself when its command ends",
            hints=(f"end it: `shipway stop {container.name}`",),
        )
    if container.status.state in LIVES:
        if not force:
            raise EngineError(
                f"`{container.name}` runs",
                hints=(
                    f"end it first: `shipway stop {container.name}`",
                    f"or both at once: `shipway rm --force {container.name}`",
                ),
            )
        life_of(container.engine).stop(container, 0.0)
    own = measure_own(container)
    life_of(container.engine).remove(container)
    lost = describe_files(own.files, own.size) + " that it wrote outside mounts" if own.files else ""
    write_event(state_dir(), container.record, "remove", detail=lost)
    emit(Note(f"removed `{container.name}`" + (f", and with it {lost}" if lost else "")))


def take_down(task: Task, patience: float, *, keep_files: bool) -> tuple[list[str], list[str]]:
    """End every container of this project and remove those that `up` made; the names of both.

    Raises:
        EngineError: an engine does not answer.
    """
    ended, removed = [], []
    for container, _ in list_all(task, every=True, here=True):
        if container.status.state in LIVES:
            stop(Named(container), patience, task.emit)
            ended.append(container.name)
        if container.record.own and not keep_files:
            remove(client.find_container(state_dir(), container.id), force=True, emit=task.emit)
            removed.append(container.name)
    return ended, removed


def wait_for(named: Named, emit: Emit) -> int:
    """Wait until it is over, and say why it ended where there is more to say than its exit code, which is returned."""
    container, service = named
    if service:
        return _wait_service(container, service)
    while container.status.state in LIVES or container.status.state is State.CREATED:
        time.sleep(_POLL)
        try:
            container = client.find_container(state_dir(), container.id)
        except NotFound:  # it was removed at its end
            return container.status.code
    if container.record.lasting and not container.record.options.rm:
        life_of(container.engine).refresh(container)  # what keeps its log knows more of the end
        container = client.find_container(state_dir(), container.id)
    if container.status.reason:
        emit(Note(f"`{container.name}`: {container.status.reason}", "warning"))
    return container.status.code


def _wait_service(container: Container, name: str) -> int:
    while not (found := require_service(container, name)).ended:
        time.sleep(_POLL)
    return found.code


def require_service(container: Container, name: str) -> Service:
    """The service of that name, which may have ended.

    Raises:
        NotFound: there is none.
    """
    there = {one.name: one for one in client.list_services(container)}
    if name not in there:
        raise NotFound(
            f"`{shown(container.name)}` has no service `{shown(name)}`",
            hints=(
                f"there are {', '.join(f'`{shown(one)}`' for one in there)}"
                if there
                else f"start one: `shipway exec -d --service {shown(name)} {shown(container.name)} COMMAND`",
            ),
        )
    return there[name]


def rename(container: Container, name: str) -> None:
    """Give it another name.

    Raises:
        ToolError: the name is in use, or none.
    """
    from shipway.run.life import records
    from shipway.run.words import require_container_name

    state = state_dir()
    require_container_name(name)
    with records.naming(state):
        if records.find_record(state, name) is not None:
            raise ToolError(
                f"a container `{shown(name)}` is there already",
                hints=("choose another name",),
                code=ExitCode.ENGINE,
            )
        life_of(container.engine).rename(container, name)
        records.write_record(container.folder, container.record._replace(name=name))
    write_event(state, container.record._replace(name=name), "rename", detail=container.name)


def lives(container: Container, service: str) -> bool:
    """Whether more may still be written to a log."""
    try:
        now = client.find_container(state_dir(), container.id)
    except NotFound:
        return False
    if not service or service == MAIN:
        return now.status.state in LIVES or now.status.state is State.CREATED
    return any(one.name == service and not one.ended for one in client.list_services(now))
