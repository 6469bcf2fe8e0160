"""The process that runs one container: it starts the command, keeps its log, answers, and starts it again by its policy.

It is detached from whoever started it, holds the container's lock as long as it lives, and ends with the container. When it
is killed the kernel kills the container.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any, NamedTuple

from shipway.core.errors import EngineError, ExitCode, ToolError
from shipway.host.clock import monotonic, now
from shipway.run.bus_error import SIGBUS_CODE, explain_bus_error
from shipway.run.bus_watch import log_size, sign_of_log
from shipway.run.life import records
from shipway.run.life.beside import EVENT, explain_lost, forget_lost, mark_lost, name_to_restart
from shipway.run.life.journal import write_event
from shipway.run.life.log_write import Lost, log_file, open_sink
from shipway.run.life.loop import Loop
from shipway.run.life.model import MAIN, Container, State
from shipway.run.life.output import Output
from shipway.run.life.peers import Peer, accept
from shipway.run.life.restarts import next_delay, wants_restart
from shipway.run.life.services import Services
from shipway.run.life.session import Session
from shipway.run.life.wire import INPUT, WORDS, listen
from shipway.run.life.witness import Witness
from shipway.run.top.names import lasting_folders

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.core.events import Emit
    from shipway.run.life.model import Record
    from shipway.run.life.session import Ended
    from shipway.run.life.wire import Frame
    from shipway.run.model import Merge, RunRequest

_STOP, _KILL, _HANGUP = 15, 9, 1
PATIENCE = 10.0
"""Seconds between the request to end and the kill."""
_HARD = 3.0
_LAST_READ = 2.0
"""Seconds that readers who joined have for what they have not read when the command is over."""


class Plan(NamedTuple):
    """What a supervisor is told."""

    record: Record
    folder: str
    state: str
    runtime: str
    read_request: Callable[[], RunRequest]
    """The container as this host makes it now."""
    merge: Merge | None
    emit: Emit
    waits: bool = False
    """Start the command when somebody is attached who wants all of its output."""


class Supervisor:
    """One container's life."""

    def __init__(self, plan: Plan, tell: Callable[[ToolError | None], None]):
        """`tell`: called once, with why the command could not be started, or None when it runs."""
        self.plan = plan
        self._tell: Callable[[ToolError | None], None] | None = tell
        self._loop = Loop()
        self._witness = Witness(self._loop, plan.record, plan.folder, plan.state)
        self._listener = listen(plan.folder)
        self._output = Output(open_sink(plan.folder, MAIN, plan.record.options.log))
        self._services = Services(
            self._loop, plan.folder, plan.record.options.log, self._witness, self._note_services
        )
        self._session: Session | None = None
        status = records.read_status(plan.folder)
        self._status = status._replace(pid=os.getpid(), restarts=0, reason="", services=False, lost=(0, 0))
        self._output.owe(Lost(*status.lost))
        self._request: RunRequest | None = None
        self._log_begin = 0
        self._peers: list[Peer] = []
        self._stopping = False
        self._over = False
        self._began = 0.0
        self._delay = 0.0
        self._wakes, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def run(self) -> None:
        """Live until the container is over."""
        self._loop.watch(self._listener.fileno(), lambda _: self._greet())
        self._loop.watch(self._wakes, lambda _: self._woken())
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _nothing)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if not self.plan.waits:
            self._start()
        self._loop.run(lambda: self._over)
        self._loop.after(_LAST_READ, self._leave_slow_readers)
        self._loop.run(lambda: not any(peer.waiting for peer in self._peers))
        self._listener.close()
        self._witness.close()
        if self.plan.record.options.rm and self._tell is None:
            records.remove_container(self.plan.folder)

    def _woken(self) -> None:
        os.read(self._wakes, 64)
        self.stop(PATIENCE)

    def _greet(self) -> None:
        connection = accept(self._listener)
        if connection is not None:
            here = [peer for peer in self._peers if peer.open]
            self._peers = [*here, Peer(self._loop, connection, self._answer)]

    def _leave_slow_readers(self) -> None:
        """Those that joined may have stopped reading; whom the command was started for gets all of it, however slowly."""
        for peer in self._peers:
            if not peer.lossless:
                peer.close()

    # The life of the command.

    def _start(self) -> None:
        try:
            self._request = request = self.plan.read_request()
            self._log_begin = log_size(log_file(self.plan.folder, MAIN))
            forget_lost(self.plan.folder)
            folders = lasting_folders(request, self.plan.folder, self.plan.emit)
            options = self.plan.record.options
            kind = _session_of(self.plan.record.engine)
            self._session = kind(
                self._loop,
                request,
                folders,
                self._output,
                interactive=options.interactive,
                holding=self._witness.holding(MAIN, self._output),
            )
            self._session.start(
                state=self.plan.state,
                runtime=self.plan.runtime,
                merge=self.plan.merge,
                emit=self.plan.emit,
                on_start=self._started,
                on_end=self._ended,
                on_lost=self._lost_network,
            )
        except (ToolError, OSError) as problem:
            error = (
                problem
                if isinstance(problem, ToolError)
                else EngineError(f"{problem}", hints=("`shipway doctor` checks this host",))
            )
            self._session = None
            self._finish(int(ExitCode.ENGINE), error.message, error)

    def _started(self) -> None:
        self._began = monotonic()
        self._set(state=State.RUNNING, started=now(), ended=0.0)
        write_event(self.plan.state, self.plan.record, "start")
        self._say(None)

    def _ended(self, ended: Ended) -> None:
        self._session = None
        if ended.error is not None and self._tell is not None:
            self._finish(ended.code, ended.error.message, ended.error)
            return
        reason = self._reason(ended)
        self._set(code=ended.code, memory_kills=ended.memory_kills, reason=reason)
        write_event(self.plan.state, self.plan.record, "die", code=ended.code)
        policy = self.plan.record.options.restart
        if not self._stopping and wants_restart(policy, ended.code, self._status.restarts):
            self._delay = next_delay(self._delay, monotonic() - self._began)
            self._set(state=State.RESTARTING, restarts=self._status.restarts + 1, ended=now())
            self._loop.after(self._delay, self._again)
        else:
            self._finish(ended.code, reason, None)

    def _lost_network(self, name: str) -> None:
        """The container `name` has ended, whose network this one shares."""
        mark_lost(self.plan.folder, name)
        write_event(self.plan.state, self.plan.record, EVENT, detail=name)
        self._output.tell(explain_lost(name, name_to_restart(self.plan.record)))

    def _reason(self, ended: Ended) -> str:
        if ended.error is not None or ended.reason:
            return ended.error.message if ended.error is not None else ended.reason
        log = "" if self._stopping else log_file(self.plan.folder, MAIN)
        sign = sign_of_log(ended.code, ended.bus_errors, log, self._log_begin)
        return "" if sign is None else explain_bus_error(self._request, sign)

    def _again(self) -> None:
        if self._stopping:
            self._finish(self._status.code, "", None)
        else:
            self._start()

    def _finish(self, code: int, reason: str, error: ToolError | None) -> None:
        self._set(state=State.EXITED, pid=0, ended=now(), code=code, reason=reason)
        said = (self._farewell(), reason if code != SIGBUS_CODE else "") if error is None else ()
        self._output.end(code, "\n".join(filter(None, said)))
        if (lost := self._output.lost).size:
            unsaid = f"{lost.describe()} of its output are not in its log"
            self._set(reason="; ".join(filter(None, (reason, unsaid))), lost=tuple(lost))
        self._say(error)
        self._over = True

    def _farewell(self) -> str:
        """What goes with a container that is removed at its end; nothing where it stays, or held nothing."""
        record = self.plan.record
        if not record.options.rm:
            return ""
        from shipway.run.life.upper import (  # noqa: PLC0415 - most containers stay at their end
            describe_lost,
            describe_removal,
            list_changed,
        )

        lost = describe_lost(list_changed(Container(record, self._status, self.plan.folder)))
        write_event(self.plan.state, record, "remove", detail=lost)
        return describe_removal(record.name, lost)

    def stop(self, patience: float) -> None:
        """End the container: ask the command, and make it end when it does not."""
        self._stopping = True
        session = self._session
        if session is None:
            if self._status.state in (State.RESTARTING, State.CREATED):
                self._finish(self._status.code, "", None)
            return
        session.signal(_STOP)
        if session.request.tty:
            session.signal(_HANGUP)  # what a shell at a terminal ends by; it ignores the other

        def insist() -> None:
            if self._session is session:
                session.signal(_KILL)
                self._loop.after(_HARD, session.kill)

        self._loop.after(patience, insist)

    def _set(self, **changes: Any) -> None:
        self._status = self._status._replace(**changes)
        with contextlib.suppress(OSError):  # a disk that cannot be written stops no command
            records.write_status(self.plan.folder, self._status)

    def _note_services(self) -> None:
        if not self._status.services:
            self._set(services=True)

    def _say(self, error: ToolError | None) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(error)

    # What others ask.

    def _answer(self, peer: Peer, words: dict[str, Any]) -> None:
        """Do what the first object on a connection asks for."""
        doing = str(words.get("do"))
        if doing == "attach":
            self._attach(peer, words)
        elif doing == "stop" and not words.get("service"):
            self._let_stop(peer, float(words.get("patience", PATIENCE)))
        elif doing == "services":
            peer.send({"services": [list(one) for one in self._services.list()]})
            peer.finish()
        elif self._session is None or self._session.desk is None:
            peer.send({"error": "the container does not run now", "code": ExitCode.ENGINE})
            peer.finish()
        else:
            self._answer_running(peer, words, self._session)

    def _answer_running(self, peer: Peer, words: dict[str, Any], session: Session) -> None:
        desk = session.desk
        assert desk is not None
        doing = str(words.get("do"))
        if doing == "service":
            self._services.start(peer, words, desk)
        elif doing == "stop":
            self._services.stop(
                peer, str(words["service"]), float(words.get("patience", PATIENCE)), desk.commands
            )
        elif doing == "signal":
            self._signal(words, session)
            peer.send({"ok": True})
            peer.finish()
        elif not desk.answer(peer, words):
            peer.send({"error": f"`{doing}` is nothing that can be asked", "code": ExitCode.ENGINE})
            peer.finish()

    def _signal(self, words: dict[str, Any], session: Session) -> None:
        number, name = int(words["number"]), str(words.get("service") or "")
        if not name or name == MAIN:
            self._stopping = self._stopping or number == _KILL
            session.signal(number)
        elif name in self._services.running and session.desk is not None:
            session.desk.commands.signal(self._services.running[name].number, number)

    def _let_stop(self, peer: Peer, patience: float) -> None:
        """Stop, and close the connection when it is over: the process's end does so."""
        del peer
        self.stop(patience)

    def _attach(self, peer: Peer, words: dict[str, Any]) -> None:
        name = str(words.get("service") or MAIN)
        running = self._services.running.get(name)
        if name != MAIN and running is None:
            peer.send({"error": f"no service `{name}` runs", "code": ExitCode.NOT_FOUND})
            peer.finish()
            return
        peer.lossless = bool(words.get("lossless"))
        peer.on_frame = lambda frame: self._take(frame, name)
        output = running.output if running is not None else self._output
        output.attach(peer, lambda: None)
        tty = running.service.tty if running is not None else self._has_terminal()
        peer.send({"attached": name, "tty": tty})
        if self.plan.waits and self._session is None and self._status.state is not State.RESTARTING:
            self._start()

    def _has_terminal(self) -> bool:
        return self.plan.record.asked.tty

    def _take(self, frame: Frame, name: str) -> None:
        """What somebody who is attached sends: input, window sizes, signals."""
        one = self._services.running.get(name)
        streams = (
            one.streams if one is not None else self._session.streams if self._session is not None else None
        )
        if streams is None:
            return
        if frame.kind == INPUT:
            streams.write(frame.data)
        elif frame.kind == WORDS:
            words = frame.words()
            if "rows" in words:
                streams.resize(int(words["rows"]), int(words["columns"]))
            if words.get("eof"):
                streams.end_input()
            if "signal" in words and self._session is not None:
                self._signal({"number": words["signal"], "service": name}, self._session)


def _session_of(engine: str) -> type[Session]:
    if engine == "native":
        return Session
    from shipway.run.life.apptainer_session import ApptainerSession  # noqa: PLC0415 - one of two

    return ApptainerSession


def _nothing(*_: object) -> None:
    """The wake-up descriptor tells the loop."""
