"""What others call: containers found, listed, entered, changed, whatever runs them.

`state` is the state folder (`host.dirs.state_dir`). Containers are values of one moment; what has changed since is found out
by whatever is asked of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError
from shipway.core.events import Emit, Note, silent
from shipway.core.text import shown
from shipway.run.life import anonymous, records
from shipway.run.life.lives import Asked, life_of
from shipway.run.life.model import Captured, Container, Put, Record, Service, State
from shipway.run.life.relay import Ends

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipway.run.model import Environment

__all__ = ["Asked", "Captured", "Container", "Ends", "Put", "Service", "State"]


def list_containers(state: str) -> tuple[Container, ...]:
    """All, oldest first; those that are thrown away at their end among them.

    Raises:
        EngineError: an engine that has some of them does not answer.
    """
    pairs = records.list_records(state)
    found = {}
    for engine in sorted({record.engine for record, _ in pairs}):
        mine = [pair for pair in pairs if pair[0].engine == engine]
        statuses = life_of(engine).statuses(mine)
        for (record, folder), status in zip(mine, statuses, strict=True):
            if status is not None:
                found[record.id] = Container(record, status, folder)
    lasting = [found[record.id] for record, _ in pairs if record.id in found]
    return tuple(sorted([*lasting, *anonymous.list_runs(state)], key=lambda one: one.record.made))


def find_container(state: str, name: str) -> Container:
    """The container called `name`, or whose id begins so.

    Raises:
        NotFound: there is none.
        EngineError: its engine does not answer.
    """
    found = look_up(state, name)
    if found is None:
        raise records.no_container(state, name)
    return found


def look_up(state: str, name: str) -> Container | None:
    """The same; None when there is none.

    Raises:
        EngineError: its engine does not answer.
    """
    found = records.find_record(state, name)
    if found is not None:
        return _now(*found)
    for one in anonymous.list_runs(state):
        if name == one.name or (len(name) > 2 and one.id.startswith(name)):  # noqa: PLR2004 - fewer say nothing
            return one
    return None


def _now(record: Record, folder: str) -> Container | None:
    [status] = life_of(record.engine).statuses([(record, folder)])
    return Container(record, status, folder) if status is not None else None


def find_own(state: str, project: str, target: str = "") -> Container | None:
    """The container that `up` made for a target of the project; without `target`, of any, one that runs first."""
    mine = [
        pair
        for pair in records.list_records(state)
        if pair[0].own
        and pair[0].environment.project == project
        and target in ("", pair[0].environment.target)
    ]
    found = [one for pair in mine if (one := _now(*pair)) is not None]
    running = [one for one in found if one.running]
    return next(iter((*running, *found)), None)


def require_known(container: Container) -> None:
    """Make sure that its engine has said how it stands.

    Raises:
        EngineError: it has not.
    """
    if container.status.state is State.UNKNOWN:
        from shipway.run.life.oci_life import dialect_of  # noqa: PLC0415 - an engine that does not answer

        raise EngineError(
            f"whether `{shown(container.name)}` runs is not known: {shown(container.status.reason)}",
            hints=(dialect_of(container.engine).stopped,),
        )


def require_running(container: Container) -> None:
    """Make sure that something can be asked of it.

    Raises:
        EngineError: it does not run, or nobody knows.
    """
    require_known(container)
    if not container.running:
        if records.is_being_started(container.folder):
            raise EngineError(
                f"the container `{shown(container.name)}` is being started by another command",
                hints=("`shipway ps` lists it when it runs",),
            )
        raise EngineError(
            f"the container `{shown(container.name)}` does not run",
            hints=(
                f"start it: `shipway start {container.name}`",
                f"`shipway logs {container.name}` shows what it wrote",
            ),
        )


def tell_lost(container: Container, emit: Emit) -> None:
    """Say it where the container whose network this one shares has ended."""
    if container.status.lost_network:
        from shipway.run.life.beside import explain_container  # noqa: PLC0415 - few share one

        emit(Note(explain_container(container), "warning"))


def exec_in(
    container: Container,
    argv: Sequence[str],
    *,
    env: Sequence[tuple[str, str]] = (),
    cwd: str = "",
    tty: bool = False,
    user: str = "",
    ends: Ends | None = None,
    interactive: bool = True,
    emit: Emit = silent,
) -> int | None:
    """Run `argv` in the running container with the caller's streams; its exit code, None when its terminal was left.

    Raises:
        EngineError: it could not be started (125), executed (126) or found (127), or the container does not run.
    """
    require_running(container)
    tell_lost(container, emit)
    asked = Asked(tuple(argv), tuple(env), cwd, tty, user, interactive)
    return life_of(container.engine).execute(container, asked, ends or Ends(), emit)


def exec_captured(
    container: Container,
    argv: Sequence[str],
    *,
    data: bytes = b"",
    env: Sequence[tuple[str, str]] = (),
    cwd: str = "",
    user: str = "",
) -> Captured:
    """The same with `data` as its input, and its output kept."""
    require_running(container)
    return life_of(container.engine).capture(container, Asked(tuple(argv), tuple(env), cwd, user=user), data)


def start_service(
    container: Container,
    name: str,
    argv: Sequence[str],
    *,
    env: Sequence[tuple[str, str]] = (),
    cwd: str = "",
    tty: bool = False,
) -> None:
    """Start a command that stays, with a log of its own (`log_write.log_file`).

    Raises:
        EngineError: it could not be started, or one of that name runs.
    """
    require_running(container)
    asked = Asked(tuple(argv), tuple(env), cwd, tty, interactive=tty)
    life_of(container.engine).start_service(container, name, asked)


def stop_service(container: Container, name: str, patience: float = 10.0) -> int:
    """End a service; its exit code.

    Raises:
        EngineError, NotFound: none of that name runs.
    """
    require_running(container)
    return life_of(container.engine).stop(container, patience, name)


def list_services(container: Container) -> tuple[Service, ...]:
    """Those that run, and those that have ended since the container was started."""
    return life_of(container.engine).services(container) if container.running else ()


def apply_changes(container: Container, removals: Sequence[str], puts: Iterable[Put]) -> None:
    """Take the paths `removals` (relative to the root inside) out of the running container, then put files in.

    Raises:
        EngineError: it could not be done; some of it may have been.
    """
    require_running(container)
    life_of(container.engine).apply(container, removals, puts)


def record_applied(container: Container, environment: Environment) -> Container:
    """Note that the container's files are those of `environment` by now; its next start is made from that."""
    begun = container.record.begun or container.environment.keys
    record = container.record._replace(environment=environment, begun=begun)
    records.write_record(container.folder, record)
    return container._replace(record=record)


def namespaces(container: Container) -> dict[str, int]:
    """Open descriptors of the namespaces of a running container that a supervisor of ours runs, by name; the caller closes them.

    Raises:
        EngineError: it does not run, or another engine runs it.
    """
    from shipway.run.life.supervised_life import ask_namespaces  # noqa: PLC0415 - only joining needs it

    require_running(container)
    if not container.supervised:
        raise EngineError(
            f"`{container.name}` is run by {container.engine}, whose namespaces are its own",
            hints=("join it by the same engine",),
        )
    return ask_namespaces(container.folder)


def new_id() -> str:
    """Twelve hexadecimal digits that nobody else has."""
    return os.urandom(6).hex()


def rename(container: Container, record: Record) -> None:
    """Write the record under its new name."""
    records.write_record(container.folder, record)
