"""Named commands in containers of Docker and Podman: each under a process of ours that runs the engine's `exec`.

FOLDER/services/NAME/service.json  what it is, and how it ended
                    /lock          held as long as it runs
                    /control       where others attach
"""

from __future__ import annotations

import contextlib
import json
import os
import signal as signals
import time
from typing import TYPE_CHECKING, Any

from shipway.core.errors import EngineError, NotFound
from shipway.core.events import Note, silent
from shipway.core.text import shown
from shipway.host.attached import in_folder
from shipway.host.clock import now
from shipway.host.files import make_directory, write_atomic
from shipway.host.lock import is_locked
from shipway.run.life import wire
from shipway.run.life.engine_words import WithoutTrouble
from shipway.run.life.log_write import open_sink
from shipway.run.life.loop import Loop
from shipway.run.life.model import Service, memory_limit
from shipway.run.life.output import Output
from shipway.run.life.peers import Peer, accept
from shipway.run.life.records import LOCK
from shipway.run.life.relay import SocketLink, relay
from shipway.run.life.spawn import detach, spawn_bound
from shipway.run.life.streams import Streams
from shipway.run.memory_kills import meter_of
from shipway.run.oci.trouble import find_trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.core.errors import ToolError
    from shipway.core.events import Emit
    from shipway.run.life.lives import Asked
    from shipway.run.life.model import Container
    from shipway.run.life.relay import Ends
    from shipway.run.oci.program import Program

_FILE = "service.json"
_STARTED = 'of() { echo "${20}"; }; started() { read -r s <"/proc/$1/stat" && of ${s##*) }; }; '
"""A shell's function for when a process was started, in ticks after the boot (proc(5)): its number may be another's by now."""
_WRAPPER = _STARTED + 'echo "$$ $(started $$)" >"$0" && exec "$@"'
"""Run by the container's shell: the process inside is where `stop` finds it."""
_IF_SAME = _STARTED + 'read -r pid when <"$0" && [ "$(started "$pid")" = "$when" ] && kill -"$1" "$pid"'
_POLL = 0.05
_PATIENCE = 10.0
_KILLED = 137
_ENGINE_GONE = 3600.0
"""Seconds that an engine may be silent before nobody waits for it any more."""


def _folder(container: Container, name: str) -> str:
    return f"{container.folder}/services/{name}"


def _pid_file(name: str) -> str:
    return f"/tmp/.shipway-{name}.pid"  # noqa: S108 - inside, where `/run` may be root's alone


def _reach(program: Program, container: Container, name: str, number: int) -> bool:
    """Send a signal to the process inside; whether it is there. 0: only look.

    Raises:
        EngineError: the engine does not answer.
    """
    words = ("/bin/sh", "-c", _IF_SAME, _pid_file(name), str(number))
    finished = program.ask("exec", container.record.engine_id, *words)
    if finished.code and (
        trouble := find_trouble(program.dialect, finished.stderr.decode("utf-8", "replace"))
    ):
        raise trouble
    return finished.code == 0


def start(program: Program, container: Container, name: str, asked: Asked) -> None:
    """Start it, and return when it runs.

    Raises:
        EngineError: it runs already, or ended at once.
    """
    from shipway.run.life.oci_life import environment_file, exec_words  # noqa: PLC0415 - the two need each other

    folder = _folder(container, name)
    if any(one.name == name and not one.ended for one in list_services(program, container)):
        raise EngineError(
            f"`{shown(name)}` runs already", hints=(f"stop it first: `shipway stop {container.name}/{name}`",)
        )
    make_directory(f"{container.folder}/services")
    make_directory(folder)
    wrapped = asked._replace(argv=("/bin/sh", "-c", _WRAPPER, _pid_file(name), *asked.argv), interactive=True)
    with environment_file(container, asked) as file:
        words = (program.path, *exec_words(container, wrapped, file))
        service = Service(name, asked.argv, 0, now(), asked.tty)
        _write(folder, service, container.status.started)

        def live(tell: Callable[[ToolError | None], None], ready: Callable[[], None], emit: Emit) -> None:
            del emit
            _Keeper(program, container, service, words, folder).run(tell, ready)

        spawned = detach(folder, f"shipway: {container.name}/{name}", silent, (), live)
        try:
            spawned.wait_listening()
            spawned.wait_started()
            _await_pid(program, container, service, folder)
        finally:
            spawned.close()


def _await_pid(program: Program, container: Container, service: Service, folder: str) -> None:
    """Until the command is known inside, or its end is known here."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if not is_locked(f"{folder}/{LOCK}"):
            over = _read(folder)
            if over is not None and over[0].code in (126, 127):
                raise EngineError(
                    f"`{shown(service.argv[0])}` could not be started in `{container.name}`",
                    hints=(f"`shipway logs {container.name}/{service.name}` has the engine's own words",),
                    code=over[0].code,  # type: ignore[arg-type]
                )
            return
        if _reach(program, container, service.name, 0):
            return
        time.sleep(_POLL)


class _Keeper:
    """Beside one service."""

    def __init__(
        self, program: Program, container: Container, service: Service, words: tuple[str, ...], folder: str
    ):
        self.loop = Loop()
        self.program = program
        self.container = container
        self.left = False
        """The container was started again, or is gone, and the engine's program may never learn of it."""
        self.service = service
        self.words = words
        self.folder = folder
        self.output = Output(open_sink(container.folder, service.name, container.record.options.log))
        self.words_of_service = WithoutTrouble(self.output)
        self.streams = Streams(self.loop, self.words_of_service)

    def run(self, tell: Callable[[ToolError | None], None], ready: Callable[[], None]) -> None:
        """Until the command is over."""
        signals.signal(signals.SIGHUP, signals.SIG_IGN)
        listener = wire.listen(self.folder)
        self.loop.watch(listener.fileno(), lambda _: self._greet(listener))
        record = self.container.record
        meter = meter_of(self.container.status.pid, record.engine_id, memory_limit(record))
        pid = self._spawn()
        ready()
        tell(None)
        self.loop.run(lambda: self.left or not self.streams.open)
        if self.left:
            os.kill(pid, signals.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        code = code if code >= 0 else 128 - code
        self.streams.finish(lambda: self.words_of_service.end(code))
        if not self._was_lost(code):
            over = self.service._replace(ended=now(), code=code, reason=meter.explain(code))
            _write(self.folder, over, self.container.status.started)
            self.output.end(code, over.reason)
        else:
            self.output.end(code)

    def _was_lost(self, code: int) -> bool:
        """Whether the command goes on without us, for the engine's service was started again meanwhile."""
        deadline = time.monotonic() + _ENGINE_GONE
        while code and not self.left and time.monotonic() < deadline:
            try:
                return _reach(self.program, self.container, self.service.name, 0)
            except EngineError:
                self.loop.after(_PATIENCE / 10, _nothing)
                self.loop.turn()
        return False

    def _spawn(self) -> int:
        if self.service.tty:
            master, slave = os.openpty()
            self.streams.take_terminal(master)
            ends = (slave, slave, slave)
        else:
            ends = self.streams.make_pipes(interactive=False)
        with in_folder(self.folder):
            pid = spawn_bound(self.words, ends, session=True)
        for fd in set(ends):
            os.close(fd)
        return pid

    def _greet(self, listener: Any) -> None:
        connection = accept(listener)
        if connection is not None:
            Peer(self.loop, connection, self._attach)

    def _attach(self, peer: Peer, words: dict[str, Any]) -> None:
        if words.get("do") == "leave":
            self.left = True
            peer.finish()
            return

        def heard(frame: wire.Frame) -> None:
            if frame.kind == wire.INPUT:
                self.streams.write(frame.data)
            elif frame.kind == wire.WORDS and "rows" in (said := frame.words()):
                self.streams.resize(int(said["rows"]), int(said["columns"]))

        peer.on_frame = heard
        self.output.attach(peer, lambda: None)
        peer.send({"attached": self.service.name, "tty": self.service.tty})


def list_services(program: Program, container: Container) -> tuple[Service, ...]:
    """Those that run, and those that have ended."""
    found = [_read(f"{container.folder}/services/{name}") for name in _names(container.folder)]
    return tuple(_as_it_is(program, container, *one) for one in found if one is not None)


def _names(folder: str) -> list[str]:
    base = f"{folder}/services"
    return sorted(os.listdir(base)) if os.path.isdir(base) else []


def _as_it_is(program: Program, container: Container, service: Service, start: float) -> Service:
    """What was written last, corrected by who lives: the container may have been started again, the process beside it killed."""
    if service.ended or _runs(program, container, service, start):
        return service
    return service._replace(ended=max(service.started, container.status.started), code=_KILLED)


def _runs(program: Program, container: Container, service: Service, start: float) -> bool:
    if service.ended or container.status.started != start:
        return False
    if is_locked(f"{_folder(container, service.name)}/{LOCK}"):
        return True
    with contextlib.suppress(EngineError):
        return _reach(program, container, service.name, 0)
    return False


def leave_all(folder: str) -> None:
    """Have the processes beside services of a container end that does not run, or was started anew."""
    for name in _names(folder):
        beside = f"{folder}/services/{name}"
        if not is_locked(f"{beside}/{LOCK}"):
            continue
        with contextlib.suppress(OSError):
            connection = wire.connect(beside)
            wire.send_words(connection, {"do": "leave"})
            connection.close()
        deadline = time.monotonic() + _PATIENCE
        while is_locked(f"{beside}/{LOCK}") and time.monotonic() < deadline:
            time.sleep(_POLL)


def _require(program: Program, container: Container, name: str) -> str:
    folder = _folder(container, name)
    found = _read(folder)
    if found is None or not _runs(program, container, *found):
        raise NotFound(
            f"no service `{shown(name)}` runs in `{container.name}`",
            hints=("`shipway ps` lists those that do",),
        )
    return folder


def signal(program: Program, container: Container, name: str, number: int) -> None:
    """Send a signal to the command inside.

    Raises:
        NotFound: no such service runs.
    """
    _require(program, container, name)
    _reach(program, container, name, number)


def stop(program: Program, container: Container, name: str, patience: float) -> int:
    """End it; its exit code.

    Raises:
        NotFound: no such service runs.
    """
    folder = _require(program, container, name)
    _reach(program, container, name, signals.SIGTERM)
    deadline = time.monotonic() + patience
    while is_locked(f"{folder}/{LOCK}") or _reach(program, container, name, 0):
        if time.monotonic() > deadline:
            _reach(program, container, name, signals.SIGKILL)
            deadline = time.monotonic() + _PATIENCE
        time.sleep(_POLL)
    over = _read(folder)
    return over[0].code if over is not None and over[0].ended else _KILLED


def attach(program: Program, container: Container, name: str, ends: Ends, emit: Emit = silent) -> int | None:
    """Join its streams.

    Raises:
        NotFound: no such service runs.
        EngineError: nobody holds its streams any more.
    """
    folder = _require(program, container, name)
    try:
        connection = wire.connect(folder)
    except OSError as problem:
        raise EngineError(
            f"`{container.name}/{shown(name)}` goes on, but what held its streams was killed",
            hints=(f"end it: `shipway stop {container.name}/{name}`, and start it again",),
        ) from problem
    receiver = wire.Receiver(connection)
    try:
        wire.send_words(connection, {"do": "attach"})
        answer = wire.receive_words(receiver)
        link = SocketLink(connection, receiver)
        code = relay(link, ends, tty=bool(answer["tty"]), stays=True)
        if link.note:
            emit(Note(link.note, "warning"))
        return code
    finally:
        receiver.close()


def _nothing() -> None:
    return


def _write(folder: str, service: Service, start: float) -> None:
    """`start`: when the container was started that it runs in, by the engine's clock."""
    write_atomic(f"{folder}/{_FILE}", json.dumps([*service, start]).encode(), 0o600, durable=False)


def _read(folder: str) -> tuple[Service, float] | None:
    """The service, and the container's start that it belongs to."""
    try:
        with open(f"{folder}/{_FILE}", encoding="utf-8") as file:
            name, argv, *rest, start = json.load(file)
        return Service(name, tuple(argv), *rest), start
    except (OSError, ValueError, TypeError):
        return None
