"""Containers that have a supervisor: every question goes to it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from shipway.core.errors import EngineError, ExitCode, ToolError
from shipway.core.events import Note, silent
from shipway.core.text import shown
from shipway.host.lock import is_locked
from shipway.run.inside import command_missing, command_unusable
from shipway.run.life import records, wire
from shipway.run.life.beside import find_lost, warner
from shipway.run.life.model import MAIN, NETWORK, Captured, Service, State
from shipway.run.life.relay import Ends, MasterLink, SocketLink, relay

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Iterator, Sequence

    from shipway.core.events import Emit
    from shipway.run.life.lives import Asked, Begin, Changed
    from shipway.run.life.model import Container, Put, Record, Status
    from shipway.run.life.processes import Process

_AGAIN = 0.01


class SupervisedLife:
    """See `lives.Life`."""

    def statuses(self, pairs: Sequence[tuple[Record, str]]) -> list[Status | None]:
        """From the containers' own files and locks."""
        found = ((records.find_status(folder), folder) for _, folder in pairs)
        return [
            None if _is_gone(status, folder) else _with_network(status, folder) for status, folder in found
        ]

    def begin(self, begin: Begin) -> int | None:
        """A supervisor is forked off; with streams, it is attached to before the command starts."""
        from shipway.run.life.spawn import spawn_supervisor  # noqa: PLC0415 - only a start needs it
        from shipway.run.life.supervisor import Plan  # noqa: PLC0415

        plan = Plan(
            begin.record,
            begin.folder,
            begin.state,
            begin.runtime,
            begin.read_request,
            begin.merge,
            begin.emit,
            waits=begin.ends is not None,
        )
        spawned = spawn_supervisor(plan, begin.keep)
        try:
            spawned.wait_listening()
            if begin.ends is None:
                spawned.wait_started()
                return None
            return self._join(begin, begin.ends, spawned)
        finally:
            spawned.close()

    def _join(self, begin: Begin, ends: Ends, spawned: Any) -> int | None:
        with _asking(begin.folder, {"do": "attach", "lossless": True}) as (connection, receiver, _):
            spawned.wait_started()
            tty = begin.record.asked.tty
            link = SocketLink(connection, receiver, warner(begin.emit, ends.stderr, tty=tty))
            code = relay(link, ends, tty=tty, stdin=begin.record.options.interactive)
            if link.note:
                begin.emit(Note(link.note))
            return code

    def execute(self, container: Container, asked: Asked, ends: Ends, emit: Emit = silent) -> int | None:
        """The command gets the caller's own descriptors, or a terminal whose master comes back."""
        with contextlib.ExitStack() as stack:
            stdin = ends.stdin if asked.interactive else stack.enter_context(open(os.devnull, "rb")).fileno()
            words = _exec_words(asked)
            fds = (stdin, ends.stdout, ends.stderr)
            connection, receiver, _ = stack.enter_context(
                _asking(container.folder, words, fds, command=asked.argv[0])
            )
            masters = receiver.take_fds()
            link = (
                MasterLink(connection, receiver, masters[0]) if masters else SocketLink(connection, receiver)
            )
            code = relay(link, ends, tty=bool(masters), stdin=bool(masters))
            if code is None:
                link.leave()
            if link.note:
                emit(Note(link.note, "warning"))
            return code

    def capture(self, container: Container, asked: Asked, data: bytes) -> Captured:
        """By files in memory."""
        fds = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
        try:
            os.write(fds[0], data)
            os.lseek(fds[0], 0, os.SEEK_SET)
            words = _exec_words(asked._replace(tty=False))
            with _asking(container.folder, words, fds, command=asked.argv[0]) as (_, receiver, _):
                code = _wait_exit(receiver)
            return Captured(code, _content(fds[1]), _content(fds[2]))
        finally:
            for fd in fds:
                os.close(fd)

    def start_service(self, container: Container, name: str, asked: Asked) -> None:
        """Its streams stay with the supervisor."""
        words = {**_exec_words(asked), "do": "service", "name": name, "interactive": asked.interactive}
        with _asking(container.folder, words, command=asked.argv[0]):
            return

    def services(self, container: Container) -> tuple[Service, ...]:
        """As the supervisor knows them."""
        if not container.running or not container.record.lasting:
            return ()
        if not records.read_status(
            container.folder
        ).services:  # a listing of many asks only those that have some
            return ()
        try:
            with _asking(container.folder, {"do": "services"}) as (_, _, answer):
                return tuple(Service(one[0], tuple(one[1]), *one[2:]) for one in answer["services"])
        except EngineError:  # it has ended since it was found
            return ()

    def stop(self, container: Container, patience: float, service: str = "") -> int:
        """Wait until it is over."""
        words = {"do": "stop", "patience": patience, **({"service": service} if service else {})}
        if service:
            with _asking(container.folder, words, first=False) as (_, receiver, _):
                return _wait_exit(receiver)
        with (
            contextlib.suppress(EngineError, EOFError, OSError),
            _asking(container.folder, words, first=False) as (_, receiver, _),
        ):
            _wait_end(receiver)
        _await_unlocked(container.folder)
        return records.find_status(container.folder).code

    def signal(self, container: Container, number: int, service: str = "") -> None:
        """One message."""
        with _asking(container.folder, {"do": "signal", "number": number, "service": service}):
            return

    def attach(self, container: Container, service: str, ends: Ends, emit: Emit = silent) -> int | None:
        """Join, with the keys that leave again."""
        with _asking(container.folder, {"do": "attach", "service": service or MAIN}) as (
            connection,
            receiver,
            answer,
        ):
            tty = bool(answer["tty"])
            link = SocketLink(connection, receiver, warner(emit, ends.stderr, tty=tty))
            code = relay(link, ends, tty=tty, stays=True)
            if link.note:
                emit(Note(link.note, "warning"))
            return code

    def apply(self, container: Container, removals: Sequence[str], puts: Iterable[Put]) -> None:
        """A process inside, with no more rights than the command, does it."""
        from shipway.run.life.changes import opened_stream  # noqa: PLC0415 - only changes need it

        with (
            opened_stream(container.folder, removals, puts) as stream,
            _asking(container.folder, {"do": "write"}, (stream,)) as (_, receiver, _),
        ):
            code = _wait_exit(receiver)
        if code != 0:
            raise EngineError(
                f"the files of `{container.name}` could not be changed",
                hints=("start it again: `shipway restart`, which takes them from the environment",),
            )

    def processes(self, container: Container) -> tuple[Process, ...]:
        """Those below the supervisor and its sandbox."""
        from shipway.run.apptainer import PROCESS as APPTAINER_NAME  # noqa: PLC0415 - only listings need it
        from shipway.run.life.processes import read_below  # noqa: PLC0415 - as above
        from shipway.run.network.programs import GUARD_NAME  # noqa: PLC0415 - only listings need it

        return read_below(container.status.pid, skip=2, without=(GUARD_NAME, APPTAINER_NAME))

    def rename(self, container: Container, name: str) -> None:
        """Nothing knows it by name but its record."""

    def changed(self, container: Container) -> tuple[Changed, ...]:
        """From the writable top; what is below is looked up in the trees."""
        from shipway.run.life.upper import list_changed  # noqa: PLC0415 - only listings need it

        return list_changed(container)

    def refresh(self, container: Container) -> None:
        """Its supervisor does, or it does not run."""

    def remove(self, container: Container) -> None:
        """Its folder is all there is."""
        records.remove_container(container.folder)


def _is_gone(status: Status, folder: str) -> bool:
    """Whether it says nothing because it was removed meanwhile."""
    return status.state is State.CREATED and not records.is_there(folder)


def _with_network(status: Status, folder: str) -> Status:
    """With its ports, as its network's record has them, and what became of the network that it shares."""
    if status.state is not State.RUNNING:
        return status
    if lost := find_lost(folder):
        return status._replace(lost_network=lost)
    if not os.path.exists(f"{folder}/{NETWORK}"):
        return status
    from shipway.run.network.bridge import read_record  # noqa: PLC0415 - only such networks need it

    record = read_record(folder)
    return status._replace(ports=record[1]) if record else status


def ask_namespaces(folder: str) -> dict[str, int]:
    """Open descriptors by name, for the caller to close.

    Raises:
        EngineError: the container does not run.
    """
    with _asking(folder, {"do": "namespaces"}) as (_, receiver, answer):
        return dict(zip(answer["names"], receiver.take_fds(), strict=True))


def stay_beside(folder: str) -> socket.socket:
    """A connection that ends when what the container runs now has ended; for the caller to close.

    Raises:
        EngineError: the container does not run.
    """
    with contextlib.ExitStack() as stack:
        connection, _, _ = stack.enter_context(_asking(folder, {"do": "stay"}))
        return connection.dup()


def _exec_words(asked: Asked) -> dict[str, Any]:
    if asked.user:
        raise EngineError(
            "without Docker or Podman a container has one user, the caller",
            hints=("leave `--user` out", "`--engine docker` knows others"),
        )
    return {"do": "exec", "argv": asked.argv, "env": dict(asked.env), "cwd": asked.cwd, "tty": asked.tty}


@contextlib.contextmanager
def _asking(
    folder: str, words: dict[str, Any], fds: Sequence[int] = (), *, command: str = "", first: bool = True
) -> Iterator[tuple[socket.socket, wire.Receiver, dict[str, Any]]]:
    """Ask a supervisor and yield the connection and, if `first`, its first answer.

    Raises:
        EngineError: nobody answers, or the answer is no.
    """
    try:
        connection = wire.connect(folder)
    except OSError as problem:
        raise EngineError(
            "the container does not run", hints=("`shipway ps -a` shows how it ended",)
        ) from problem
    receiver = wire.Receiver(connection)
    try:
        wire.send_words(connection, words, fds)
        answer = wire.receive_words(receiver) if first else {}
        if "error" in answer:
            raise _refusal(answer, command)
        yield connection, receiver, answer
    except (EOFError, ConnectionError) as problem:
        raise EngineError(
            "the container ended meanwhile", hints=("`shipway ps -a` shows how it ended",)
        ) from problem
    finally:
        receiver.close()


def _refusal(answer: dict[str, Any], command: str) -> ToolError:
    code, text = int(answer.get("code", ExitCode.ENGINE)), str(answer["error"])
    if "working directory" in text:
        return EngineError(shown(text), hints=("choose one that is there: `-w /work`",))
    if command and code == ExitCode.COMMAND_NOT_FOUND:
        return command_missing(command)
    if command and code == ExitCode.NOT_EXECUTABLE:
        return command_unusable(command, text)
    return EngineError(shown(text), hints=("`shipway ps` shows what runs",), code=ExitCode(code))


def _wait_exit(receiver: wire.Receiver) -> int:
    while True:
        answer = wire.receive_words(receiver)
        if "error" in answer:
            raise _refusal(answer, "")
        if "exit" in answer:
            return int(answer["exit"])


def _wait_end(receiver: wire.Receiver) -> None:
    """Until the supervisor closes the connection, which its end does."""
    while True:
        wire.receive_words(receiver)


def _await_unlocked(folder: str) -> None:
    from time import sleep  # noqa: PLC0415 - its own name would hide nothing

    while is_locked(f"{folder}/{records.LOCK}"):
        sleep(_AGAIN)


def _content(fd: int) -> bytes:
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, "rb", closefd=False) as file:
        return file.read()
