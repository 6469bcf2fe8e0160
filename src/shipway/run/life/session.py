"""One run of a container's command, from the sandbox's start to its result, on its supervisor's loop."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import ToolError
from shipway.run.life.commands import Calls, Commands
from shipway.run.life.desk import Desk
from shipway.run.life.streams import DYING, Streams
from shipway.run.native import (
    KILLED,
    REFUSALS,
    merged_request,
    not_set_up,
    not_started,
    plan_sandbox,
    prepare,
)
from shipway.run.native_can import require_possible
from shipway.run.network.spaces import describe_shared_end, opened_spaces
from shipway.sandbox.model import SandboxFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shipway.core.events import Emit
    from shipway.run.life.loop import Loop
    from shipway.run.life.output import Output
    from shipway.run.life.witness import Holding
    from shipway.run.limits import Enforcer
    from shipway.run.model import Merge, RunRequest
    from shipway.run.top.names import TopFolders
    from shipway.sandbox.launch import Running
    from shipway.sandbox.model import Request, Result


class Ended(NamedTuple):
    """How a run was."""

    code: int
    memory_kills: int = 0
    error: ToolError | None = None
    """Why nothing ran."""
    reason: str = ""
    """What there is to say beside the code."""
    bus_errors: int = 0
    """Processes that SIGBUS ended."""


class Session:
    """One run."""

    def __init__(
        self,
        loop: Loop,
        request: RunRequest,
        folders: TopFolders,
        output: Output,
        *,
        interactive: bool,
        holding: Holding,
    ):
        self._loop = loop
        self._folders = folders
        self._output = output
        self._interactive = interactive
        self._stack = ExitStack()
        self._enforcer: Enforcer | None = None
        self._modes: list[str] = []
        self._join: Mapping[str, int] = {}
        self._failures: list[SandboxFailure] = []
        self._running: Running | None = None
        self.request = request
        self.streams = Streams(loop, output, holding)
        self.desk: Desk | None = None
        """Where more can be asked for; None before the command runs."""
        self._on_start: Callable[[], None] | None = None
        self._on_end: Callable[[Ended], None] | None = None
        self._on_lost: Callable[[str], None] | None = None
        self._merge: Merge | None = None

    def start(
        self,
        *,
        state: str,
        runtime: str,
        merge: Merge | None,
        emit: Emit,
        on_start: Callable[[], None],
        on_end: Callable[[Ended], None],
        on_lost: Callable[[str], None],
    ) -> None:
        """Begin. `on_start` is called when the command runs; `on_end` once, in any case.

        `on_lost` gets the name of the container whose network this one shares, when that one ends first.

        Raises:
            ToolError: it could not even be tried.
        """
        self._on_start, self._on_end, self._on_lost, self._merge = on_start, on_end, on_lost, merge
        self._prepare(state, emit)
        if self.request.limits.asked:
            from shipway.run.limits import enforced_limits  # noqa: PLC0415 - most containers have none
            from shipway.run.memory_kills import own_mark  # noqa: PLC0415 - as above

            name = own_mark() + os.urandom(4).hex()
            self._enforcer = self._stack.enter_context(
                enforced_limits(self.request.limits, uid=os.geteuid(), name=name, runtime=runtime)
            )
        held = self._enforcer.notes if self._enforcer is not None else ()
        for note in (*self.request.notes, *held):
            from shipway.core.events import Note  # noqa: PLC0415

            emit(Note(note, "warning"))
        self._begin()

    def _prepare(self, state: str, emit: Emit) -> None:
        """Have everything on the host that the container needs."""
        require_possible(self.request)
        prepare(self.request, self._folders, state)
        assert self._on_lost is not None
        spaces = opened_spaces(
            self.request,
            state=state,
            folder=self._folders.run,
            emit=emit,
            on_lost=self._on_lost,
            loop=self._loop,
        )
        self.request, self._join = self._stack.enter_context(spaces)

    def _begin(self) -> None:
        self._plan(self.request)
        self._try()

    def _plan(self, request: RunRequest) -> None:
        from shipway.sandbox.modes import plan_modes  # noqa: PLC0415 - the sandbox is loaded when one starts

        self.request = request
        self._modes = plan_modes(self._sandbox())

    def _sandbox(self) -> Request:
        plan = plan_sandbox(self.request, self._folders)
        return plan.replace(control=True, relay=False, forward_signals=False, join=self._join)

    def _try(self) -> None:
        """Start in the next way that the host may allow."""
        from shipway.sandbox.launch import start  # noqa: PLC0415 - drags in `ctypes`

        mode = self._modes.pop(0)
        if self.request.tty:
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            ends = (null, null, null)
        else:
            ends = self.streams.make_pipes(interactive=self._interactive)
        admit = self._enforcer.admit if self._enforcer is not None else None
        try:
            running = start(
                self._sandbox().replace(mode=mode),
                stdin=ends[0],
                stdout=ends[1],
                stderr=ends[2],
                on_start=admit,
            )
        finally:
            for fd in set(ends):
                os.close(fd)
        assert running.control is not None
        self._running = running
        if running.watch is not None:
            self._loop.watch(running.watch.fd, lambda _: _read(running))
        commands = Commands(self._loop, running.control)
        commands.expect_main(Calls(self._started, _told_by_result, _told_by_result))
        self.desk = Desk(self._loop, self.request, commands, running)
        self._loop.watch(running.answer, lambda _: self._finish())

    def _started(self, pid: int, fds: list[int]) -> None:
        del pid
        if fds:
            self.streams.take_terminal(fds[0])
        if self._on_start is not None:
            self._on_start()

    def _finish(self) -> None:
        assert self._running is not None
        assert self.desk is not None
        self._loop.forget(self._running.answer)
        if self._running.watch is not None:
            self._loop.forget(self._running.watch.fd)
        self.desk.close()
        self.desk = None
        try:
            result = self._running.wait()
        except SandboxFailure as failure:
            self._running = None
            self._refused(failure)
            return
        self._running = None
        error = not_started(self.request, result) if result.message else None
        self._end(self._ended(result, error))

    def _refused(self, failure: SandboxFailure) -> None:
        """The host refused this way, or the sandbox was killed."""
        killed = failure.step in ("wait", "init")
        self.streams.finish(_nothing, DYING if killed else 0.0)
        if killed:
            reason = describe_shared_end(self.request) or self._explain_memory(KILLED)
            self._end(Ended(KILLED, self._memory_kills(), reason=reason or "its sandbox was killed"))
            return
        self._failures.append(failure)
        if failure.step in REFUSALS and self._modes:
            self._try()
        elif self._may_merge(failure):
            assert self._merge is not None
            self._plan(merged_request(self.request, self._folders, self._merge))
            self._try()
        else:
            self._end(Ended(125, error=not_set_up(self._failures[0])))

    def _may_merge(self, failure: SandboxFailure) -> bool:
        """Whether one tree of all lowers may do where overlays are refused; what is to be joined needs namespaces."""
        can = self._merge is not None and not self.request.merged_root and not self._join
        return can and failure.step in REFUSALS

    def _ended(self, result: Result, error: ToolError | None) -> Ended:
        said = (result.note, "" if error is not None else self._explain_memory(result.code))
        return Ended(
            result.code, self._memory_kills(), error, "; ".join(filter(None, said)), result.bus_errors
        )

    def _memory_kills(self) -> int:
        return self._enforcer.count_memory_kills() if self._enforcer is not None else 0

    def _explain_memory(self, code: int) -> str:
        if self._enforcer is None:
            return ""
        return self._enforcer.explain_end(code, self.request.limits.memory)

    def _end(self, ended: Ended) -> None:
        self.streams.finish(_nothing)
        self._stack.close()
        if self._on_end is not None:
            self._on_end(ended)

    def signal(self, number: int) -> None:
        """Send a signal to the command."""
        from shipway.sandbox.control import MAIN  # noqa: PLC0415

        if self.desk is not None:
            self.desk.commands.signal(MAIN, number)

    def kill(self) -> None:
        """End everything inside at once."""
        if self._running is not None:
            os.kill(self._running.pid, 9)


def _read(running: Running) -> None:
    if running.watch is not None:
        running.watch.read()


def _told_by_result(*_: object) -> None:
    """A main command's end, or that it could not be executed, is told by the sandbox's result."""


def _nothing() -> None:
    return
