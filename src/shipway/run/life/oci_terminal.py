"""An engine's program at a terminal of ours, which the caller's is joined to: so leaving works alike on every engine."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from shipway.host.attached import Signals, run_attached
from shipway.run.life.relay import Ends, Master, relay
from shipway.run.life.wire import OUTPUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CHUNK = 65536


def run_joined(words: Sequence[str], ends: Ends, *, tty: bool, signals: Signals | None = None) -> int | None:
    """Run `words` (the first an absolute path) with the caller's streams; None when the keys for leaving were typed.

    Raises:
        ToolError: it cannot be started.
    """
    if not (tty and os.isatty(ends.stdin)):
        return run_attached(words, os.environ, signals)
    link = _ProgramLink(words, signals or Signals())
    try:
        return relay(link, ends, tty=True)
    finally:
        link.close()


class _ProgramLink(Master):
    """See `relay.Link`."""

    def __init__(self, words: Sequence[str], signals: Signals):
        self._signals = signals
        self._master, slave = os.openpty()
        self._pid = os.posix_spawn(
            words[0],
            tuple(words),
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, slave, number) for number in (0, 1, 2)],
            setsid=True,
            setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGPIPE),
        )
        os.close(slave)
        self.code: int | None = None

    def fds(self) -> tuple[int, ...]:
        """The terminal's master."""
        return (self._master,)

    def early(self) -> Iterator[tuple[int, bytes]]:
        """Nothing comes before it is read."""
        return iter(())

    def read(self, fd: int) -> Iterator[tuple[int, bytes]]:
        """What the program shows; its end is the terminal's."""
        try:
            data = os.read(fd, _CHUNK)
        except OSError:
            data = b""
        if data:
            yield OUTPUT, data
        else:
            self.code = self._wait()

    def _wait(self) -> int:
        code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return code if code >= 0 else 128 - code

    def signal(self, number: int) -> None:
        """To the program, which passes it on."""
        self._signals.came.append(number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, number)

    def close(self) -> None:
        """End the program where it was left; the container, or what runs in it, goes on."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._wait()
        os.close(self._master)
