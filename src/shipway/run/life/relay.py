"""The caller's terminal and streams, joined to a command that runs under a supervisor."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import termios
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from shipway.host.files import write_all
from shipway.run.life.wire import ERRORS, INPUT, OUTPUT, WORDS, Receiver, render_frame, send_words

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from shipway.run.life.wire import Frame

DETACH = b"\x10\x11"
"""Ctrl-P, Ctrl-Q."""
_CHUNK = 65536
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_AGAIN = 0.005
_PATIENCE = 400
"""Milliseconds that the beginning of the keys is held back: alone, Ctrl-P is a shell's way to its history."""


class Ends(NamedTuple):
    """The caller's descriptors."""

    stdin: int = 0
    stdout: int = 1
    stderr: int = 2


class Link(Protocol):
    """The way to the command."""

    code: int | None
    """Its exit code, once it is over."""

    def fds(self) -> tuple[int, ...]:
        """What to read from."""
        ...

    def read(self, fd: int) -> Iterator[tuple[int, bytes]]:
        """What has come: stream and bytes."""
        ...

    def early(self) -> Iterator[tuple[int, bytes]]:
        """What came with the first answer."""
        ...

    def write(self, data: bytes) -> None:
        """Input for the command."""
        ...

    def end_input(self) -> None:
        """Nothing more comes."""
        ...

    def resize(self, rows: int, columns: int) -> None:
        """The window changed."""
        ...

    def signal(self, number: int) -> None:
        """For the command."""
        ...


class SocketLink:
    """To a supervisor that hands bytes on."""

    def __init__(
        self, connection: socket.socket, receiver: Receiver, tell: Callable[[str], None] | None = None
    ):
        """`tell`: gets what the supervisor has to say before the end."""
        self._connection = connection
        self._receiver = receiver
        self._say = tell
        self.code: int | None = None
        self.note = ""
        """What the supervisor had to say at the end."""

    def fds(self) -> tuple[int, ...]:
        """The one connection."""
        return (self._connection.fileno(),)

    def read(self, fd: int) -> Iterator[tuple[int, bytes]]:
        """Bytes of the command, until a frame tells its end."""
        del fd
        try:
            yield from self._take_frames(self._receiver.read())
        except (EOFError, OSError):
            self.code = 137 if self.code is None else self.code

    def early(self) -> Iterator[tuple[int, bytes]]:
        """Frames that were read together with the first answer."""
        yield from self._take_frames(self._receiver.pending())

    def _take_frames(self, frames: Iterator[Frame]) -> Iterator[tuple[int, bytes]]:
        for frame in frames:
            if frame.kind in (OUTPUT, ERRORS):
                yield frame.kind, frame.data
            elif frame.kind == WORDS:
                self._take_words(frame.words())

    def _take_words(self, words: dict[str, Any]) -> None:
        note = str(words.get("note") or "")
        if "exit" in words:
            self.code, self.note = int(words["exit"]), note
        elif note and self._say is not None:
            self._say(note)

    def write(self, data: bytes) -> None:
        """As a frame."""
        self._send(render_frame(INPUT, data))

    def end_input(self) -> None:
        """Said in words."""
        self._tell({"eof": True})

    def resize(self, rows: int, columns: int) -> None:
        """Said in words."""
        self._tell({"rows": rows, "columns": columns})

    def signal(self, number: int) -> None:
        """Said in words."""
        self._tell({"signal": number})

    def leave(self) -> None:
        """Say that the command is to go on without us."""
        self._tell({"left": True})

    def _tell(self, words: dict[str, object]) -> None:
        with contextlib.suppress(OSError):
            send_words(self._connection, words)

    def _send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self._connection.sendall(data)


class Master:
    """The half of a link that has a terminal's master: what is typed goes there."""

    _master: int

    def write(self, data: bytes) -> None:
        """Typed."""
        with contextlib.suppress(OSError):
            write_all(self._master, data)

    def end_input(self) -> None:
        """As a terminal is told."""
        self.write(b"\x04")

    def resize(self, rows: int, columns: int) -> None:
        """The kernel tells the foreground group."""
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class MasterLink(Master, SocketLink):
    """To a command whose terminal's master is here; the supervisor only tells its end."""

    def __init__(self, connection: socket.socket, receiver: Receiver, master: int):
        super().__init__(connection, receiver)
        self._master = master
        self._open = True

    def fds(self) -> tuple[int, ...]:
        """The connection, and the terminal as long as it is open."""
        return (*super().fds(), *((self._master,) if self._open else ()))

    def early(self) -> Iterator[tuple[int, bytes]]:
        """The same, and what the terminal shows if it is over already."""
        yield from super().early()
        yield from self._last_words()

    def _last_words(self) -> Iterator[tuple[int, bytes]]:
        if self.code is not None:
            os.set_blocking(self._master, False)
            while self._open and (data := self._take()):
                yield OUTPUT, data

    def read(self, fd: int) -> Iterator[tuple[int, bytes]]:
        """What the terminal shows; its last words are read before the end is believed."""
        if fd != self._master:
            yield from super().read(fd)
            yield from self._last_words()
            return
        data = self._take()
        if data:
            yield OUTPUT, data

    def _take(self) -> bytes:
        try:
            data = os.read(self._master, _CHUNK)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        self._open = bool(data)
        return data


def relay(
    link: Link, ends: Ends, *, tty: bool, stdin: bool = True, keys: bytes = DETACH, stays: bool = False
) -> int | None:
    """Move bytes until the command is over; its exit code, or None when `keys` were typed and it goes on without us.

    `tty`: the command has a terminal; ours is raw meanwhile, if we have one. `stdin`: whether our input is for the command.
    `stays`: the command was there before us, so it is not told when our terminal goes; that is like `keys`, too.
    """
    from shipway.sandbox.terminal import make_raw, read_modes, set_modes  # noqa: PLC0415 - drags in the sandbox

    raw = tty and os.isatty(ends.stdin)
    modes = read_modes(ends.stdin) if raw else None
    wakes, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    watched = (*(() if raw else _FORWARDED), signal.SIGWINCH)
    old = {number: signal.signal(number, _nothing) for number in watched}
    before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    try:
        if raw:
            make_raw(ends.stdin)
            _copy_size(link, ends)
        return _Relay(link, ends, wakes, keys if raw else b"", stdin=stdin, stays=stays).run()
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in old.items():
            signal.signal(number, handler)
        set_modes(ends.stdin, modes)
        os.close(wakes)
        os.close(wake)


class _Relay:
    """One joining."""

    def __init__(self, link: Link, ends: Ends, wakes: int, keys: bytes, *, stdin: bool, stays: bool):
        self.link = link
        self.ends = ends
        self.wakes = wakes
        self.keys = keys
        self.held = b""
        """The beginning of `keys`, typed and not passed on yet."""
        self.input_open = stdin
        self.stays = stays

    def run(self) -> int | None:
        for stream, data in self.link.early():
            self._put(stream, data)
        while self.link.code is None:
            poll = select.poll()
            for fd in (*self.link.fds(), self.wakes, *((self.ends.stdin,) if self.input_open else ())):
                poll.register(fd, select.POLLIN)
            ready = poll.poll(_PATIENCE if self.held else None)
            if not ready:
                self.link.write(self.held)
                self.held = b""
            for fd, _ in ready:
                if fd == self.wakes:
                    if self._woken():
                        return None
                elif fd == self.ends.stdin and fd not in self.link.fds():
                    if self._type():
                        return None
                else:
                    self._show(fd)
        return self.link.code

    def _woken(self) -> bool:
        """Pass signals on; True when one of them ends the joining."""
        for number in os.read(self.wakes, 64):
            if number == signal.SIGWINCH:
                _copy_size(self.link, self.ends)
            elif self.stays and number == signal.SIGHUP:
                return True
            else:
                self.link.signal(number)
        return False

    def _type(self) -> bool:
        """Pass input on; True when it was the keys that end the joining."""
        try:
            data = os.read(self.ends.stdin, _CHUNK)
        except OSError:
            data = b""
        if not data:
            self.input_open = False
            self.link.end_input()
            return False
        passed, self.held, found = split_keys(self.held + data, self.keys)
        if passed:
            self.link.write(passed)
        return found

    def _show(self, fd: int) -> None:
        for stream, data in self.link.read(fd):
            self._put(stream, data)

    def _put(self, stream: int, data: bytes) -> None:
        _write_patiently(self.ends.stdout if stream == OUTPUT else self.ends.stderr, data)


def split_keys(data: bytes, keys: bytes) -> tuple[bytes, bytes, bool]:
    """`data` before `keys`, an end of it that may become `keys`, and whether `keys` are there."""
    if not keys:
        return data, b"", False
    place = data.find(keys)
    if place >= 0:
        return data[:place], b"", True
    for size in range(len(keys) - 1, 0, -1):
        if data.endswith(keys[:size]):
            return data[:-size], data[-size:], False
    return data, b"", False


def _write_patiently(fd: int, data: bytes) -> None:
    """Write all, also to a descriptor that somebody made non-blocking. Raises `BrokenPipeError` when nobody reads."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [], _AGAIN)


def _copy_size(link: Link, ends: Ends) -> None:
    for fd in (ends.stdin, ends.stdout):
        with contextlib.suppress(OSError):
            rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))
            link.resize(rows, columns)
            return


def _nothing(*_: object) -> None:
    """The wake-up descriptor tells."""
