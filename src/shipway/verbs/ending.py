"""Containers and their services brought to an end: stopped, killed, removed."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError, NotFound
from shipway.core.events import Note
from shipway.core.text import shown
from shipway.host.dirs import state_dir
from shipway.run.life import client, records
from shipway.run.life.journal import write_event
from shipway.run.life.lives import life_of
from shipway.run.life.model import State
from shipway.verbs.containers import LIVES, Named, list_all, require_service, settled
from shipway.verbs.lasting import held_start

if TYPE_CHECKING:
    from shipway.core.events import Emit
    from shipway.run.life.model import Container
    from shipway.verbs.context import Task

_ENDED = (State.CREATED, State.EXITED)
_POLL = 0.02
_KILL_PATIENCE = 10.0
"""Seconds for what is killed to be gone, as long as Docker's `kill` waits."""


class TakenDown(NamedTuple):
    """What `down` did, or would do, by the names of containers."""

    ended: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]
    """Of the project, too, and ended, now or before."""
    dry_run: bool
    others: tuple[str, ...] = ()
    """Of the project, and of another target than the one that was asked for."""


def list_ended(task: Task) -> tuple[Container, ...]:
    """All on this machine that have ended, and are of the caller."""
    listed = (one.container for one in list_all(task, every=True, here=False))
    ended = (one for one in listed if one.status.state in _ENDED and one.record.lasting)
    return tuple(one for one in ended if not records.is_being_started(one.folder))


def is_alive(named: Named) -> bool:
    """Whether it runs, or waits to be started again.

    Raises:
        EngineError: its engine does not answer.
    """
    container, service = named
    client.require_known(container)
    if service:
        return not require_service(container, service).ended
    return container.status.state in LIVES


def stop(named: Named, patience: float, emit: Emit) -> int:
    """End it: ask, and kill after `patience` seconds. Returns its exit code.

    Raises:
        EngineError: its engine does not answer.
        NotFound: there is no such service.
    """
    container, service = named._replace(container=settled(named.container, emit))
    client.require_known(container)
    if service and (there := require_service(container, service)).ended:
        emit(Note(f"`{container.name}/{shown(service)}` has ended already"))
        return there.code
    if not service and container.status.state not in LIVES:
        emit(Note(f"`{container.name}` has ended already"))
        return container.status.code
    code = life_of(container.engine).stop(container, patience, service)
    if container.record.lasting:
        write_event(state_dir(), container.record, "stop", code=code, detail=service)
    return code


def require_alive(named: Named, number: int) -> None:
    """Make sure that a signal would do something.

    Raises:
        EngineError: it does not run.
        NotFound: there is no such service.
    """
    if not _is_final(named, number):
        client.require_running(named.container)
    if named.service and require_service(*named).ended:
        raise EngineError(
            f"`{shown(named.container.name)}/{shown(named.service)}` has ended",
            hints=("`shipway ps` lists what runs",),
        )


def _is_final(named: Named, number: int) -> bool:
    """Whether it waits to be started again, which it is not to be any more."""
    waits = named.container.status.state is State.RESTARTING and not named.service
    return waits and number == signal.SIGKILL


def kill(named: Named, number: int, emit: Emit) -> None:
    """Send a signal; after SIGKILL it has ended, whatever its restart policy.

    Raises:
        EngineError: it does not run.
        NotFound: there is no such service.
    """
    named = named._replace(container=settled(named.container, emit))
    require_alive(named, number)
    if _is_final(named, number):
        stop(named, 0.0, emit)
        return
    life_of(named.container.engine).signal(named.container, number, named.service)
    if number == signal.SIGKILL:
        _await_end(named)


def _await_end(named: Named) -> None:
    """What looks next, sees that it has ended."""
    deadline = time.monotonic() + _KILL_PATIENCE
    with contextlib.suppress(NotFound):  # it goes with its end
        while time.monotonic() < deadline and _runs(named):
            time.sleep(_POLL)


def _runs(named: Named) -> bool:
    container = client.find_container(state_dir(), named.container.id)
    return container.running and not (named.service and require_service(container, named.service).ended)


def remove(container: Container, *, force: bool, emit: Emit, dry_run: bool = False) -> str:
    """Remove a container and say so, or with `dry_run` do nothing; its name and what goes with it, in words.

    Raises:
        EngineError: it runs, and is not to be ended.
    """
    if not container.record.lasting:
        raise EngineError(
            f"`{container.name}` is removed by itself when its command ends",
            hints=(f"end it: `shipway stop {container.name}`",),
        )
    container = settled(container, emit)
    if container.status.state in LIVES:
        if not force:
            raise EngineError(
                f"`{container.name}` runs",
                hints=(
                    f"end it first: `shipway stop {container.name}`",
                    f"or both at once: `shipway rm --force {container.name}`",
                ),
            )
        if not dry_run:
            life_of(container.engine).stop(container, 0.0)
            if records.read_record(container.folder) is None:  # as `--rm` asks
                emit(Note(f"removed `{container.name}`"))
                return f"`{container.name}`"
    from shipway.run.life.upper import describe_files
    from shipway.verbs.tops import measure_own

    own = measure_own(container)
    lost = describe_files(own.files, own.size) + " that it wrote outside mounts" if own.files else ""
    told = f"`{container.name}`" + (f", and with it {lost}" if lost else "")
    if not dry_run:
        with held_start(container):
            life_of(container.engine).remove(container)
        write_event(state_dir(), container.record, "remove", detail=lost)
        emit(Note(f"removed {told}"))
    return told


def take_down(task: Task, patience: float, *, keep_files: bool, dry_run: bool) -> TakenDown:
    """End every container of this project, or of `task.target` alone, and remove those that `up` made.

    Raises:
        EngineError: an engine does not answer.
    """
    ended, removed, kept, others = [], [], [], []
    for container, _ in list_all(task, every=True, here=True):
        if task.target not in ("", container.target):
            others.append(container.name)
            continue
        client.require_known(container)
        if container.status.state in LIVES:
            ended.append(container.name)
            if not dry_run:
                stop(Named(container), patience, task.emit)
        if container.record.own and not keep_files:
            removed.append(container.name)
            if not dry_run:
                remove(client.find_container(state_dir(), container.id), force=True, emit=task.emit)
        elif container.record.lasting and not container.record.options.rm:
            kept.append(container.name)
    return TakenDown(tuple(ended), tuple(removed), tuple(kept), dry_run, tuple(others))
