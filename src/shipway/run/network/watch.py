"""A network's guard, followed as long as its container lives: where it is killed, another takes its place on the same network."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError
from shipway.host.files import make_directory
from shipway.run.network.guard import count_restarts, start_guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.run.life.loop import Loop
    from shipway.run.network.guard import Guard, Wanted

_SHORTEST, _LONGEST = 0.1, 10.0
"""Seconds between two tries."""


class Watched:
    """One network."""

    def __init__(self, wanted: Wanted):
        """Make it.

        Raises:
            EngineError: the kernel refuses it, or the program did not start.
        """
        self.first = start_guard(wanted)
        self.guard: Guard | None = self.first
        self._wanted = wanted._replace(fds=self.first.fds)
        self._loop: Loop | None = None
        self._watched = -1
        self._pause = _SHORTEST
        self._count = 0
        self._tell: Callable[[Guard | None], None] = _nobody

    @property
    def restarts(self) -> int:
        """How often something had to be started again."""
        return self._count + count_restarts(self._wanted.folder)

    def follow(self, loop: Loop, tell: Callable[[Guard | None], None]) -> None:
        """Have the loop notice the guard's end, and start another. `tell` gets it, or None as long as there is none."""
        self._loop, self._tell = loop, tell
        self._watch()

    def _watch(self) -> None:
        assert self._loop is not None
        assert self.guard is not None
        self._watched = os.pidfd_open(self.guard.pid)
        self._loop.watch(self._watched, lambda _: self._ended())

    def _forget(self) -> None:
        if self._watched >= 0:
            assert self._loop is not None
            self._loop.forget(self._watched)
            os.close(self._watched)
            self._watched = -1

    def _ended(self) -> None:
        self._forget()
        assert self.guard is not None
        os.waitpid(self.guard.pid, 0)
        self._count += count_restarts(self._wanted.folder)
        self.guard, self._pause = None, _SHORTEST
        self._tell(None)
        self._again()

    def _again(self) -> None:
        """Try, and try again later: the port may be another's by now."""
        if self._loop is None:
            return
        try:
            make_directory(self._wanted.folder)
            self.guard = start_guard(self._wanted)
        except (EngineError, OSError):
            self._loop.after(self._pause, self._again)
            self._pause = min(self._pause * 2, _LONGEST)
            return
        for fd in self.guard.fds.values():  # the same ones
            os.close(fd)
        self._count += 1
        self._tell(self.guard)
        self._watch()

    def end(self) -> bool:
        """Nobody wants it any more, as the guard has been told by the pipe's end. Whether there was none."""
        self._forget()
        self._loop = None
        if self.guard is None:
            return True
        os.waitpid(self.guard.pid, 0)
        return False

    def is_lost(self) -> bool:
        """Whether the guard has ended without being told to, and nobody followed it."""
        if self.guard is not None and os.waitpid(self.guard.pid, os.WNOHANG)[0]:
            self.guard = None
        return self.guard is None

    def close(self) -> None:
        """Let go of the network."""
        for fd in self.first.fds.values():
            with contextlib.suppress(OSError):
                os.close(fd)


def _nobody(_: object) -> None:
    return
