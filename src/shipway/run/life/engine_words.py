"""What an engine's program says for itself in the middle of a container's output, when its service goes away."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.run.life.streams import Feeds

_ERRORS = 2
_OWN = re.compile(
    rb"(?:(?:\A|(?<=\n))(?:unexpected EOF|error during connect|cannot connect to the docker daemon|context canceled"
    rb"|error response from daemon|error from daemon in stream|error grabbing logs|failed to connect to the docker api)"
    rb"[^\n]*\n?)+\Z",
    re.IGNORECASE,
)
"""Sentences of Docker's program 20.10 to 28, at the end of what it has said."""


class WithoutTrouble:
    """An output that gets the container's words only.

    What may be the program's own is held back until more comes, or until its end says what it was.
    """

    def __init__(self, output: Feeds):
        self._output = output
        self._held = b""

    @property
    def stalled(self) -> bool:
        """As the output."""
        return self._output.stalled

    def when_room(self, call: Callable[[], None]) -> None:
        """As the output."""
        self._output.when_room(call)

    def feed(self, stream: int, data: bytes) -> None:
        """One piece."""
        if stream != _ERRORS:
            self._output.feed(stream, data)
            return
        data = self._held + data
        own = _OWN.search(data)
        at = own.start() if own else len(data)
        self._held = data[at:]
        if at:
            self._output.feed(stream, data[:at])

    def end(self, code: int) -> None:
        """The program ended with `code`: what was held back is the container's after all, unless it failed."""
        held, self._held = self._held, b""
        if held and code == 0:
            self._output.feed(_ERRORS, held)
