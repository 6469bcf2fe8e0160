"""`run`: from the caller to the outside process to the first process inside.

    caller ── outside ── init ── command
                │          └ reaps, forwards, ends the rest (pid 1 of the sandbox)
                └ namespaces, id map, recorded calls, terminal relay; killed with the caller, kills the sandbox with it

Every descriptor between them is a pipe whose end is noticed, and each asks the kernel for SIGKILL when its parent dies.
"""

from __future__ import annotations

import _socket
import os
import select

from . import causes, deaths, modes, outside, process, terminal
from .model import Attribute, Device, Owner, Result, SandboxFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .model import Request


def run(
    request: Request,
    *,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    on_start: Callable[[int], None] | None = None,
    door: tuple[int, Callable[[Running], None]] | None = None,
) -> Result:
    """Run `request` to its end. Streams are descriptors; None means our own.

    `on_start(pid)` is called before anything is set up, while the process waits: limits it is given then hold for all it
    starts. Where a mode is refused and another one is tried, it is called again. `door`: see `Running.wait`.
    In the main thread signals are passed on (`forward_signals`); an exception in the caller kills the sandbox. Raises
    `SandboxFailure` if the sandbox could not be made; a command that could not be executed is a result with code 126 or 127.
    """
    refusals: list[SandboxFailure] = []
    for mode in modes.plan_modes(request):
        try:
            running = start(
                request.replace(mode=mode), stdin=stdin, stdout=stdout, stderr=stderr, on_start=on_start
            )
            return running.wait(door)
        except SandboxFailure as failure:
            if failure.step not in modes.REFUSED_STEPS:
                raise
            refusals.append(failure)
    raise _explain(refusals)


def _explain(refusals: list[SandboxFailure]) -> SandboxFailure:
    """The first refusal, with what to do about it."""
    first = refusals[0]
    found = causes.diagnose(causes.read_texts(), uid=os.geteuid(), number=first.errno)
    message = "; ".join((first.message, *(cause.finding for cause in found)))
    return SandboxFailure(
        message, step=first.step, errno=first.errno, hints=tuple(cause.remedy for cause in found)
    )


class Captured:
    """What a finished command wrote."""

    def __init__(self, result: Result, stdout: bytes, stderr: bytes):
        self.result = result
        self.stdout = stdout
        self.stderr = stderr


def run_captured(request: Request, *, data: bytes = b"") -> Captured:
    """`run` with `data` as standard input and both outputs kept in memory. Signals are not forwarded: an interrupt ends it."""
    streams = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
    try:
        os.write(streams[0], data)
        os.lseek(streams[0], 0, os.SEEK_SET)
        quiet = request.replace(forward_signals=False)
        result = run(quiet, stdin=streams[0], stdout=streams[1], stderr=streams[2])
        return Captured(result, *(_content(fd) for fd in streams[1:]))
    finally:
        for fd in streams:
            os.close(fd)


def _content(fd: int) -> bytes:
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, "rb", closefd=False) as file:
        return file.read()


def start(
    request: Request,
    *,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    on_start: Callable[[int], None] | None = None,
) -> Running:
    """Begin `request` and return at once; the caller must `wait`. Mode `auto` is the first of `plan_modes` here."""
    mode = modes.plan_modes(request)[0]
    streams = (
        0 if stdin is None else stdin,
        1 if stdout is None else stdout,
        2 if stderr is None else stderr,
    )
    ours, theirs = _socket.socketpair() if request.control else (None, None)
    answer_reader, answer_writer = os.pipe()
    go_reader, go_writer = os.pipe()
    mask = process.block_signals()
    try:
        pid = process.fork()
        if pid == 0:
            os.close(answer_reader)
            os.close(go_writer)
            theirs_fd = None if theirs is None else theirs.detach()
            outside.run_outside(outside.Outside(request, mode, streams, answer_writer, go_reader, theirs_fd))
    finally:
        process.restore_signals(mask)
        os.close(answer_writer)
        os.close(go_reader)
        if theirs is not None:
            theirs.close()
    running = Running(request, pid, answer_reader, go_writer, streams, ours)
    try:
        if on_start is not None:
            on_start(pid)
        process.send_message(go_writer, "go")
        if request.control:
            running.watch = deaths.open_watch(lambda parent: deaths.descends(parent, pid))
    except BaseException:
        running.kill()
        raise
    return running


class Running:
    """A sandbox that was started."""

    def __init__(
        self,
        request: Request,
        pid: int,
        answer: int,
        go: int,
        streams: tuple[int, int, int],
        control: _socket.socket | None = None,
    ):
        """`pid` is the outside process. `control`: where more is asked for (`control.py`), if the request says so."""
        self.pid = pid
        self.control = control
        self.watch: deaths.Watch | None = None
        """Of bus errors inside; its owner reads it while it does not `wait`."""
        self._request = request
        self._answer = answer
        self._go = go
        self._stdin = streams[0]
        self._handlers: dict[int, Any] = {}

    @property
    def answer(self) -> int:
        """A descriptor that can be read, and not before, when `wait` needs no waiting."""
        return self._answer

    def send_signal(self, number: int) -> None:
        """Send a signal to the command inside."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End everything inside at once, and reap."""
        os.kill(self.pid, process.SIGKILL)
        self._finish()

    def wait(self, door: tuple[int, Callable[[Running], None]] | None = None) -> Result:
        """Wait for the end. `door`: a descriptor, and who is called once when it can be read, and returns when `answer` can.

        Raises `SandboxFailure`.
        """
        terminal_modes = terminal.read_modes(self._stdin) if self._request.tty else None
        try:
            if self._request.forward_signals:
                self._forward_signals()
            if self._is_called(-1 if door is None else door[0]) and door is not None:
                door[1](self)
            answer = process.receive_message(self._answer)
        except BaseException:
            os.kill(self.pid, process.SIGKILL)
            raise
        finally:
            self._finish()
            terminal.set_modes(self._stdin, terminal_modes)
            for number, handler in self._handlers.items():
                process.handle_signal(number, handler)
        return parse_answer(answer, 0 if self.watch is None else self.watch.count())

    def _is_called(self, door: int) -> bool:
        """Whether somebody is at `door` before the end; -1: there is no door."""
        poll = select.poll()
        heard = -1 if self.watch is None else self.watch.fd
        for fd in {door, heard, self._answer} - {-1}:
            poll.register(fd, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self.watch is not None and heard in ready:
                self.watch.read()
            if self._answer in ready or door in ready:
                return door in ready

    def _finish(self) -> None:
        process.close_quietly(self._answer)
        process.close_quietly(self._go)
        if self.control is not None:
            self.control.close()
        if self.watch is not None:
            self.watch.close()
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:  # the caller ignores SIGCHLD: the kernel reaped it
            return

    def _forward_signals(self) -> None:
        """Pass our signals on, where this thread may say so."""
        for number in process.FORWARDED:
            if number == process.SIGCONT:
                continue
            try:
                self._handlers[number] = process.handle_signal(number, self._on_signal)
            except ValueError:  # not the main thread: the program's own handlers stay
                return

    def _on_signal(self, number: int, frame: object) -> None:
        del frame
        try:
            os.kill(self.pid, number)
            if number == process.SIGTSTP:
                os.kill(os.getpid(), process.SIGSTOP)
                os.kill(self.pid, process.SIGCONT)
        except ProcessLookupError:
            return


def parse_answer(answer: Any, bus_errors: int = 0) -> Result:
    """The result from the outside's message. `bus_errors`: as the caller has counted them.

    Raises `SandboxFailure` if it says so, or if there is none.
    """
    if answer is None:
        raise SandboxFailure("the sandbox was killed from outside", step="wait")
    if answer[0] == "failed":
        raise SandboxFailure(answer[1], step=answer[2], errno=answer[3])
    _, code, signal, mode, notes, message, shown, owners, xattrs, devices = answer
    return Result(
        code,
        signal,
        mode=mode,
        note="; ".join(notes),
        message=message,
        ownership=[Owner(*owner) for owner in owners],
        xattrs=[Attribute(*attribute) for attribute in xattrs],
        devices=[Device(*device) for device in devices],
        bus_errors=bus_errors,
        shown=shown,
    )
