"""What entering a container needs to know: variables from words and files, logs that are there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError
from shipway.core.events import Note
from shipway.run.life.client import Ends, exec_in, list_services, require_running, start_service, tell_lost
from shipway.run.life.lives import life_of
from shipway.run.life.log_read import Piece, Wanted, follow_log, read_log, render_times
from shipway.run.life.log_write import log_file
from shipway.run.life.model import MAIN
from shipway.run.words import parse_assignment, require_container_name
from shipway.verbs.containers import lives, require_service
from shipway.verbs.invocation import read_env_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipway.core.events import Emit
    from shipway.run.life.model import Container
    from shipway.verbs.containers import Named

__all__ = [
    "LogRequest",
    "Piece",
    "exec_in",
    "join",
    "read_pieces",
    "read_variables",
    "require_free",
    "require_log",
    "require_running",
    "serve",
]


class LogRequest(NamedTuple):
    """Which part of a log, and how."""

    follow: bool
    last: int | None
    """So many lines; None: all."""
    timestamps: bool
    since: float
    """Seconds since 1970."""
    until: float
    """The same; 0: no end."""


def read_variables(words: Sequence[str], files: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The variables of `-e` and `--env-file`; the former win.

    Raises:
        ToolError: one has the wrong form, or a file cannot be read.
    """
    pairs = [pair for path in files for pair in read_env_file(path)]
    pairs += [pair for text in words if (pair := parse_assignment(text, os.environ))]
    return tuple(dict(pairs).items())


def serve(
    container: Container,
    name: str,
    argv: Sequence[str],
    env: Sequence[tuple[str, str]],
    *,
    cwd: str,
    tty: bool,
    emit: Emit,
) -> str:
    """Start a service; the file that its output goes to.

    Raises:
        ToolError: it could not be started, or its name is none.
    """
    require_free(container, name)
    tell_lost(container, emit)
    start_service(container, name, argv, env=env, cwd=cwd, tty=tty)
    return log_file(container.folder, name)


def require_free(container: Container, name: str) -> None:
    """Make sure that a service could be started by that name.

    Raises:
        ToolError: it is none, or in use, or the container does not run.
    """
    require_running(container)
    require_container_name(name)
    if any(one.name == name and not one.ended for one in list_services(container)):
        raise EngineError(
            f"`{name}` runs already in `{container.name}`",
            hints=(
                f"end it first: `shipway stop {container.name}/{name}`",
                "or choose another name: `--service NAME`",
            ),
        )


def join(named: Named, emit: Emit) -> int | None:
    """Join the streams of a container's command, or of a service; its exit code, None when it was left by the keys for that.

    Raises:
        EngineError: it does not run.
    """
    require_running(named.container)
    tell_lost(named.container, emit)
    if os.isatty(0) and not _has_terminal(named):
        name = f"{named.container.name}/{named.service}" if named.service else named.container.name
        emit(
            Note(
                f"`{name}` has no terminal of its own: Ctrl-C is for its command, and Ctrl-P Ctrl-Q does nothing; "
                f"`shipway logs -f {name}` only looks"
            )
        )
    return life_of(named.container.engine).attach(named.container, named.service, Ends(), emit)


def _has_terminal(named: Named) -> bool:
    if named.service:
        return require_service(named.container, named.service).tty
    return named.container.record.asked.tty


def read_pieces(named: Named, request: LogRequest, emit: Emit) -> Iterable[Piece]:
    """What was written, and with `follow` what comes, until the command is over.

    Raises:
        EngineError: it keeps no log.
        NotFound: it never had such a service.
    """
    container, service = named
    if service and not os.path.exists(log_file(container.folder, service)):
        require_service(container, service)
    name = service or MAIN
    require_log(container, name)
    tell_lost(container, emit)
    life_of(container.engine).refresh(container)
    wanted = Wanted(request.last, request.since, request.until)
    if request.follow:
        pieces = follow_log(container.folder, name, wanted, lambda: lives(container, service))
    else:
        pieces = read_log(container.folder, name, wanted)
    return render_times(pieces) if request.timestamps else pieces


def require_log(container: Container, service: str) -> None:
    """Make sure that the container keeps a log.

    Raises:
        EngineError: it was told to keep none, or goes with its command.
    """
    if not container.record.lasting:
        raise EngineError(
            f"`{container.name}` writes to the terminal that it was started from, and nowhere else",
            hints=("with `--name NAME` or `--detach` its output is kept",),
        )
    driver = container.record.options.log.driver
    if driver in ("none", "syslog", "journald") and not os.path.exists(log_file(container.folder, service)):
        where = "keeps no log" if driver == "none" else f"writes to {driver}"
        raise EngineError(
            f"`{container.name}` was made with `--log-driver {driver}`, so it {where}",
            hints=("leave `--log-driver` out for a log that `shipway logs` reads",),
        )
