"""Containers of Docker and Podman: the engine owns them; beside each stands a keeper that follows its log and its end.

Whatever starts a process of theirs does so in the container's own folder: Podman's monitor leaves a file `oom` where it was
started when the kernel kills for memory, and the caller's folder is the caller's.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError, ExitCode
from shipway.core.events import Note, silent
from shipway.core.text import shown
from shipway.host.attached import in_folder
from shipway.host.files import translating_disk_errors
from shipway.host.lock import is_locked
from shipway.host.proc import run
from shipway.run.bus_error import Sign, explain_sign, find_sign
from shipway.run.bus_watch import find_mark, in_engine, mark, watching
from shipway.run.inside import command_missing, find_fault, folder_missing
from shipway.run.life import oci_services, records
from shipway.run.life.keeper import COMPLETE, STOPPED, spawn_keeper
from shipway.run.life.model import Captured, Container, State, Status, memory_limit, shm_size
from shipway.run.life.oci_secrets import has_secrets, renew_secrets
from shipway.run.life.oci_status import UNWATCHED, inspect_containers, read_changed, says_missing
from shipway.run.life.oci_terminal import run_joined
from shipway.run.life.relay import Ends
from shipway.run.life.upper import describe_lost, describe_removal
from shipway.run.memory_kills import explain_engine, find_kill, meter_of
from shipway.run.model import ImageIds
from shipway.run.mounting import make_mount_sources
from shipway.run.oci.command import plan_inputs, render_create
from shipway.run.oci.engine import owner_notes, require_start, write_folder
from shipway.run.oci.image import ensure_image, find_image, local_tag
from shipway.run.oci.passing import end_left_behind, passed_signals
from shipway.run.oci.program import Program, require_limits, require_program
from shipway.run.secrets import open_variables, with_hidden, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shipway.core.events import Emit
    from shipway.host.proc import Finished
    from shipway.run.life.lives import Asked, Begin, Changed
    from shipway.run.life.model import Put, Record, Service
    from shipway.run.life.processes import Process
    from shipway.run.model import RunRequest
    from shipway.run.oci.command import Dialect

_LOG_PATIENCE = 6.0
"""Seconds that an end waits for the keeper to have read the last of the log: two for a follower that does not end
(`keeper._LAST`), and several questions to a slow engine.
"""
_REMOVAL_PATIENCE = 10.0
_END_PATIENCE = 2.0
_NO_MONITOR = b"timed out waiting for file"
"""What Podman says that waited for a monitor which was killed."""
_POLL = 0.02
_LACKING = 3


class OciLife:
    """See `lives.Life`."""

    def __init__(self, engine: str):
        self.engine = engine

    def _program(self) -> Program:
        return require_program(dialect_of(self.engine))

    def statuses(self, pairs: Sequence[tuple[Record, str]]) -> list[Status | None]:
        """One question for all; an engine that does not answer makes them unknown, which is no error here."""
        try:
            found = inspect_containers(
                self._program(), [record.engine_id for record, _ in pairs if record.engine_id]
            )
        except EngineError as error:
            unknown = Status(State.UNKNOWN, reason=error.message)
            return [unknown for _ in pairs]
        found |= self._without_network(pairs, found)
        return [
            self._status(record, folder, found.get(record.engine_id)) if record.engine_id else Status()
            for record, folder in pairs
        ]

    def _without_network(
        self, pairs: Sequence[tuple[Record, str]], found: dict[str, Status]
    ) -> dict[str, Status]:
        """Those of `found` that share the network of a container that has ended, with its name."""
        names = {record.engine_id: record.asked.beside for record, _ in pairs if record.asked.beside}
        beside = {one: found[one] for one in names if one in found and found[one].state is State.RUNNING}
        if not beside:
            return {}
        from shipway.run.life.oci_beside import find_lost_networks  # noqa: PLC0415 - few share one

        lost = find_lost_networks(self._program(), beside)
        return {one: beside[one]._replace(lost_network=names[one]) for one in lost}

    def _status(self, record: Record, folder: str, found: Status | None) -> Status | None:
        """`found`: what the engine says of it, if it knows it."""
        if found is not None:
            return _explained(found, record, folder)
        if record.options.rm:  # its keeper is just removing it, from the engine first
            self._await_keeper(folder, _REMOVAL_PATIENCE)
        lost = Status(State.EXITED, code=_GONE, reason=f"{self.engine} has lost it")
        return lost if records.is_there(folder) else None

    def begin(self, begin: Begin) -> int | None:
        """Made if it is not there, then started; the engine's own program joins the caller's streams."""
        program = self._program()
        record = begin.record
        found = inspect_containers(program, [record.engine_id] if record.engine_id else [])
        if any(status.reason == UNWATCHED for status in found.values()):
            raise EngineError(
                f"Podman cannot start `{record.name}` again: {UNWATCHED}, and it takes it for running",
                hints=(f"remove it, and make it anew: `shipway rm --force {record.name}`",),
            )
        if not found:
            record = self._create(program, begin)
        elif has_secrets(begin.folder):
            self._await_keeper(begin.folder)  # which empties the file
            renew_secrets(begin.folder, with_hidden(begin.read_request(), program.dialect.title))
        since = f"{time.time():.6f}" if record.engine_id == begin.record.engine_id else ""
        oci_services.leave_all(begin.folder)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{begin.folder}/{STOPPED}")
        if begin.ends is None:
            with in_folder(begin.folder):
                program.require("start", record.engine_id)
            spawn_keeper(self.engine, record, begin.folder, begin.state, since)
            return None
        words = (
            "start",
            "--attach",
            *(("--interactive",) if record.options.interactive else ()),
            record.engine_id,
        )
        signals = passed_signals(tty=record.asked.tty)
        with (
            in_folder(begin.folder),
            _following_owner(program, record, begin.emit),
            watching(in_engine(lambda: record.engine_id)) as seen,
        ):
            code = run_joined((program.path, *words), begin.ends, tty=record.asked.tty, signals=signals)
            if code is not None:
                code = end_left_behind(program, record.engine_id, signals.came, code, begin.emit)
        sign = find_sign(code or 0, seen.count)
        mark(begin.folder, sign)
        if sign is Sign.PROCESS:
            begin.emit(Note(explain_sign(sign, shm_size(record)), "warning"))
        return self._end_of_joining(program, record, begin, code, since)

    def _end_of_joining(
        self, program: Program, record: Record, begin: Begin, code: int | None, since: str
    ) -> int | None:
        if code is None:
            spawn_keeper(self.engine, record, begin.folder, begin.state, since)
            return None
        status = _after_joining(program, record.engine_id)
        if status is None or status.state is State.CREATED:
            raise EngineError(
                f"{program.dialect.title} did not start `{record.name}`",
                hints=("its own message stands above",),
                code=ExitCode(code) if code in (126, 127) else ExitCode.ENGINE,
            )
        container = Container(record, status, begin.folder)
        if (
            status.state is State.EXITED
            and code
            and (memory := _explain_memory(status, record, begin.folder))
        ):
            begin.emit(Note(memory, "warning"))
        if status.state is not State.RUNNING and record.options.rm:
            lost = describe_lost(read_changed(program, container))
            spawn_keeper(self.engine, record, begin.folder, begin.state, since)
            self._await_keeper(container.folder, _REMOVAL_PATIENCE)
            if lost:
                begin.emit(Note(describe_removal(record.name, lost)))
            return code
        spawn_keeper(self.engine, record, begin.folder, begin.state, since)
        return None if status.state is State.RUNNING else code

    def _create(self, program: Program, begin: Begin) -> Record:
        record, request = begin.record, with_hidden(begin.read_request(), program.dialect.title)
        fault = find_fault(request)
        if fault is not None:
            raise fault
        require_start(request, program.dialect)
        for note in (*request.notes, *owner_notes(request, program.dialect)):
            begin.emit(Note(note, "warning"))
        make_mount_sources(request, begin.state)
        require_limits(program, request)
        image = self._image(program, request, begin)
        inputs = plan_inputs(open_variables(request))
        with translating_disk_errors(f"write below `{begin.folder}`"):
            write_folder(begin.folder, request, inputs.file)
        words = render_create(
            request,
            program.dialect,
            record.options,
            identity=record.id,
            image=image,
            folder=begin.folder,
        )
        command = program.command(*words)
        environ = {**os.environ, **dict(inputs.inherited)}
        finished = run(type(command)(argv=command.argv, env=environ))
        if finished.code != 0:
            raise (
                _explain_name(record, program) if _is_taken(finished) else program.trouble(finished, "create")
            )
        made = record._replace(engine_id=finished.text.strip().splitlines()[-1])
        records.write_record(begin.folder, made)
        return made

    def _image(self, program: Program, request: RunRequest, begin: Begin) -> str:
        tag = local_tag(request, program.dialect)
        known = find_image(program, ImageIds(*request.image), tag) if request.image else ""
        return known or ensure_image(program, begin.image(), tag, begin.emit)

    def execute(self, container: Container, asked: Asked, ends: Ends, emit: Emit = silent) -> int | None:
        """By the engine's own program, on the caller's descriptors."""
        program, record = self._program(), container.record
        meter = meter_of(container.status.pid, record.engine_id, memory_limit(record))
        with environment_file(container, asked) as file, _standing_in(ends):
            words = exec_words(container, asked, file)
            with in_folder(container.folder), watching(in_engine(lambda: record.engine_id)) as seen:
                code = run_joined((program.path, *words), Ends(), tty=asked.tty)
        sign = find_sign(code or 0, seen.count)
        if memory := meter.explain(code or 0):
            emit(Note(memory, "warning"))
        elif sign is not None:
            emit(Note(explain_sign(sign, shm_size(record)), "warning"))
        if code in (ExitCode.NOT_EXECUTABLE, ExitCode.COMMAND_NOT_FOUND):
            self._require_there(container, asked)
        return code

    def _require_there(self, container: Container, asked: Asked) -> None:
        """The folder and the program: an engine's codes for these may be the command's own, or another fault's."""
        cwd = _absolute(container, asked.cwd) if asked.cwd else ""
        if cwd and self._lacks(container, asked._replace(cwd="/"), 'test -d "$1"', cwd):
            raise folder_missing(cwd)
        if self._lacks(container, asked, 'command -v "$1" >/dev/null', asked.argv[0]):
            raise command_missing(asked.argv[0])

    def _lacks(self, container: Container, asked: Asked, look: str, word: str) -> bool:
        """Whether a look for `word` by a shell, as `asked` would be run, finds nothing."""
        words = ("sh", "-c", f"{look} || exit {_LACKING}", "sh", word)
        return self.capture(container, asked._replace(argv=words), b"").code == _LACKING

    def capture(self, container: Container, asked: Asked, data: bytes) -> Captured:
        """The same, heard."""
        program = self._program()
        with environment_file(container, asked) as file:
            words = exec_words(container, asked._replace(tty=False), file)
            command = program.command(*words)
            finished = run(type(command)(argv=command.argv, env=os.environ, stdin=data))
        return Captured(finished.code, finished.stdout, finished.stderr)

    def start_service(self, container: Container, name: str, asked: Asked) -> None:
        """A process of ours stays with it."""
        oci_services.start(self._program(), container, name, asked)

    def services(self, container: Container) -> tuple[Service, ...]:
        """As their own files and locks say."""
        return oci_services.list_services(self._program(), container)

    def stop(self, container: Container, patience: float, service: str = "") -> int:
        """The engine waits, and then the keeper has a moment to read the last of the log."""
        program = self._program()
        if service:
            return oci_services.stop(program, container, service, patience)
        identity = container.record.engine_id
        with contextlib.suppress(OSError), open(f"{container.folder}/{STOPPED}", "wb"):
            pass
        program.require("stop", "--time", str(round(patience)), identity)
        code = inspect_containers(program, [identity]).get(identity, container.status).code
        self._await_keeper(container.folder)
        oci_services.leave_all(container.folder)
        return code

    def _await_keeper(self, folder: str, seconds: float = _LOG_PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while is_locked(f"{folder}/{records.LOCK}") and time.monotonic() < deadline:
            time.sleep(_POLL)

    def signal(self, container: Container, number: int, service: str = "") -> None:
        """To the command by the engine, to a service by `kill` inside."""
        program = self._program()
        if service:
            oci_services.signal(program, container, service, number)
        else:
            program.require("kill", "--signal", str(number), container.record.engine_id)

    def attach(self, container: Container, service: str, ends: Ends, emit: Emit = silent) -> int | None:
        """By the engine's own program."""
        if service:
            return oci_services.attach(self._program(), container, service, ends, emit)
        program = self._program()
        words = (program.path, "attach", container.record.engine_id)
        tty = container.record.asked.tty
        code = run_joined(words, ends, tty=tty, signals=passed_signals(tty=tty))
        if code is None:
            return None
        status = _after_joining(program, container.record.engine_id)
        if status is None or status.state is State.RUNNING:
            return code if status is None else None
        if reason := _explained(status, container.record, container.folder).reason:
            emit(Note(reason, "warning"))
        return status.code

    def apply(self, container: Container, removals: Sequence[str], puts: Iterable[Put]) -> None:
        """Removed by a process inside that is the files' owner, put in by the engine."""
        from shipway.run.life.oci_changes import put_in, take_out  # noqa: PLC0415 - only changes need it

        program = self._program()
        take_out(program, container, removals)
        put_in(program, container, puts)

    def processes(self, container: Container) -> tuple[Process, ...]:
        """As this machine's `/proc` shows them."""
        from shipway.run.life.processes import read_below, read_process  # noqa: PLC0415 - only listings need it

        where = self._program().endpoint()
        if where:
            raise EngineError(
                f"the processes of `{container.name}` are on another machine, `{where}`",
                hints=(f"`{self.engine} top {container.name}` lists them",),
            )
        first = read_process(container.status.pid)
        return (*((first,) if first is not None else ()), *read_below(container.status.pid))

    def rename(self, container: Container, name: str) -> None:
        """Known by name there."""
        if container.record.engine_id:
            self._program().require("rename", container.record.engine_id, name)

    def changed(self, container: Container) -> tuple[Changed, ...]:
        """As the engine's `diff` says."""
        if not container.record.engine_id or container.status.reason.endswith("has lost it"):
            return ()
        return read_changed(self._program(), container)

    def refresh(self, container: Container) -> None:
        """Have a keeper where one was killed: it reads the log from the beginning, for which this waits."""
        from shipway.host.dirs import state_dir  # noqa: PLC0415

        over = not container.running and os.path.exists(f"{container.folder}/{COMPLETE}")
        if not container.record.engine_id or over:
            return
        if not is_locked(f"{container.folder}/{records.LOCK}"):
            spawn_keeper(self.engine, container.record, container.folder, state_dir(), "")
            time.sleep(_POLL)
        if not container.running:
            self._await_keeper(container.folder)

    def remove(self, container: Container) -> None:
        """With its anonymous volumes; one that the engine has lost is no error."""

        def before() -> None:
            if container.record.engine_id:
                words = ("rm", "--force", "--volumes", container.record.engine_id)
                finished = self._program().ask(*words)
                if finished.code != 0 and _NO_MONITOR in finished.stderr:  # the next try does not wait for it
                    finished = self._program().ask(*words)
                if finished.code != 0 and not says_missing(finished.stderr.decode("utf-8", "replace")):
                    raise self._program().trouble(finished, "rm")
            self._await_keeper(container.folder)
            oci_services.leave_all(container.folder)

        if container.record.engine_id:
            before()
        records.remove_container(container.folder)


_GONE = 137
_TOLD = tuple(128 + number for number in (1, 2, 15))
"""What a shell reports of a command that somebody told to end: SIGHUP, SIGINT, SIGTERM."""


def _explained(status: Status, record: Record, folder: str) -> Status:
    """With what its keeper has seen of the reason."""
    if status.state is not State.EXITED or not status.code or status.reason:
        return status
    if memory := _explain_memory(status, record, folder):
        return status._replace(reason=memory)
    sign = find_sign(status.code) or find_mark(folder, status.started)
    return status if sign is None else status._replace(reason=explain_sign(sign, shm_size(record)))


@contextlib.contextmanager
def _following_owner(program: Program, record: Record, emit: Emit) -> Iterator[None]:
    """Say it when the container ends whose network this one shares."""
    if not record.asked.beside or record.asked.pid_space:  # who shares processes ends with the other
        yield
        return
    from shipway.run.life.beside import explain_lost, name_to_restart, warner  # noqa: PLC0415 - few share one
    from shipway.run.life.oci_beside import following_owner  # noqa: PLC0415

    def ended() -> None:
        warner(emit, tty=record.asked.tty)(explain_lost(record.asked.beside, name_to_restart(record)))

    with following_owner(program, record.asked.beside, None, ended):
        yield


def _explain_memory(status: Status, record: Record, folder: str) -> str:
    """What the engine, or Podman's monitor by a file where it was started, says of the memory of a container that has ended."""
    if status.code in _TOLD:
        return ""
    kills = status.memory_kills or find_kill(folder, status.started)
    return explain_engine(memory_limit(record)) if kills else ""


def _after_joining(program: Program, engine_id: str) -> Status | None:
    """How a container stands that an engine's program has stopped following: Podman's ends a moment before that is known."""
    deadline = time.monotonic() + _END_PATIENCE
    while True:
        status = inspect_containers(program, [engine_id]).get(engine_id)
        if status is None or status.state is not State.RUNNING or time.monotonic() > deadline:
            return status
        time.sleep(_POLL)


def dialect_of(engine: str) -> Dialect:
    """The engine's ways of saying things."""
    from shipway.run.oci.docker import DOCKER  # noqa: PLC0415 - one of two
    from shipway.run.oci.podman import podman_for  # noqa: PLC0415

    return DOCKER if engine == "docker" else podman_for(os.geteuid())


def exec_words(container: Container, asked: Asked, env_file: str) -> tuple[str, ...]:
    """The words of the engine's `exec`; what is hidden is taken up as at the container's start."""
    return (
        "exec",
        *(("--interactive",) if asked.interactive else ()),
        *(("--tty",) if asked.tty else ()),
        *((f"--workdir={_absolute(container, asked.cwd)}",) if asked.cwd else ()),
        *((f"--user={asked.user}",) if asked.user else ()),
        *((f"--env-file={env_file}",) if env_file else ()),
        container.record.engine_id,
        *(wrapped(asked.argv) if has_secrets(container.folder) else asked.argv),
    )


def _absolute(container: Container, cwd: str) -> str:
    start = container.record.asked.workdir or container.environment.workdir
    return cwd if cwd.startswith("/") else f"{start.rstrip('/')}/{cwd}"


@contextlib.contextmanager
def environment_file(container: Container, asked: Asked) -> Iterator[str]:
    """A file of variables, for values do not belong on command lines; empty where there are none."""
    if not asked.env:
        yield ""
        return
    inputs = plan_inputs(asked.env)
    if inputs.inherited:
        names = ", ".join(shown(name) for name, _ in inputs.inherited)
        raise EngineError(
            f"the value of {names} is not one line of text, which this engine cannot be given",
            hints=("put it into a file and read that inside",),
        )
    path = f"{container.folder}/env-{os.urandom(4).hex()}"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, inputs.file)
        os.close(fd)
        yield path
    finally:
        os.unlink(path)


@contextlib.contextmanager
def _standing_in(ends: Ends) -> Iterator[None]:
    """Have `ends` at 0, 1 and 2, which is where the engine's program looks for them."""
    if tuple(ends) == (0, 1, 2):
        yield
        return
    kept = [os.dup(number) for number in (0, 1, 2)]
    try:
        for number, fd in enumerate(ends):
            os.dup2(fd, number)
        yield
    finally:
        for number, fd in enumerate(kept):
            os.dup2(fd, number)
            os.close(fd)


def _is_taken(finished: Finished) -> bool:
    text = finished.stderr.decode("utf-8", "replace")
    return "already in use" in text and "name" in text


def _explain_name(record: Record, program: Program) -> EngineError:
    title, name = program.dialect.title, record.name
    return EngineError(
        f"{title} has a container `{name}` that shipway did not make",
        hints=(
            "choose another name: `--name NAME`",
            f"or remove that one: `{program.dialect.name} rm {name}` (`{program.dialect.name} inspect {name}` says what it is)",
        ),
    )
