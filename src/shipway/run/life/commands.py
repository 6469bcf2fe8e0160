"""The commands that run in one sandbox, seen from its supervisor: asked for over the control socket, told apart by numbers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from shipway.core.errors import ExitCode
from shipway.sandbox import control

if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable, Sequence

    from shipway.run.life.loop import Loop


class Calls(NamedTuple):
    """Who wants to know of a command."""

    started: Callable[[int, list[int]], None]
    """Its process id inside, and the master of its terminal, if it has one."""
    failed: Callable[[str, int], None]
    """A sentence, and the code that a shell would answer."""
    ended: Callable[[int], None]
    """Its code, 128 + n for signal n."""


class Commands:
    """All of one sandbox."""

    def __init__(self, loop: Loop, connection: _socket.socket):
        self._loop = loop
        self._connection = connection
        self._calls: dict[int, Calls] = {}
        self._last = control.MAIN
        self.closed = False
        """The sandbox is gone."""
        loop.watch(connection.fileno(), self._hear)

    def expect_main(self, calls: Calls) -> None:
        """Tell `calls` of the command that the sandbox was made for; of its end the sandbox's result tells."""
        self._calls[control.MAIN] = calls

    def start(self, words: dict[str, Any], fds: Sequence[int], calls: Calls) -> int:
        """Start a command: `argv`, `env`, `cwd`, `tty` of a sandbox's request. Returns its number."""
        number = self._next(calls)
        self._send(("exec", number, words), fds)
        return number

    def write(self, stream: int, calls: Calls) -> int:
        """Change files inside as the stream in the descriptor says (`sandbox/writing.py`)."""
        number = self._next(calls)
        self._send(("write", number), (stream,))
        return number

    def ask_namespaces(self, answer: Callable[[list[str], list[int]], None]) -> None:
        """Hand out the namespaces: names and descriptors, which are closed afterwards."""

        def started(_: int, fds: list[int]) -> None:
            answer([*control.NAMESPACES, control.MEMORY][: len(fds)], fds)

        number = self._next(Calls(started, _nobody, _nobody))
        self._send(("namespaces", number))

    def signal(self, number: int, which: int) -> None:
        """Send signal `which` to command `number`."""
        self._send(("signal", number, which))

    def close(self) -> None:
        """The sandbox is gone: every command that was not told of has ended with it."""
        self.closed = True
        self._loop.forget(self._connection.fileno())
        calls, self._calls = self._calls, {}
        for number, call in calls.items():
            if number != control.MAIN:
                call.ended(_KILLED)

    def _next(self, calls: Calls) -> int:
        self._last += 1
        self._calls[self._last] = calls
        return self._last

    def _send(self, message: tuple[Any, ...], fds: Sequence[int] = ()) -> None:
        try:
            control.send(self._connection, message, fds)
        except OSError:  # the sandbox has just ended, and its result is about to tell
            return

    def _hear(self, _: int) -> None:
        try:
            received = control.receive(self._connection)
        except OSError:
            received = None
        if received is None:
            self._loop.forget(self._connection.fileno())
            return
        message, fds = received
        calls = self._calls.get(message[1])
        if calls is not None:
            self._tell(calls, message, fds)
        for fd in fds:
            os.close(fd)

    def _tell(self, calls: Calls, message: tuple[Any, ...], fds: list[int]) -> None:
        kind, number, what = message[:3]
        if kind == "started":
            kept = [os.dup(fd) for fd in fds]
            calls.started(what, kept)
        elif kind == "namespaces":
            del self._calls[number]
            calls.started(0, fds)
        elif kind == "failed":
            del self._calls[number]
            calls.failed(what, _code_of(message[3]))
        elif kind == "ended":
            del self._calls[number]
            calls.ended(shell_code(what))


def shell_code(status: int) -> int:
    """What a shell answers for a wait status."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _code_of(errno: int) -> int:
    import errno as names  # noqa: PLC0415 - its name is the best for the parameter

    return ExitCode.COMMAND_NOT_FOUND if errno == names.ENOENT else ExitCode.NOT_EXECUTABLE


def _nobody(*_: object) -> None:
    return


_KILLED = 137
