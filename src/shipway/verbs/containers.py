"""Containers by the names that people type: found, listed, renamed."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError, ExitCode, NotFound, ToolError
from shipway.core.events import Note
from shipway.core.text import shown
from shipway.host.dirs import state_dir
from shipway.host.lock import is_locked
from shipway.run.life import client, records
from shipway.run.life.journal import write_event
from shipway.run.life.lives import life_of
from shipway.run.life.model import MAIN, Container, Service, State
from shipway.run.life.records import LOCK, no_container
from shipway.verbs.find import find_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipway.core.events import Emit
    from shipway.verbs.context import Task

__all__ = ["Container", "Service"]
_POLL = 0.02
LIVES = (State.RUNNING, State.RESTARTING, State.PAUSED)


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


def find_whole(name: str, task: Task) -> Container:
    """The container `NAME`, where a service of it cannot be meant; an empty name is the project's own.

    Raises:
        NotFound: there is none.
        ToolError: a service is named.
    """
    container, service = find_named(name, task)
    if service:
        raise ToolError(
            f"`{shown(name)}` names a service, and only the whole container can be meant here",
            hints=(
                f"the container is `{container.name}`",
                f"services end by `shipway stop {shown(name)}` and begin by `shipway exec -d --service NAME`",
            ),
            code=ExitCode.USAGE,
        )
    return container


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


def find_running_own(task: Task) -> Container | None:
    """The container that `up` made for this project, while it runs."""
    found = client.find_own(state_dir(), find_folder(task.directory), task.target)
    found = settled(found, task.emit) if found is not None else None
    return found if found is not None and found.status.state is State.RUNNING else None


def choose_words(words: Sequence[str], task: Task) -> tuple[Container, tuple[str, ...]]:
    """The container that the first word names, and the words behind it and a `--`; else the project's own, and all words.

    Raises:
        NotFound: neither is there.
    """
    state = state_dir()
    if words:
        named = client.look_up(state, words[0])
        if named is not None:
            rest = tuple(words[1:])
            return named, rest[1:] if rest[:1] == ("--",) else rest
        own = client.find_own(state, find_folder(task.directory), task.target)
        if own is None:
            missing = no_container(state, words[0])
            raise NotFound(
                f"{missing.message}, and the project has none of its own for a command",
                hints=("start the project's: `shipway up`", "or name another: `shipway ps -a` lists all"),
            )
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


def settled(container: Container, emit: Emit) -> Container:
    """The container once nobody is starting it any more, which this waits for: who types its name means the one about to run.

    Raises:
        NotFound: its start was given up.
    """
    told = False
    while container.status.state not in LIVES and records.is_being_started(container.folder):
        if not told:
            emit(Note(f"`{container.name}` is being started by another command, which this waits for"))
            told = True
        time.sleep(_POLL)
        container = client.find_container(state_dir(), container.id)
    return container


def list_all(task: Task, *, every: bool, here: bool) -> tuple[Listed, ...]:
    """What `ps` shows. `every`: also those of which it is known that they do not run. `here`: only those of this project."""
    folder = find_folder(task.directory) if here else ""
    chosen = [
        one
        for one in client.list_containers(state_dir())
        if (every or one.status.state in (*LIVES, State.UNKNOWN)) and folder in ("", one.project)
    ]
    return tuple(Listed(one, client.list_services(one)) for one in chosen)


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


def rename(container: Container, name: str, *, dry_run: bool = False) -> str:
    """Give it another name, or with `dry_run` only see whether it can have it; the name before.

    Raises:
        ToolError: the name is in use, or none.
    """
    from shipway.run.words import require_container_name
    from shipway.verbs.lasting import require_engine_of

    state = state_dir()
    require_engine_of(container)
    require_container_name(name)
    with records.naming(state):
        if records.find_record(state, name) is not None:
            raise ToolError(
                f"a container `{shown(name)}` is there already",
                hints=("choose another name",),
                code=ExitCode.ENGINE,
            )
        if dry_run:
            return container.name
        life_of(container.engine).rename(container, name)
        records.write_record(container.folder, container.record._replace(name=name))
    write_event(state, container.record._replace(name=name), "rename", detail=container.name)
    return container.name


def lives(container: Container, service: str) -> bool:
    """Whether more may still be written to a log."""
    try:
        now = client.find_container(state_dir(), container.id)
    except NotFound:
        return False
    if now.status.state is State.UNKNOWN:  # whoever keeps its log waits for the engine, too
        return is_locked(f"{now.folder}/{LOCK}")
    if not service or service == MAIN:
        return now.status.state in LIVES or now.status.state is State.CREATED
    return any(one.name == service and not one.ended for one in client.list_services(now))
