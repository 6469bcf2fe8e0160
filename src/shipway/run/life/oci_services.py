"""Named commands in containers of Docker and Podman: each under a process of ours that runs the engine's `exec`.

FOLDER/services/NAME/service.json  what it is, and how it ended
                    /lock          held as long as it runs
                    /control       where others attach
"""

from __future__ import annotations

import json
import os
import signal as signals
import time
from typing import TYPE_CHECKING, Any

from shipway.core.errors import EngineError, NotFound
from shipway.core.events import silent
from shipway.core.text import shown
from shipway.host.attached import in_folder
from shipway.host.clock import now
from shipway.host.files import make_directory, write_atomic
from shipway.host.lock import is_locked
from shipway.run.life import wire
from shipway.run.life.log_write import open_sink
from shipway.run.life.loop import Loop
from shipway.run.life.model import Service
from shipway.run.life.output import Output
from shipway.run.life.peers import Peer, accept
from shipway.run.life.records import LOCK
from shipway.run.life.relay import SocketLink, relay
from shipway.run.life.spawn import detach
from shipway.run.life.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.core.errors import ToolError
    from shipway.core.events import Emit
    from shipway.run.life.lives import Asked
    from shipway.run.life.model import Container
    from shipway.run.life.relay import Ends
    from shipway.run.oci_program import Program

_FILE = "service.json"
_WRAPPER = 'echo $$ >"$0" && exec "$@"'
"""Run by the container's shell: the process id inside is where `stop` finds it."""
_POLL = 0.05
_PATIENCE = 10.0


def _folder(container: Container, name: str) -> str:
    return f"{container.folder}/services/{name}"


def _pid_file(name: str) -> str:
    return f"/tmp/.shipway-{name}.pid"  # noqa: S108 - inside, where `/run` may be root's alone


def start(program: Program, container: Container, name: str, asked: Asked) -> None:
    """Start it, and return when it runs.

    Raises:
        EngineError: it runs already, or ended at once.
    """
    from shipway.run.life.oci_life import environment_file, exec_words  # noqa: PLC0415 - the two need each other

    folder = _folder(container, name)
    if is_locked(f"{folder}/{LOCK}"):
        raise EngineError(
            f"`{shown(name)}` runs already", hints=(f"stop it first: `shipway stop {container.name}/{name}`",)
        )
    make_directory(f"{container.folder}/services")
    make_directory(folder)
    wrapped = asked._replace(argv=("/bin/sh", "-c", _WRAPPER, _pid_file(name), *asked.argv), interactive=True)
    with environment_file(container, asked) as file:
        words = (program.path, *exec_words(container, wrapped, file))
        service = Service(name, asked.argv, 0, now(), asked.tty)
        _write(folder, service)

        def live(tell: Callable[[ToolError | None], None], ready: Callable[[], None], emit: Emit) -> None:
            del emit
            _Keeper(container, service, words, folder).run(tell, ready)

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
            if over is not None and over.code in (126, 127):
                raise EngineError(
                    f"`{shown(service.argv[0])}` could not be started in `{container.name}`",
                    hints=(f"`shipway logs {container.name}/{service.name}` has the engine's own words",),
                    code=over.code,  # type: ignore[arg-type]
                )
            return
        if program.ask("exec", container.record.engine_id, "test", "-s", _pid_file(service.name)).code == 0:
            return
        time.sleep(_POLL)


class _Keeper:
    """Beside one service."""

    def __init__(self, container: Container, service: Service, words: tuple[str, ...], folder: str):
        self.loop = Loop()
        self.service = service
        self.words = words
        self.folder = folder
        self.output = Output(open_sink(container.folder, service.name, container.record.options.log))
        self.streams = Streams(self.loop, self.output)

    def run(self, tell: Callable[[ToolError | None], None], ready: Callable[[], None]) -> None:
        """Until the command is over."""
        signals.signal(signals.SIGHUP, signals.SIG_IGN)
        listener = wire.listen(self.folder)
        self.loop.watch(listener.fileno(), lambda _: self._greet(listener))
        pid = self._spawn()
        ready()
        tell(None)
        self.loop.run(lambda: not self.streams.open)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        code = code if code >= 0 else 128 - code
        _write(self.folder, self.service._replace(ended=now(), code=code))
        self.streams.finish(lambda: self.output.end(code))

    def _spawn(self) -> int:
        if self.service.tty:
            master, slave = os.openpty()
            self.streams.take_terminal(master)
            ends = (slave, slave, slave)
        else:
            ends = self.streams.make_pipes(interactive=False)
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(ends)]
        with in_folder(self.folder):
            pid = os.posix_spawn(self.words[0], self.words, os.environ, file_actions=actions, setsid=True)
        for fd in set(ends):
            os.close(fd)
        return pid

    def _greet(self, listener: Any) -> None:
        connection = accept(listener)
        if connection is not None:
            Peer(self.loop, connection, self._attach)

    def _attach(self, peer: Peer, words: dict[str, Any]) -> None:
        del words

        def heard(frame: wire.Frame) -> None:
            if frame.kind == wire.INPUT:
                self.streams.write(frame.data)
            elif frame.kind == wire.WORDS and "rows" in (said := frame.words()):
                self.streams.resize(int(said["rows"]), int(said["columns"]))

        peer.on_frame = heard
        self.output.attach(peer, lambda: None)
        peer.send({"attached": self.service.name, "tty": self.service.tty})


def list_services(container: Container) -> tuple[Service, ...]:
    """Those that run, and those that have ended."""
    base = f"{container.folder}/services"
    names = sorted(os.listdir(base)) if os.path.isdir(base) else []
    found = [_read(f"{base}/{name}") for name in names]
    return tuple(
        one
        if one.ended or is_locked(f"{base}/{one.name}/{LOCK}")
        else one._replace(ended=one.started, code=137)
        for one in found
        if one is not None
    )


def _require(container: Container, name: str) -> str:
    folder = _folder(container, name)
    if not is_locked(f"{folder}/{LOCK}"):
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
    _require(container, name)
    script = f'kill -{int(number)} "$(cat {_pid_file(name)})"'
    program.ask("exec", container.record.engine_id, "/bin/sh", "-c", script)


def stop(program: Program, container: Container, name: str, patience: float) -> int:
    """End it; its exit code.

    Raises:
        NotFound: no such service runs.
    """
    folder = _require(container, name)
    signal(program, container, name, signals.SIGTERM)
    deadline = time.monotonic() + patience
    while is_locked(f"{folder}/{LOCK}"):
        if time.monotonic() > deadline:
            signal(program, container, name, signals.SIGKILL)
            deadline = time.monotonic() + _PATIENCE
        time.sleep(_POLL)
    over = _read(folder)
    return over.code if over is not None else 0


def attach(container: Container, name: str, ends: Ends) -> int | None:
    """Join its streams.

    Raises:
        NotFound: no such service runs.
    """
    connection = wire.connect(_require(container, name))
    receiver = wire.Receiver(connection)
    try:
        wire.send_words(connection, {"do": "attach"})
        answer = wire.receive_words(receiver)
        return relay(SocketLink(connection, receiver), ends, tty=bool(answer["tty"]))
    finally:
        receiver.close()


def _write(folder: str, service: Service) -> None:
    write_atomic(f"{folder}/{_FILE}", json.dumps(service).encode(), 0o600, durable=False)


def _read(folder: str) -> Service | None:
    try:
        with open(f"{folder}/{_FILE}", encoding="utf-8") as file:
            name, argv, *rest = json.load(file)
        return Service(name, tuple(argv), *rest)
    except (OSError, ValueError, TypeError):
        return None
