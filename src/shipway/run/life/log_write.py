"""The log of a command: what it wrote, as it wrote it, in a file that belongs to the caller; and beside it who wrote when.

NAME.log    the bytes of standard output and standard error, in the order they came
NAME.idx    a record for each piece: `<QqBI`: place in the log, nanoseconds since 1970, stream (1 or 2), length
NAME.log.1  the log before this one, with its NAME.idx.1; `.2` is older

A log that cannot be written (a full disk) loses what comes, counts it, and says so in the log as soon as it can: no command
waits or fails because of its log.
"""

from __future__ import annotations

import contextlib
import os
import struct
import syslog
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

from shipway.host.files import make_directory, write_all

if TYPE_CHECKING:
    from shipway.run.model import LogOptions

ENTRY = struct.Struct("<QqBI")
_MAX_SIZE, _MAX_FILES, _BUFFER = 100 << 20, 5, 1 << 20


class Lost(NamedTuple):
    """Output that is not in a log."""

    size: int = 0
    lines: int = 0

    def and_also(self, data: bytes) -> Lost:
        """With these."""
        return Lost(self.size + len(data), self.lines + data.count(b"\n"))

    def describe(self) -> str:
        """`12 lines (345 bytes)`."""
        return f"{self.lines} lines ({self.size} bytes)"


class Sink(Protocol):
    """What takes the output of a command."""

    @property
    def lost(self) -> Lost:
        """What could not be kept and could not be said there."""
        ...

    def owe(self, lost: Lost) -> None:
        """Say that this was lost, too, as soon as that can be written."""
        ...

    def write(self, stream: int, data: bytes) -> None:
        """Take one piece of stream 1 or 2."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


def log_file(folder: str, service: str) -> str:
    """Where the log of `service` in the container in `folder` is."""
    return f"{folder}/log/{service}.log"


def open_sink(folder: str, service: str, options: LogOptions) -> Sink:
    """The sink that `options` ask for.

    Raises:
        OSError: its first file cannot be made.
    """
    if options.driver == "none":
        return _Nowhere()
    if options.driver == "syslog":
        return _Syslog(service)
    make_directory(f"{folder}/log")
    written = LogFiles(
        log_file(folder, service),
        most=options.max_size or _MAX_SIZE,
        files=options.max_files or _MAX_FILES,
    )
    return Buffered(written, options.buffer or _BUFFER) if options.mode == "non-blocking" else written


def count_kept(folder: str, service: str) -> dict[int, int]:
    """Bytes by stream that the log has, to go on behind them; what a kill left without an entry is cut off first."""
    path, counts = log_file(folder, service), {1: 0, 2: 0}
    number = 0
    while os.path.exists(log := f"{path}.{number}" if number else path):
        with open(log, "ab") as file:
            table = _read_index(f"{_index_of(path)}.{number}" if number else _index_of(path))
            end = 0
            for place, _, stream, size in ENTRY.iter_unpack(table[: len(table) - len(table) % ENTRY.size]):
                counts[stream] += size
                end = place + size
            os.ftruncate(file.fileno(), min(end, file.tell()))
        number += 1
    return counts


def _read_index(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


class _Nowhere:
    """Keeps nothing."""

    def __init__(self) -> None:
        self.lost = Lost()

    def owe(self, lost: Lost) -> None:
        """Nobody reads it."""

    def write(self, stream: int, data: bytes) -> None:
        """Drop it."""

    def close(self) -> None:
        """Nothing is open."""


class _Syslog:
    """The host's log, a message for each line."""

    def __init__(self, service: str):
        self.lost = Lost()
        syslog.openlog(f"shipway-{service}", syslog.LOG_PID, syslog.LOG_USER)
        self._rest = b""

    def write(self, stream: int, data: bytes) -> None:
        """Send the lines that are complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            level = syslog.LOG_INFO if stream == 1 else syslog.LOG_ERR
            syslog.syslog(level, line.decode("utf-8", "replace"))

    def owe(self, lost: Lost) -> None:
        """It has lost nothing."""

    def close(self) -> None:
        """Send the line that was not ended."""
        if self._rest:
            self.write(1, b"\n")


class LogFiles:
    """The files of one log."""

    def __init__(self, path: str, *, most: int, files: int):
        """`most`: bytes of one file. `files`: how many there are, the newest included."""
        self._path = path
        self._most = most
        self._files = files
        self._lost = Lost()
        self._torn = False
        self._log = self._index = -1
        self._open()

    def _open(self) -> None:
        """The index first: whoever finds a log finds its index."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._index = os.open(_index_of(self._path), flags, 0o600)
        self._log = os.open(self._path, flags, 0o600)
        status = os.fstat(self._log)
        self._inode, self._size = status.st_ino, status.st_size
        self._torn = bool(self._size) and os.pread(self._log, 1, self._size - 1) != b"\n"
        entries = os.fstat(self._index).st_size
        if not self._size or entries % ENTRY.size:  # a writer was killed, or the disk was full
            os.ftruncate(self._index, (entries - entries % ENTRY.size) if self._size else 0)

    def adopt(self, stream: int) -> None:
        """What a killed writer left without an entry is of `stream`."""
        entries, end = os.fstat(self._index).st_size, 0
        if entries:
            place, _, _, size = ENTRY.unpack(os.pread(self._index, ENTRY.size, entries - ENTRY.size))
            end = place + size
        if end < self._size:
            write_all(self._index, ENTRY.pack(end, time.time_ns(), stream, self._size - end))

    def write(self, stream: int, data: bytes) -> None:
        """Write one piece, into a new file where it would not fit any more."""
        if self._size and self._size + len(data) > self._most:
            self._rotate()
        if self._lost.size and not self._say_lost():
            self._lost = self._lost.and_also(data)
            return
        self._lost = Lost().and_also(data[self._put(stream, data) :])

    def _say_lost(self) -> bool:
        words = f"[{self._lost.describe()} of output were lost: the log could not be written]\n".encode()
        words = b"\n" + words if self._torn else words
        return self._put(2, words) == len(words)

    @property
    def place(self) -> tuple[int, int]:
        """The newest file's inode, and its size."""
        return self._inode, self._size

    @property
    def lost(self) -> Lost:
        """What was lost and is not said in the log yet."""
        return self._lost

    def owe(self, lost: Lost) -> None:
        """Say so with the next piece, or at the end."""
        self._lost = Lost(self._lost.size + lost.size, self._lost.lines + lost.lines)

    def _put(self, stream: int, data: bytes) -> int:
        """Write what there is room for; how much that was."""
        done = self._append(data)
        if done:
            self._torn = not data[:done].endswith(b"\n")
            entry = ENTRY.pack(self._size, time.time_ns(), stream, done)
            self._size += done
            try:
                write_all(self._index, entry)
            except OSError:  # read as what the first stream wrote
                with contextlib.suppress(OSError):
                    kept = os.fstat(self._index).st_size
                    os.ftruncate(self._index, kept - kept % ENTRY.size)
        return done

    def _append(self, data: bytes) -> int:
        done = 0
        with contextlib.suppress(OSError):
            if self._log < 0:
                self._open()
            while done < len(data):
                done += os.write(self._log, data[done:] if done else data)
        return done

    def _rotate(self) -> None:
        """The newest file first becomes `.1`: whoever follows reads it to its end there."""
        self._close()
        with contextlib.suppress(OSError):  # a full disk: there is another try for each piece
            for number in range(self._files - 1, 0, -1):
                for path in (self._path, _index_of(self._path)):
                    older = f"{path}.{number}"
                    newer = f"{path}.{number - 1}" if number > 1 else path
                    with contextlib.suppress(FileNotFoundError):
                        os.replace(newer, older)
            if self._files == 1:
                os.unlink(self._path)
                os.unlink(_index_of(self._path))
        self._size = 0
        with contextlib.suppress(OSError):
            self._open()

    def close(self) -> None:
        """Close the files."""
        if self._lost.size:
            self.write(2, b"")
        self._close()

    def _close(self) -> None:
        for fd in (self._log, self._index):
            if fd >= 0:
                os.close(fd)
        self._log = self._index = -1


class Buffered:
    """A sink that is written by a thread of its own; what finds its buffer full is dropped and counted."""

    def __init__(self, sink: Sink, most: int):
        """`most`: bytes that may wait."""
        self._sink = sink
        self._most = most
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._dropped = Lost()
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    @property
    def lost(self) -> Lost:
        """Of the sink behind it."""
        return self._sink.lost

    def owe(self, lost: Lost) -> None:
        """The sink behind it says so."""
        self._sink.owe(lost)

    def write(self, stream: int, data: bytes) -> None:
        """Queue one piece, or drop it."""
        with self._changed:
            if self._size + len(data) > self._most:
                self._dropped = self._dropped.and_also(data)
                return
            self._waiting.append((stream, data))
            self._size += len(data)
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._ended:
                    self._changed.wait()
                if not self._waiting:
                    return
                stream, data = self._waiting.popleft()
                self._size -= len(data)
                dropped, self._dropped = self._dropped, Lost()
            self._sink.write(stream, data)
            if dropped.size:
                text = f"[{dropped.describe()} of output were dropped: the log was too slow]\n"
                self._sink.write(2, text.encode())

    def close(self) -> None:
        """Wait for what is queued, for a while."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join(_PATIENCE)
        if not self._thread.is_alive():
            self._sink.close()


_PATIENCE = 5.0
"""Seconds."""


def _index_of(log: str) -> str:
    return log.removesuffix(".log") + ".idx"
