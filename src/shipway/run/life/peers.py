"""Those who talk to a supervisor: one connection each, read and written without ever waiting for it."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

from shipway.run.life.loop import READ, WRITE
from shipway.run.life.wire import WORDS, Receiver, render_frame, send_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shipway.run.life.loop import Loop
    from shipway.run.life.wire import Frame


class Peer:
    """One connection."""

    def __init__(
        self, loop: Loop, connection: socket.socket, on_request: Callable[[Peer, dict[str, Any]], None]
    ):
        """`on_request`: gets the first object; what comes later goes to `on_frame`."""
        self._loop = loop
        self._connection = connection
        self._receiver = Receiver(connection)
        self._on_request: Callable[[Peer, dict[str, Any]], None] | None = on_request
        self.on_frame: Callable[[Frame], None] | None = None
        self.on_close: Callable[[], None] | None = None
        self.on_sent: Callable[[], None] | None = None
        """Called when some of what waited has been sent."""
        self.lossless = False
        """The command waits for this reader, for it was started for it."""
        self._waiting = bytearray()
        self._ends = False
        self.open = True
        connection.setblocking(False)
        loop.watch(connection.fileno(), self._ready)

    @property
    def waiting(self) -> int:
        """Bytes that it has not read yet, and may still read."""
        return len(self._waiting) if self.open else 0

    def take_fds(self) -> list[int]:
        """The descriptors that it sent; the caller closes them."""
        return self._receiver.take_fds()

    def send(self, words: dict[str, Any], fds: Sequence[int] = ()) -> None:
        """Send one object; descriptors only as long as nothing waits."""
        import json  # noqa: PLC0415 - loaded long since

        if not self.open:
            return
        if fds:
            self._connection.setblocking(True)
            try:
                send_words(self._connection, words, fds)
            except OSError:
                self.close()
                return
            self._connection.setblocking(False)
            return
        self._write(render_frame(WORDS, json.dumps(words).encode()))

    def send_frame(self, kind: int, data: bytes) -> None:
        """Send bytes of a stream."""
        if self.open:
            self._write(render_frame(kind, data))

    def finish(self) -> None:
        """Close when everything was read."""
        self._ends = True
        if not self._waiting:
            self.close()

    def close(self) -> None:
        """Close now."""
        if not self.open:
            return
        self.open = False
        self._loop.forget(self._connection.fileno())
        self._receiver.close()
        call, self.on_close = self.on_close, None
        if call is not None:
            call()

    def _write(self, data: bytes) -> None:
        self._waiting += data
        self._flush()

    def _flush(self) -> None:
        try:
            while self._waiting:
                sent = self._connection.send(self._waiting)
                del self._waiting[:sent]
        except BlockingIOError:
            self._loop.change(self._connection.fileno(), READ | WRITE)
            self._tell_sent()
            return
        except OSError:
            self.close()
            return
        self._loop.change(self._connection.fileno(), READ)
        if self._ends:
            self.close()
        else:
            self._tell_sent()

    def _tell_sent(self) -> None:
        if self.on_sent is not None:
            self.on_sent()

    def _ready(self, what: int) -> None:
        if what & WRITE:
            self._flush()
        if self.open and what & ~WRITE:
            self._read()

    def _read(self) -> None:
        try:
            for frame in self._receiver.read():
                self._take(frame)
                if not self.open:
                    return
        except BlockingIOError:
            return
        except (EOFError, OSError, ValueError, KeyError, TypeError):
            self.close()

    def _take(self, frame: Frame) -> None:
        request, self._on_request = self._on_request, None
        if request is not None:
            request(self, frame.words())
        elif self.on_frame is not None:
            self.on_frame(frame)


def accept(listener: socket.socket) -> socket.socket | None:
    """The next connection, if its owner is ours or root; None when there is none."""
    try:
        connection, _ = listener.accept()
    except OSError:
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    if uid not in (0, os.getuid()):
        with contextlib.suppress(OSError):
            connection.close()
        return None
    return connection
