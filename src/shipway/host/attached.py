"""A program on the caller's own terminal and streams: it gets the signals that we get, and we end as it ends."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from shipway.core.errors import ToolError
from shipway.host.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_FORWARDED = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


@contextlib.contextmanager
def in_folder(path: str) -> Iterator[None]:
    """Have this process, and what it starts meanwhile, stand in the folder `path`. That the way back is gone is no error."""
    before = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chdir(path)
        yield
    finally:
        with contextlib.suppress(OSError):
            os.fchdir(before)
        os.close(before)


_LOOK_AGAIN = 0.2
"""Seconds; the kernel may give SIGCHLD to any thread of ours that does not block it, where it is lost."""
_LOOK_SOON = 0.005
_PATIENCE = 10.0
"""Seconds that signals wait for a program that does not hear them yet."""


class Signals:
    """The signals for an attached program."""

    def __init__(self, hears: Callable[[int], bool] = lambda _: True):
        """`hears`: whether the program, by its process id, is ready for what another process sent; until then that waits."""
        self.hears = hears
        self.came: list[int] = []
        """Numbers, those that the program got from the kernel among them."""


def run_attached(argv: Sequence[str], env: Mapping[str, str], signals: Signals | None = None) -> int:
    """Run `argv`, whose first word is an absolute path, to its end: its exit code, or 128 + the signal that ended it.

    The program stays in our process group, so what the terminal's keys send reaches it from the kernel; only signals that
    another process sent to us alone are passed on. Call it from the main thread, with these signals blocked in all others.

    Raises:
        ToolError: it cannot be started.
    """
    wanted = {signal.SIGCHLD, *_FORWARDED}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    try:
        try:
            pid = os.posix_spawn(
                argv[0],
                tuple(argv),
                env,
                setsigmask=(),
                setsigdef=(*_FORWARDED, signal.SIGCHLD, signal.SIGPIPE),
            )
        except OSError as problem:
            raise ToolError(
                f"cannot start `{argv[0]}`: {os.strerror(problem.errno or 0)}",
                hints=("install it again, or run `shipway doctor` to see what is missing",),
            ) from problem
        return _follow(pid, wanted, signals or Signals())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _follow(pid: int, wanted: set[signal.Signals], signals: Signals) -> int:
    waiting: list[int] = []
    late = 0.0
    while True:
        found = signal.sigtimedwait(wanted, _LOOK_SOON if waiting else _LOOK_AGAIN)
        if found is not None and found.si_signo != signal.SIGCHLD:
            signals.came.append(found.si_signo)
            if found.si_code <= 0:  # a process sent it; what the kernel sends is positive (sigaction(2))
                late = late if waiting else monotonic() + _PATIENCE
                waiting.append(found.si_signo)
        if waiting and (signals.hears(pid) or monotonic() > late):
            for number in waiting:
                os.kill(pid, number)
            waiting = []
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
