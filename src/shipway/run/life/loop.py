"""Waiting for many things at once: descriptors and times, each with what is to be done then."""

from __future__ import annotations

import heapq
import select
from typing import TYPE_CHECKING

from shipway.host.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Callable

READ, WRITE = select.POLLIN, select.POLLOUT


class Loop:
    """One thread's events."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._calls: dict[int, Callable[[int], None]] = {}
        self._times: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def watch(self, fd: int, call: Callable[[int], None], events: int = READ) -> None:
        """Call `call(what)` whenever one of `events` is there for `fd`, or its other side has gone."""
        self._calls[fd] = call
        self._poll.register(fd, events)

    def change(self, fd: int, events: int) -> None:
        """Wait for other events of a watched descriptor; 0: only for the end."""
        if fd in self._calls:
            self._poll.modify(fd, events)

    def forget(self, fd: int) -> None:
        """Stop watching."""
        if self._calls.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Call `call` once, then."""
        self._count += 1
        heapq.heappush(self._times, (monotonic() + seconds, self._count, call))

    def run(self, until: Callable[[], bool]) -> None:
        """Go on until `until` holds."""
        while not until():
            self.turn()

    def turn(self) -> None:
        """Wait for the next things and do them."""
        for fd, what in self._poll.poll(self._patience()):
            call = self._calls.get(fd)
            if call is not None:
                call(what)
        while self._times and self._times[0][0] <= monotonic():
            heapq.heappop(self._times)[2]()

    def _patience(self) -> int | None:
        """Milliseconds until the next time."""
        if not self._times:
            return None
        return max(0, int((self._times[0][0] - monotonic()) * 1000) + 1)
