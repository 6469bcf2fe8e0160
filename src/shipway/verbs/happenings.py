"""`events`: what happened to containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.host.dirs import state_dir
from shipway.run.life.journal import Event, follow_events, read_events

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Event", "list_events", "watch_events"]


def list_events(*, since: float) -> tuple[Event, ...]:
    """Those after `since` (seconds since 1970), oldest first."""
    return tuple(event for event in read_events(state_dir()) if event.when >= since)


def watch_events() -> Iterator[Event]:
    """What happens from now on, without end."""
    return follow_events(state_dir(), lambda: True)
