"""The life of a container in Docker or Podman: what has to be there, the image, one call of the program, its end."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError, ExitCode
from shipway.core.events import Note
from shipway.host.attached import in_folder, run_attached
from shipway.host.files import translating_disk_errors
from shipway.run.bus_error import find_sign
from shipway.run.bus_watch import in_engine, watching
from shipway.run.inside import find_fault, find_start_fault
from shipway.run.memory_kills import explain_engine, find_kill, suspect_limit
from shipway.run.model import Outcome
from shipway.run.mounting import make_mount_sources, make_places
from shipway.run.oci.command import CID, plan_inputs, render_run
from shipway.run.oci.image import ensure_image, find_image, local_tag
from shipway.run.oci.options import is_other, laid_files, scratches
from shipway.run.oci.passing import end_left_behind, passed_signals
from shipway.run.oci.program import require_limits, require_program
from shipway.run.oci.trouble import LIMITS
from shipway.run.run_files import write_run_file, write_run_files
from shipway.run.secrets import FILE, open_variables, render_secrets, with_hidden
from shipway.run.top.names import opened_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shipway.core.events import Emit
    from shipway.image.portable import PortableImage
    from shipway.run.model import RunRequest
    from shipway.run.oci.command import Dialect
from shipway.run.oci.program import Program

_KILLED = (
    ExitCode.ENGINE,
    ExitCode.NOT_EXECUTABLE,
    ExitCode.COMMAND_NOT_FOUND,
    128 + signal.SIGTERM,
    128 + signal.SIGKILL,
)
"""What is answered when the service goes away: the program's own codes (Podman's by the words of the error that it met), or the
container's, which is ended as asked or after some patience."""
_NOT_STARTED = (ExitCode.COMMAND_NOT_FOUND, ExitCode.NOT_EXECUTABLE, ExitCode.FAILED)


def describe_oci(
    request: RunRequest, dialect: Dialect, image: Callable[[], PortableImage]
) -> tuple[str, ...]:
    """The line that would be run, for a shell, and what it reads from the run's folder.

    Raises:
        EngineError: the engine cannot do what is asked.
    """
    request = with_hidden(request, dialect.title)
    inputs = plan_inputs(open_variables(request))
    identity = request.image.config if request.image else image().image.config_digest
    return (
        shlex.join((dialect.name, *render_run(request, dialect, image=identity))),
        "",
        "RUN is a folder that lives as long as the container:",
        f"RUN/env holds the variables ({len(inputs.file.splitlines())} lines), readable by you alone",
        *(
            (f"RUN/{FILE} holds {' '.join(request.secrets)}, readable by you alone",)
            if request.secrets
            else ()
        ),
        *(f"RUN/{name} is what {target} is inside" for name, target in scratches(request)),
        *(f"RUN/files/{file.path} ({len(file.data)} bytes)" for file in laid_files(request)),
    )


def run_oci(
    request: RunRequest, dialect: Dialect, *, state: str, emit: Emit, image: Callable[[], PortableImage]
) -> Outcome:
    """Run the container to its end with the caller's terminal and streams.

    Raises:
        EngineError: it could not be started (125), or its command cannot be executed (126) or is not there (127).
        LimitError: a limit cannot be set by this engine.
        NoSpace: the disk is full.
    """
    request = with_hidden(request, dialect.title)
    render_run(
        request, dialect, image=""
    )  # what cannot be asked of the engine is refused before anything is made
    require_start(request, dialect)
    program = require_program(dialect)
    for note in (*request.notes, *owner_notes(request, dialect)):
        emit(Note(note, "warning"))
    make_mount_sources(request, state)
    require_limits(program, request)
    tag = local_tag(request, dialect)
    known = find_image(program, request.image, tag) if request.image else ""
    identity = known or ensure_image(program, image(), tag, emit)
    inputs = plan_inputs(open_variables(request))
    with opened_run(state) as folder:
        with translating_disk_errors(f"write below `{folder}`"):
            write_folder(folder, request, inputs.file)
        words = render_run(request, dialect, image=identity, folder=folder)
        written = f"{folder}/{dialect.name}{CID}"
        signals = passed_signals(tty=request.tty)
        with (
            in_folder(folder),
            _following_owner(program, request, emit),
            watching(in_engine(lambda: _read_id(written))) as seen,
        ):
            code = run_attached((program.path, *words), {**os.environ, **dict(inputs.inherited)}, signals)
            code = end_left_behind(program, _find_id(written), signals.came, code, emit)
        killed = code and find_kill(folder, 0.0)
    _require_started(program, request, code)
    limit = request.limits.memory
    if memory := explain_engine(limit) if killed else suspect_limit(code, limit):
        emit(Note(memory, "warning"))
    return Outcome(code, dialect.name, find_sign(code, seen.count) or "")


@contextlib.contextmanager
def _following_owner(program: Program, request: RunRequest, emit: Emit) -> Iterator[None]:
    """Say it when the container ends whose network this one shares."""
    if not request.beside or request.pid_space:  # who shares processes ends with the other
        yield
        return
    from shipway.run.life.beside import explain_lost, warner  # noqa: PLC0415 - few share one
    from shipway.run.life.oci_beside import following_owner  # noqa: PLC0415

    def ended() -> None:
        warner(emit, tty=request.tty)(explain_lost(request.beside))

    with following_owner(program, request.beside, None, ended):
        yield


def _read_id(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def _find_id(path: str) -> str:
    """Empty where the container was not made."""
    try:
        return _read_id(path)
    except OSError:
        return ""


def require_start(request: RunRequest, dialect: Dialect) -> None:
    """Make sure that the engine has or makes the folder that the command starts in.

    Raises:
        EngineError: it has none.
    """
    fault = None if dialect.makes_workdir else find_start_fault(request)
    if fault is not None:
        raise fault


def owner_notes(request: RunRequest, dialect: Dialect) -> tuple[str, ...]:
    """What to say about whose files it writes."""
    if not is_other(request, dialect):
        return ()
    who = "root" if request.account.uid == 0 else f"user {request.account.uid}"
    return (
        f"what it writes into mounts belongs to {who} on this machine, and it has no home folder of yours",
    )


def write_folder(folder: str, request: RunRequest, env: bytes) -> None:
    """What the container reads from its folder: variables, the files laid over the environment, and room for `/tmp`.

    Raises:
        OSError: it cannot be written.
    """
    write_run_file(f"{folder}/env", env, 0o600)
    if request.secrets:
        # Whoever runs inside may read it; on the host nobody else can enter the folder.
        write_run_file(f"{folder}/{FILE}", render_secrets(request), 0o444)
    for name, target in scratches(request):
        os.mkdir(f"{folder}/{name}")
        os.chmod(f"{folder}/{name}", 0o1777)  # noqa: S103 - what /tmp is inside
        make_places(request, target, f"{folder}/{name}")
    write_run_files(folder, request)


def _require_started(program: Program, request: RunRequest, code: int) -> None:
    """Tell the engine's own codes from the command's: 125 to 127 mean both, and Podman's init answers 1."""
    if code in _NOT_STARTED:
        fault = find_fault(request)
        if fault is not None:
            raise fault
    gone = program.find_gone("the container ran") if code in _KILLED else None
    if gone is not None:
        hint = f"`{program.dialect.name} ps` lists the container then, if it is still there"
        raise EngineError(gone.message, hints=(*gone.hints, hint), detail=gone.detail)
    _require_reason(program, request, code)


def _require_reason(program: Program, request: RunRequest, code: int) -> None:
    """Say more than the engine's program did about a container that it could not start."""
    title = program.dialect.title
    where = program.endpoint() if code == ExitCode.ENGINE else ""
    if where:
        raise EngineError(
            f"{title} at `{where}` did not run the container",
            hints=(
                "that machine needs the project, the state folder and all mounts at the same paths, as on a shared disk",
                "use `--engine native` or a local engine for folders of this machine",
            ),
        )
    asked = ((request.gpus, program.dialect.gpus), (request.ulimits, LIMITS))
    hints = tuple(hint for wish, hint in asked if wish)
    if hints and code in (ExitCode.ENGINE, ExitCode.NOT_EXECUTABLE):
        raise EngineError(
            f"{title} ended with {code}, as it does when it cannot start a container",
            hints=hints,
            code=ExitCode(code),
        )
