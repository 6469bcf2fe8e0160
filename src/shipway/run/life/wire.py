"""Frames between a supervisor and those who ask it: one byte of kind, four of length (little endian), the payload.

Descriptors travel beside the first byte of a frame. The socket lies in the container's folder, which only its owner can enter; it
is reached by way of the folder's descriptor, for names of sockets are short (unix(7)).
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

INPUT, OUTPUT, ERRORS, WORDS = 0, 1, 2, 3
"""Kinds: bytes for standard input, of standard output, of standard error; a JSON object."""
CONTROL = "control"
_HEAD = 5
_MOST = 16 << 20
_FDS = 8
CHUNK = 65536


class Frame(NamedTuple):
    """One frame."""

    kind: int
    data: bytes

    def words(self) -> dict[str, Any]:
        """The object of a frame of `WORDS`.

        Raises:
            ValueError: it is none.
        """
        value = json.loads(self.data)
        if self.kind != WORDS or not isinstance(value, dict):
            raise ValueError("no object")
        return value


@contextlib.contextmanager
def _opening(folder: str) -> Iterator[tuple[socket.socket, str]]:
    """A new socket, and the address in `folder`, by a way that is short enough for one; the socket is closed on a failure."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        yield made, f"/proc/self/fd/{place}/{CONTROL}"
    except BaseException:
        made.close()
        raise
    finally:
        os.close(place)


def listen(folder: str) -> socket.socket:
    """The socket of the container in `folder`, taking the place of one that a killed supervisor left."""
    with _opening(folder) as (made, address):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{folder}/{CONTROL}")
        made.bind(address)
        made.listen(64)
    return made


def connect(folder: str) -> socket.socket:
    """A connection to the supervisor of the container in `folder`.

    Raises:
        OSError: there is none.
    """
    with _opening(folder) as (made, address):
        made.connect(address)
    return made


def render_frame(kind: int, data: bytes) -> bytes:
    """The bytes of a frame."""
    return bytes((kind,)) + len(data).to_bytes(4, "little") + data


def send_words(connection: socket.socket, words: dict[str, Any], fds: Sequence[int] = ()) -> None:
    """Send one object, with descriptors."""
    data = render_frame(WORDS, json.dumps(words).encode("utf-8", "surrogatepass"))
    sent = socket.send_fds(connection, [data], list(fds)) if fds else connection.send(data)
    if sent < len(data):  # nothing to send is an error where the other side has answered and gone
        connection.sendall(data[sent:])


class Receiver:
    """The frames of one connection, in the order they come."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.fds: list[int] = []
        """Descriptors that came and were not taken yet."""
        self._data = bytearray()

    def read(self) -> Iterator[Frame]:
        """Yield the frames that are here already; when there are none, take what comes (one read) and yield those.

        Raises:
            EOFError: the other side has gone.
            ValueError: it speaks another language.
            OSError: the connection broke.
        """
        had = False
        for frame in self._complete():
            had = True
            yield frame
        if had:
            return
        data, ancillary, _, _ = self.connection.recvmsg(
            CHUNK * 4, socket.CMSG_SPACE(_FDS * 4), socket.MSG_CMSG_CLOEXEC
        )
        for level, kind, rights in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(rights[: len(rights) - len(rights) % numbers.itemsize])
                self.fds += numbers
        if not data:
            raise EOFError
        self._data += data
        yield from self._complete()

    def _complete(self) -> Iterator[Frame]:
        while len(self._data) >= _HEAD:
            size = int.from_bytes(self._data[1:_HEAD], "little")
            if size > _MOST:
                raise ValueError(f"a frame of {size} bytes")
            if len(self._data) < _HEAD + size:
                return
            frame = Frame(self._data[0], bytes(self._data[_HEAD : _HEAD + size]))
            del self._data[: _HEAD + size]
            yield frame

    def pending(self) -> Iterator[Frame]:
        """The frames that came with others and were not taken yet."""
        yield from self._complete()

    def take_fds(self) -> list[int]:
        """The descriptors that came; the caller closes them."""
        fds, self.fds = self.fds, []
        return fds

    def close(self) -> None:
        """End the connection."""
        for fd in self.take_fds():
            os.close(fd)
        self.connection.close()


def receive_words(receiver: Receiver) -> dict[str, Any]:
    """The next object; waits for it.

    Raises:
        EOFError, OSError, ValueError: as `Receiver.read`.
    """
    while True:
        for frame in receiver.read():
            return frame.words()
