"""What happened to containers on this host, a JSON object a line, oldest first: STATE/events.jsonl."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, NamedTuple

from shipway.host.clock import now
from shipway.host.files import make_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shipway.run.life.model import Record

_MOST = 4 << 20
"""Bytes after which the file becomes `.1`."""
_POLL = 0.1


class Event(NamedTuple):
    """One thing that happened."""

    when: float
    """Seconds since 1970."""
    what: str
    """`create`, `start`, `die`, `stop`, `remove`, `rename`, `exec`, `commit`, …"""
    id: str
    name: str
    project: str
    engine: str
    code: int | None = None
    detail: str = ""


def journal_file(state: str) -> str:
    """Where it is."""
    return f"{state}/events.jsonl"


def write_event(state: str, record: Record, what: str, *, code: int | None = None, detail: str = "") -> None:
    """Add one line. A journal that cannot be written stops nothing."""
    event = Event(
        now(), what, record.id, record.name, record.environment.project, record.engine, code, detail
    )
    value = {name: item for name, item in event._asdict().items() if item not in (None, "")}
    path = journal_file(state)
    with contextlib.suppress(OSError):
        make_directory(state)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if os.fstat(fd).st_size > _MOST:
                os.replace(path, f"{path}.1")
            os.write(fd, json.dumps(value).encode() + b"\n")
        finally:
            os.close(fd)


def read_events(state: str) -> tuple[Event, ...]:
    """All that is known."""
    return tuple(
        event for path in (f"{journal_file(state)}.1", journal_file(state)) for event in _read(path, 0)[0]
    )


def follow_events(state: str, lives: Callable[[], bool]) -> Iterator[Event]:
    """What happens from now on, until `lives` says no."""
    path = journal_file(state)
    place = os.path.getsize(path) if os.path.exists(path) else 0
    while lives():
        if os.path.exists(path) and os.path.getsize(path) < place:
            place = 0
        events, place = _read(path, place)
        yield from events
        time.sleep(_POLL)


def _read(path: str, place: int) -> tuple[list[Event], int]:
    try:
        with open(path, "rb") as file:
            file.seek(place)
            data = file.read()
    except FileNotFoundError:
        return [], place
    end = data.rfind(b"\n") + 1
    events = []
    for line in data[:end].splitlines():
        with contextlib.suppress(ValueError, TypeError):
            value = json.loads(line)
            events.append(Event(**{name: value.get(name, default) for name, default in _DEFAULTS.items()}))
    return events, place + end


_DEFAULTS: dict[str, object] = {
    "when": 0.0, "what": "", "id": "", "name": "", "project": "", "engine": "", "code": None, "detail": "",
}  # fmt: skip
