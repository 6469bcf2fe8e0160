"""The process that outlives a supervisor that is killed, for a moment: nothing is lost that the commands had written.

It holds the other side of their streams too, and the container's lock. When the supervisor is gone, and with it the sandbox, it
moves what the streams still hold into the logs, writes down the end, and ends. What the supervisor had read and not written yet
is in memory that both share.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import select
import socket
import struct
import termios
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from shipway.host.clock import monotonic, now
from shipway.run.life import records
from shipway.run.life.journal import write_event
from shipway.run.life.log_write import LogFiles, open_sink
from shipway.run.life.model import State
from shipway.run.life.wire import CHUNK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipway.run.life.loop import Loop
    from shipway.run.life.model import Record
    from shipway.run.life.output import Output

_HEAD = struct.Struct("<BIIQQ")
"""What is done, with which stream, how many bytes; and the log's inode and size before they are written."""
_DATA = 64
_NOTHING, _READS, _HAS = 0, 1, 2
_MARK = 8
_PATIENCE = 5.0
"""Seconds until streams are left that something still holds open."""


class _Held(NamedTuple):
    name: str
    """The service."""
    stream: int
    fd: int


class Witness:
    """The supervisor's side."""

    def __init__(self, loop: Loop, record: Record, folder: str, state: str):
        self._loop = loop
        self._record = record
        self._folder = folder
        self._state = state
        self._shared = mmap.mmap(-1, _DATA + CHUNK)
        self._held: dict[int, _Held] = {}
        self._last = 0
        self._pid = 0
        self._connection: socket.socket | None = None
        self._begin()

    def _begin(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._pid = os.fork()
        if self._pid == 0:
            _be_witness(theirs, self._shared, self._record, self._folder, self._state)
        theirs.close()
        ours.setblocking(False)
        self._connection = ours
        self._loop.watch(ours.fileno(), lambda _: self._gone())
        for number, held in self._held.items():
            self._tell(number, held)

    def _gone(self) -> None:
        """It was killed: another one takes its place."""
        self._close()
        self._begin()

    def _close(self) -> None:
        if self._connection is not None:
            self._loop.forget(self._connection.fileno())
            self._connection.close()
            self._connection = None
            os.waitpid(self._pid, 0)

    def _tell(self, number: int, held: _Held | None) -> None:
        words = json.dumps([number, *held[:2]] if held else [number]).encode()
        if self._connection is not None:
            with contextlib.suppress(OSError):
                socket.send_fds(self._connection, [words], [held.fd] if held else [])

    def close(self) -> None:
        """The container has ended in good order."""
        self._close()
        self._shared.close()

    def holding(self, name: str, output: Output) -> Holding:
        """For the streams of one command."""
        return Holding(self, name, output)

    def hold(self, name: str, stream: int, fd: int) -> int:
        """Have it hold a descriptor; the number to let go by."""
        self._last += 1
        self._held[self._last] = _Held(name, stream, fd)
        self._tell(self._last, self._held[self._last])
        return self._last

    def release(self, number: int) -> None:
        """Have it let go."""
        if self._held.pop(number, None) is not None:
            self._tell(number, None)

    def read(self, number: int, place: tuple[int, int]) -> bytes:
        """What the pipe has now, so that it is known to both. `place`: where in the log it goes: inode and size."""
        fd = self._held[number].fd
        size = min(CHUNK, int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), "little"))
        if not size:
            return os.read(fd, CHUNK)
        self._shared[_DATA + max(0, size - _MARK) : _DATA + size] = self._mark(size)
        _HEAD.pack_into(self._shared, 0, _NOTHING, number, size, *place)
        self._shared[0] = _READS
        with memoryview(self._shared) as whole, whole[_DATA : _DATA + size] as part:
            size = os.readv(fd, [part])
        self._shared[0] = _HAS
        return self._shared[_DATA : _DATA + size]

    def _mark(self, size: int) -> bytes:
        """What stands at the end of the memory until something is read there."""
        mark = os.urandom(_MARK)
        self._shared[_DATA - _MARK : _DATA] = mark
        return mark[-size:] if size < _MARK else mark

    def done(self) -> None:
        """What was read is in the log."""
        self._shared[0] = _NOTHING


class Holding:
    """The streams of one command, for `streams.Streams`."""

    def __init__(self, witness: Witness, name: str, output: Output):
        self._witness = witness
        self._name = name
        self._output = output
        self._numbers: dict[int, int] = {}
        self._pipes: set[int] = set()

    def hold(self, fd: int, stream: int, *, pipe: bool) -> None:
        """From now on."""
        if self._output.place is not None:
            self._numbers[fd] = self._witness.hold(self._name, stream, fd)
            if pipe:
                self._pipes.add(fd)

    def release(self, fd: int) -> None:
        """It is about to be closed."""
        number = self._numbers.pop(fd, 0)
        self._pipes.discard(fd)
        if number:
            self._witness.release(number)

    def read(self, fd: int) -> bytes:
        """One piece."""
        place = self._output.place
        if place is None or fd not in self._pipes:
            return os.read(fd, CHUNK)
        return self._witness.read(self._numbers[fd], place)

    def done(self) -> None:
        """It was fed to the output."""
        self._witness.done()


def _be_witness(
    connection: socket.socket, shared: mmap.mmap, record: Record, folder: str, state: str
) -> NoReturn:
    """Wait for the supervisor's end."""
    try:
        _let_go(connection, folder, record.name)
        held = _hear(connection)
        status = records.read_status(folder)
        if status.state in (State.RUNNING, State.RESTARTING, State.PAUSED):
            _Rest(record, folder, held).move(shared)
            over = status._replace(
                state=State.EXITED, pid=0, ended=now(), code=records.KILLED, reason=records.SUPERVISOR_KILLED
            )
            records.write_status(folder, over)
            write_event(state, record, "die", code=over.code)
    except BaseException:  # noqa: BLE001 - into the supervisor's own log
        import traceback  # noqa: PLC0415

        traceback.print_exc()
    finally:
        os._exit(0)


def _let_go(connection: socket.socket, folder: str, name: str) -> None:
    """Keep the lock, and nothing else of the supervisor's."""
    from shipway.host.title import set_title  # noqa: PLC0415 - `ctypes`
    from shipway.sandbox.process import close_all_but  # noqa: PLC0415 - loaded with the sandbox

    os.setsid()
    set_title(f"shipway: {name}: log")
    lock = os.stat(f"{folder}/{records.LOCK}")
    kept = {0, 1, 2, connection.fileno()}
    for number in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(number), lock):
                kept.add(number)
    close_all_but(kept)


def _hear(connection: socket.socket) -> dict[int, _Held]:
    """What is held when nobody speaks any more."""
    held: dict[int, _Held] = {}
    while True:
        message, fds, _, _ = socket.recv_fds(connection, 4096, 1)
        if not message:
            return held
        number, *what = json.loads(message)
        if what:
            held[number] = _Held(what[0], what[1], fds[0])
        elif number in held:
            os.close(held.pop(number).fd)


class _Rest:
    """What a killed supervisor left."""

    def __init__(self, record: Record, folder: str, held: Mapping[int, _Held]):
        self._options = record.options.log
        self._folder = folder
        self._held = held
        self._sinks: dict[str, Any] = {}

    def move(self, shared: mmap.mmap) -> None:
        """Into the logs, in the order in which it was written."""
        self._finish_reading(shared)
        open_ones = dict(self._held)
        deadline = monotonic() + _PATIENCE
        poll = select.poll()
        for held in open_ones.values():
            poll.register(held.fd, select.POLLIN)
        by_fd = {held.fd: number for number, held in open_ones.items()}
        while by_fd and (left := deadline - monotonic()) > 0:
            for fd, _ in poll.poll(left * 1000):
                if not self._move(self._held[by_fd[fd]]):
                    poll.unregister(fd)
                    del by_fd[fd]
        for sink in self._sinks.values():
            sink.close()

    def _finish_reading(self, shared: mmap.mmap) -> None:
        """What the supervisor had read, and had not written or only half."""
        doing, number, size, inode, before = _HEAD.unpack_from(shared)
        held = self._held.get(number)
        if doing == _NOTHING or held is None:
            return
        mark = shared[_DATA - _MARK : _DATA][-min(size, _MARK) :]
        if doing == _READS and shared[_DATA + size - len(mark) : _DATA + size] == mark:
            return  # it had not been read
        sink = self._sink(held.name)
        if not isinstance(sink, LogFiles):
            return
        with contextlib.suppress(OSError):
            sink.adopt(held.stream)
        now_inode, now_size = sink.place
        written = now_size - before if now_inode == inode else now_size
        if written < size:
            sink.write(held.stream, shared[_DATA + max(0, written) : _DATA + size])

    def _move(self, held: _Held) -> bool:
        """One piece; whether more may come."""
        try:
            data = os.read(held.fd, CHUNK)
        except BlockingIOError:
            return True
        except OSError:  # EIO: nobody has the other side of the terminal open
            return False
        if data:
            self._sink(held.name).write(held.stream, data)
        return bool(data)

    def _sink(self, name: str) -> Any:
        if name not in self._sinks:
            self._sinks[name] = open_sink(self._folder, name, self._options)
        return self._sinks[name]
