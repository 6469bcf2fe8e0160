"""The terminal of a further command after whoever had it left: it stays open and is read, so that the command goes on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.run.life.loop import Loop

_CHUNK = 65536


class LeftTerminal:
    """One terminal's master. Nothing is read of it as long as somebody has it: what is shown is theirs."""

    def __init__(self, loop: Loop):
        self._loop = loop
        self._master = -1

    def hold(self, fds: Sequence[int]) -> None:
        """Keep the master in `fds`, if there is one, open here, too."""
        if fds:
            self._master = os.dup(fds[0])

    def take_over(self) -> None:
        """Read it from now on; what it shows is seen by nobody."""
        if self._master >= 0:
            self._loop.watch(self._master, self._read)

    def close(self) -> None:
        """The command is over, or is to learn that nobody is there."""
        if self._master >= 0:
            self._loop.forget(self._master)
            os.close(self._master)
            self._master = -1

    def _read(self, _: int) -> None:
        try:
            data = os.read(self._master, _CHUNK)
        except OSError:
            data = b""
        if not data:
            self.close()
