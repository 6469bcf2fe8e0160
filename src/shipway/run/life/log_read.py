"""Logs read again: all of it or its last lines, since a moment, with times, and as it grows."""

from __future__ import annotations

import contextlib
import io
import os
import time
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from shipway.run.life.log_write import ENTRY, log_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK = 1 << 20
_BEHIND = 0.002
"""Seconds that an entry may come after its piece."""
_POLL = 0.05
"""Seconds between looks at a log that is followed."""


class Piece(NamedTuple):
    """Bytes that one stream wrote at one time."""

    stream: int
    """1 or 2."""
    when: int
    """Nanoseconds since 1970."""
    data: bytes


class Wanted(NamedTuple):
    """Which part of a log."""

    last: int | None = None
    """So many lines; None: all."""
    since: float = 0.0
    """Seconds since 1970."""
    until: float = 0.0
    """The same; 0: no end."""


def read_log(folder: str, service: str, wanted: Wanted) -> Iterator[Piece]:
    """What the log holds now, oldest first.

    Raises:
        OSError: it cannot be read; a log that was never written is empty.
    """
    paths = find_files(folder, service)
    if wanted.last is not None:
        yield from _last_lines(paths, wanted)
        return
    for path in paths:
        yield from _within(_read_file(path), wanted)


def find_files(folder: str, service: str) -> list[str]:
    """The files of the log, oldest first."""
    path = log_file(folder, service)
    found = [path] if os.path.exists(path) else []
    number = 1
    while os.path.exists(f"{path}.{number}"):
        found.insert(0, f"{path}.{number}")
        number += 1
    return found


def _index(path: str) -> str:
    head, mark, tail = path.rpartition(".log")
    return f"{head}.idx{tail}" if mark else path


def _read_file(path: str, start: int = 0) -> Iterator[Piece]:
    """The pieces of one file from byte `start` on. Pieces of one stream and second are joined where that saves work."""
    with open(path, "rb") as log, _open_index(path) as index:
        yield from _pieces(log, index, start)


def _open_index(path: str) -> BinaryIO:
    """A writer that was killed while it began a new file may have left one without an index."""
    try:
        return open(_index(path), "rb")
    except FileNotFoundError:
        return io.BytesIO()


def _pieces(log: BinaryIO, index: BinaryIO, start: int) -> Iterator[Piece]:
    known = log.seek(0, os.SEEK_END)  # what comes later has its entry later
    log.seek(start)
    at, again = start, True
    while True:
        table = index.read(ENTRY.size * 4096)
        whole = len(table) - len(table) % ENTRY.size
        if not whole:
            index.seek(-len(table), os.SEEK_CUR)
            if at >= known or not again:
                break
            again = False
            time.sleep(_BEHIND)
            continue
        for place, when, stream, size in ENTRY.iter_unpack(table[:whole]):
            if place > at:  # a kill or a full disk left it without an entry
                data = log.read(place - at)
                at += len(data)
                yield Piece(1, when, data)
            if place + size > at:
                data = log.read(place + size - at)
                at += len(data)
                if data:
                    yield Piece(stream, when, data)
        index.seek(whole - len(table), os.SEEK_CUR)
    yield from _rest(log, known - at)


def _rest(log: BinaryIO, most: int) -> Iterator[Piece]:
    """What is left behind the last entry; so many bytes at most."""
    while most > 0 and (rest := log.read(min(_CHUNK, most))):
        most -= len(rest)
        yield Piece(1, time.time_ns(), rest)


def _within(pieces: Iterator[Piece], wanted: Wanted) -> Iterator[Piece]:
    since, until = int(wanted.since * 1e9), int(wanted.until * 1e9)
    for piece in pieces:
        if piece.when >= since and (not until or piece.when <= until):
            yield piece


def _last_lines(paths: list[str], wanted: Wanted) -> Iterator[Piece]:
    """The last lines: found backwards, so that a long log costs no more than a short one."""
    left = wanted.last or 0
    starts: list[tuple[str, int]] = []
    for path in reversed(paths):
        if left <= 0:
            break
        start, found = _find_start(path, left)
        starts.insert(0, (path, start))
        left -= found
    for path, start in starts:
        yield from _within(_read_file(path, start), wanted)


def _find_start(path: str, lines: int) -> tuple[int, int]:
    """Where the last `lines` lines of the file begin, and how many of them it has."""
    found = 0
    with open(path, "rb") as file:
        end = place = file.seek(0, os.SEEK_END)
        while place > 0:
            size = min(_CHUNK, place)
            place -= size
            file.seek(place)
            data = file.read(size)
            at = len(data)
            if place + size == end and data.endswith(b"\n"):
                at -= 1
            while (at := data.rfind(b"\n", 0, at)) >= 0:
                found += 1
                if found == lines:
                    return place + at + 1, found
    return 0, found + (1 if end else 0)


def follow_log(folder: str, service: str, wanted: Wanted, lives: Callable[[], bool]) -> Iterator[Piece]:
    """`read_log`, and then what comes, until the command is over and all of it was read. Yields an empty piece while waiting."""
    path = log_file(folder, service)
    while not os.path.exists(path) and lives():
        yield Piece(1, 0, b"")
        time.sleep(_POLL)
    paths = find_files(folder, service)
    if not paths:
        return
    if wanted.last is not None:
        yield from _last_lines(paths[:-1], wanted._replace(last=_left(paths[-1], wanted.last)))
    else:
        for older in paths[:-1]:
            yield from _within(_read_file(older), wanted)
    start = (
        0
        if wanted.last is None
        else _find_start(path, wanted.last)[0]
        if wanted.last
        else os.path.getsize(path)
    )
    yield from _within(_follow_from(path, start, lives), wanted)


def _left(newest: str, lines: int) -> int:
    return max(0, lines - _find_start(newest, lines)[1]) if lines else 0


def _follow_from(path: str, start: int, lives: Callable[[], bool]) -> Iterator[Piece]:
    while True:
        with open(path, "rb") as log, _open_index(path) as index:
            log.seek(start)
            while True:
                ended, moved = not lives(), _is_other(log, path)
                yield from _grown(log, index)
                if moved or ended:
                    yield from _rest(log, os.fstat(log.fileno()).st_size - log.tell())
                    break
                yield Piece(1, 0, b"")
                time.sleep(_POLL)
        if not moved or not _await_file(path, lives):
            return
        start = 0


def _await_file(path: str, lives: Callable[[], bool]) -> bool:
    """Wait for the file that is written after a rotation; False when there comes none, for its container was removed."""
    while not os.path.exists(path):
        if not lives():
            return False
        time.sleep(_POLL)
    return True


def _is_other(log: BinaryIO, path: str) -> bool:
    """Whether the name means another file by now: the log was rotated."""
    with contextlib.suppress(FileNotFoundError):
        return not os.path.samestat(os.fstat(log.fileno()), os.stat(path))
    return True


def _grown(log: BinaryIO, index: BinaryIO) -> Iterator[Piece]:
    """What has come since the last look."""
    place = log.tell()
    while table := index.read(ENTRY.size):
        if len(table) < ENTRY.size:
            index.seek(-len(table), os.SEEK_CUR)
            return
        at, when, stream, size = ENTRY.unpack(table)
        if at + size <= place:
            continue
        data = log.read(at + size - place)
        place += len(data)
        if data:
            yield Piece(stream, when, data)


def render_times(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The same with the time in front of each line (RFC 3339, UTC)."""
    fresh = {1: True, 2: True}
    for piece in pieces:
        if not piece.data:
            yield piece
            continue
        stamp = _stamp(piece.when)
        lines = piece.data.split(b"\n")
        out = []
        for number, line in enumerate(lines):
            is_last = number == len(lines) - 1
            if line or not is_last:
                out.append((stamp if fresh[piece.stream] else b"") + line)
            fresh[piece.stream] = not is_last or (fresh[piece.stream] and not line)
        text = b"\n".join(out) + (b"\n" if not lines[-1] else b"")
        yield piece._replace(data=text)


def _stamp(when: int) -> bytes:
    seconds, rest = divmod(when, 10**9)
    return (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z ").encode()
