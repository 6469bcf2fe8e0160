"""Progress as values. Rooms emit; `cli` renders lines, bars or JSON. Nothing here prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Note(NamedTuple):
    """One sentence worth a line, said once. `level` is `info` or `warning`."""

    text: str
    level: str = "info"


class Began(NamedTuple):
    """A phase starts: `items` artifacts of `size` bytes in all (0 where unknown)."""

    phase: str
    items: int = 0
    size: int = 0


class Moved(NamedTuple):
    """`bytes` more of artifact `name` were moved in `phase`."""

    phase: str
    name: str
    bytes: int


class Did(NamedTuple):
    """Artifact `name` is complete in `phase`."""

    phase: str
    name: str


class Ended(NamedTuple):
    """A phase is over."""

    phase: str


Event = Note | Began | Moved | Did | Ended
Emit = Callable[[Event], None]


def silent(event: Event) -> None:
    """Drop `event`: the listener of those who do not care."""
    del event
