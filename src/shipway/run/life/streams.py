"""The ends of a command's streams that its supervisor holds: pipes, or the master of its terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import termios
from typing import TYPE_CHECKING, Protocol

from shipway.host.clock import monotonic
from shipway.run.life.loop import READ, WRITE
from shipway.run.life.wire import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.run.life.loop import Loop
    from shipway.run.life.witness import Holding


class Feeds(Protocol):
    """What takes the output of a command."""

    @property
    def stalled(self) -> bool:
        """Whether the command has to wait."""
        ...

    def feed(self, stream: int, data: bytes) -> None:
        """One piece from stream 1 or 2."""
        ...

    def when_room(self, call: Callable[[], None]) -> None:
        """Call `call` once, when the command need not wait any more."""
        ...


DYING = 1.0
"""Seconds that the processes of a killed sandbox may take to be gone; they are not, where it had no process namespace."""
_PIPE = 1 << 20
"""Bytes that a pipe holds, where the kernel allows it: what a command may be ahead of its log."""


class Streams:
    """The streams of one command, moved by a loop."""

    def __init__(self, loop: Loop, output: Feeds, holding: Holding | None = None):
        """`holding`: has somebody else hold them, too, who saves what they have when this process is killed."""
        self._holding = holding
        self._loop = loop
        self._output = output
        self._readers: dict[int, int] = {}
        """Stream by descriptor."""
        self._input = -1
        self._to_write = bytearray()
        self._input_ends = False
        self._master = False

    @property
    def open(self) -> bool:
        """Whether more may come from the command."""
        return bool(self._readers)

    def make_pipes(self, *, interactive: bool) -> tuple[int, int, int]:
        """Pipes for a command without a terminal; returns its ends, which the caller closes when the command has them."""
        if interactive:
            stdin, self._input = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self._input, False)
        else:
            stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        ends = [stdin]
        for stream in (1, 2):
            reader, writer = os.pipe2(os.O_CLOEXEC)
            with contextlib.suppress(OSError):
                fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, _PIPE)
            self._watch(reader, stream, pipe=True)
            ends.append(writer)
        return ends[0], ends[1], ends[2]

    def take_terminal(self, master: int) -> None:
        """The command has a terminal, and this is its master."""
        self._master = True
        self._input = master
        self._watch(master, 1, pipe=False)

    def _watch(self, fd: int, stream: int, *, pipe: bool) -> None:
        os.set_blocking(fd, False)
        self._readers[fd] = stream
        if self._holding is not None:
            self._holding.hold(fd, stream, pipe=pipe)
        self._loop.watch(fd, lambda what: self._ready(fd, what))

    def _ready(self, fd: int, what: int) -> None:
        if what & WRITE:
            self._flush()
        if what & ~WRITE and fd in self._readers and not self._stall(fd):
            self._move(fd)

    def _stall(self, fd: int) -> bool:
        """Let the command wait while the reader that it was started for is behind."""
        if not self._output.stalled:
            return False
        self._loop.change(fd, 0)
        self._output.when_room(lambda: self._wake(fd))
        return True

    def _wake(self, fd: int) -> None:
        if fd in self._readers:
            self._loop.change(fd, READ)

    def _move(self, fd: int) -> bool:
        """Read one piece; False when there is none."""
        try:
            data = os.read(fd, CHUNK) if self._holding is None else self._holding.read(fd)
        except BlockingIOError:
            return False
        except OSError:  # EIO: nobody has the other side of the terminal open
            data = b""
        if data:
            self._output.feed(self._readers[fd], data)
            if self._holding is not None:
                self._holding.done()
            return True
        self._drop(fd)
        return False

    def _wait(self, fd: int, deadline: float) -> bool:
        """Until more comes, or nothing can; whether that was before the deadline."""
        left = deadline - monotonic()
        if fd not in self._readers or left <= 0:
            return False
        poll = select.poll()
        poll.register(fd, READ)
        return bool(poll.poll(left * 1000))

    def _drop(self, fd: int) -> None:
        self._readers.pop(fd, None)
        if self._holding is not None:
            self._holding.release(fd)
        self._loop.forget(fd)
        if fd == self._input:
            self._input = -1
        os.close(fd)

    def write(self, data: bytes) -> None:
        """Bytes for the command's standard input."""
        if self._input >= 0:
            self._to_write += data
            self._flush()

    def end_input(self) -> None:
        """Nothing more comes: a terminal is told by its end-of-file character."""
        if self._master:
            self.write(b"\x04")
            return
        self._input_ends = True
        self._flush()

    def _flush(self) -> None:
        try:
            while self._to_write:
                del self._to_write[: os.write(self._input, self._to_write)]
        except BlockingIOError:
            self._wait_for_room()
            return
        except OSError:
            self._to_write.clear()
        if self._master:
            self._loop.change(self._input, READ)
        elif self._input >= 0:
            self._loop.forget(self._input)
            if self._input_ends:
                os.close(self._input)
                self._input = -1

    def _wait_for_room(self) -> None:
        if self._master:
            self._loop.change(self._input, READ | WRITE)
        else:
            self._loop.watch(self._input, lambda _: self._flush(), WRITE)

    def resize(self, rows: int, columns: int) -> None:
        """The window of whoever looks has another size."""
        if self._master and self._input >= 0:
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._input, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def finish(self, tell: Callable[[], None], patience: float = 0.0) -> None:
        """The command is over: move what its streams still hold, close them, and call `tell`.

        `patience`: seconds until the last of a sandbox that was killed is believed to be dead, for it may write up to then.
        """
        deadline = monotonic() + patience
        for fd in tuple(self._readers):
            while fd in self._readers and (self._move(fd) or self._wait(fd, deadline)):
                continue
            if fd in self._readers:
                self._drop(fd)
        if self._input >= 0:
            self._loop.forget(self._input)
            os.close(self._input)
            self._input = -1
        tell()
