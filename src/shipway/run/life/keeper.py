"""The process beside a container of Docker or Podman: it keeps the container's log as a file of the caller's, and tells its end.

The container does not need it. One that was killed is replaced by the next command that reads the log, and goes on where the log
ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError, ToolError
from shipway.host.files import remove_tree
from shipway.run.bus_watch import in_engine, log_size, mark, sign_of_log
from shipway.run.life import records
from shipway.run.life.engine_words import WithoutTrouble
from shipway.run.life.journal import write_event
from shipway.run.life.log_write import count_kept, log_file, open_sink
from shipway.run.life.loop import Loop
from shipway.run.life.model import MAIN, Container, State, Status
from shipway.run.life.oci_secrets import forget_secrets
from shipway.run.life.oci_status import inspect_containers, read_changed
from shipway.run.life.output import Output
from shipway.run.life.restarts import wants_restart
from shipway.run.life.spawn import detach, spawn_bound
from shipway.run.life.streams import Streams
from shipway.run.life.upper import describe_lost
from shipway.run.model import RestartKind
from shipway.run.oci.program import require_program
from shipway.sandbox.deaths import open_watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shipway.core.events import Emit
    from shipway.run.bus_error import Sign
    from shipway.run.life.model import Record
    from shipway.run.oci.program import Program

COMPLETE = "log-complete"
"""A file in the container's folder: its command is over, and its log is whole."""
STOPPED = "stop-asked"
"""A file there: whatever its policy, it is not started again."""
_POLL = 0.2
_RESTART = 10.0
"""Seconds."""
_LAST = 2.0
"""Seconds until the log of a container that has ended is believed to be read."""
_ENGINE_GONE = 3600.0
"""Seconds that an engine may be silent before its keeper gives up."""


def spawn_keeper(engine: str, record: Record, folder: str, state: str, since: str) -> None:
    """Start the keeper of a container that was started, up to where its log is there; nothing happens where there is one.

    `since`: when it was started again, in seconds since 1970: what is older is in the log already. Empty: the engine's log is
    read from its beginning, and what ours has of it already is left out.
    """
    from shipway.core.events import silent  # noqa: PLC0415
    from shipway.run.life.oci_life import dialect_of  # noqa: PLC0415 - the two need each other

    program = require_program(dialect_of(engine))

    def live(tell: Callable[[ToolError | None], None], ready: Callable[[], None], emit: Emit) -> None:
        del emit
        write_event(state, record, "start")
        _Keeper(program, record, folder, state).run(since, ready)
        tell(None)

    spawned = detach(folder, f"shipway: {record.name}", silent, (), live)
    with contextlib.suppress(EngineError):  # there is one already
        spawned.wait_listening()
    spawned.close()


class _Resumed:
    """An output without what an earlier reading of the same log gave: the engine begins from the start each time."""

    def __init__(self, output: Output, seen: dict[int, int]):
        """`seen`: bytes by stream; added to."""
        self._output = output
        self._skip = dict(seen)
        self._seen = seen

    @property
    def stalled(self) -> bool:
        """Nobody waits for a keeper."""
        return False

    def when_room(self, call: Callable[[], None]) -> None:
        """There always is."""
        call()

    def feed(self, stream: int, data: bytes) -> None:
        """One piece."""
        skipped = min(self._skip[stream], len(data))
        self._skip[stream] -= skipped
        if skipped < len(data):
            self._seen[stream] += len(data) - skipped
            self._output.feed(stream, data[skipped:])


class _Keeper:
    """One container's."""

    def __init__(self, program: Program, record: Record, folder: str, state: str):
        self.program = program
        self.record = record
        self.folder = folder
        self.state = state
        self.loop = Loop()
        self.watch = open_watch(in_engine(lambda: record.engine_id))

    def run(self, since: str, ready: Callable[[], None]) -> None:
        """Follow until the container is over. `ready`: called when its log is there."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        remove_tree(self.complete)
        seen = {1: 0, 2: 0} if since else count_kept(self.folder, MAIN)
        log = log_file(self.folder, MAIN)
        begin = log_size(log)
        output = Output(open_sink(self.folder, MAIN, self.record.options.log))
        ready()
        if self.watch is not None:
            self.loop.watch(self.watch.fd, self._hear)
        once, started, told = self.record.options.restart.kind == RestartKind.NO, -1.0, -1
        while True:
            with self._following_owner():
                self._follow(_Resumed(output, seen), since)
            status = self._settled()
            if status is None:
                return
            ended = status.state not in (State.RUNNING, State.RESTARTING, State.PAUSED)
            if status.restarts != told and status.state is State.EXITED:
                write_event(self.state, self.record, "die", code=status.code)
                told = status.restarts
            if ended and (once or status.started == started):
                break
            started = status.started  # it may have run once more since its log was read
        output.end(status.code)
        mark(self.folder, self._sign(status.code, log, begin))
        with contextlib.suppress(ToolError):
            forget_secrets(self.folder, self.record)
        with contextlib.suppress(OSError), open(self.complete, "xb"):
            pass
        if self.record.options.rm:
            self._remove()

    @contextlib.contextmanager
    def _following_owner(self) -> Iterator[None]:
        """Have the journal say when the container ends whose network this one shares."""
        name = self.record.asked.beside
        if not name or self.record.asked.pid_space:  # who shares processes ends with the other
            yield
            return
        from shipway.run.life.beside import EVENT  # noqa: PLC0415 - few share one
        from shipway.run.life.oci_beside import find_owner, following_owner  # noqa: PLC0415

        def ended() -> None:
            write_event(self.state, self.record, EVENT, detail=name)

        owner = find_owner(self.program, self.record.engine_id)
        with following_owner(self.program, owner, self.loop, ended):
            yield

    def _hear(self, _: int = 0) -> None:
        if self.watch is not None:
            self.watch.read()

    def _sign(self, code: int, log: str, begin: int) -> Sign | None:
        """Of a bus error, in how the container ended. `begin`: bytes of its log before this start."""
        self._hear()
        return sign_of_log(code, 0 if self.watch is None else self.watch.count(), log, begin)

    @property
    def complete(self) -> str:
        """A file that says that the log is whole."""
        return f"{self.folder}/{COMPLETE}"

    def _remove(self) -> None:
        lost = ""
        with contextlib.suppress(Exception):  # an engine that went away has nothing to tell
            container = Container(self.record, Status(State.EXITED), self.folder)
            lost = describe_lost(read_changed(self.program, container))
        self.program.ask("rm", "--force", "--volumes", self.record.engine_id)
        write_event(self.state, self.record, "remove", detail=lost)
        records.remove_container(self.folder)

    def _follow(self, output: _Resumed, since: str) -> None:
        """Read the engine's log, from `since` on, to the end of this run of the command."""
        driver = self.record.options.log.driver
        if driver in ("none", "syslog", "journald"):
            self.program.ask("wait", self.record.engine_id)
            return
        words = ("logs", "--follow", *((f"--since={since}",) if since else ()), self.record.engine_id)
        words_of_container = WithoutTrouble(output)
        streams = Streams(self.loop, words_of_container)
        ends = streams.make_pipes(interactive=False)
        pid = spawn_bound((self.program.path, *words), ends)
        for fd in ends:
            os.close(fd)
        with self._ending_with_container(pid):
            self.loop.run(lambda: not streams.open)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        streams.finish(lambda: words_of_container.end(code))

    @contextlib.contextmanager
    def _ending_with_container(self, pid: int) -> Iterator[None]:
        """End the program `pid` soon after the container's process: Podman's follows for ever where the monitor was killed."""
        watched = -1
        try:
            if self._is_podman:
                found = inspect_containers(self.program, [self.record.engine_id])
                watched = os.pidfd_open(found[self.record.engine_id].pid)
        except (EngineError, KeyError, OSError):  # it has ended already, or the engine does not answer
            watched = -1
        follows = [pid]

        def end() -> None:
            for one in follows:
                os.kill(one, signal.SIGKILL)

        def ended(_: int) -> None:
            self.loop.forget(watched)
            self.loop.after(_LAST, end)

        if watched >= 0:
            self.loop.watch(watched, ended)
        try:
            yield
        finally:
            follows.clear()
            if watched >= 0:
                self.loop.forget(watched)
                os.close(watched)

    @property
    def _is_podman(self) -> bool:
        return self.program.dialect.name == "podman" and not self.program.endpoint()

    def _settled(self) -> Status | None:
        """How it stands, once the engine answers and knows; None when it does not any more."""
        deadline = time.monotonic() + _ENGINE_GONE
        patience = time.monotonic() + _RESTART
        while time.monotonic() < deadline:
            with contextlib.suppress(Exception):
                found = inspect_containers(self.program, [self.record.engine_id])
                status = found.get(self.record.engine_id)
                if status is None:
                    return Status(State.EXITED, code=137)
                if time.monotonic() < patience and self._comes_again(status):
                    continue
                if status.state is not State.RUNNING or self._still_runs():
                    return status
            time.sleep(_POLL)
        return None

    def _comes_again(self, status: Status) -> bool:
        """Whether it has ended and its policy has it started again: Podman takes a moment for that, and does not say so."""
        if status.state is not State.EXITED or os.path.exists(f"{self.folder}/{STOPPED}"):
            return False
        if not wants_restart(self.record.options.restart, status.code, status.restarts):
            return False
        time.sleep(_POLL)
        return True

    def _still_runs(self) -> bool:
        """Whether it runs a moment later as well: the log may end a moment before the container does."""
        time.sleep(_POLL)
        found = inspect_containers(self.program, [self.record.engine_id])
        status = found.get(self.record.engine_id)
        return status is not None and status.state is State.RUNNING
