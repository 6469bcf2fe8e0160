"""Calls made by a thread while its caller waits for something else: when a descriptor can be read."""

from __future__ import annotations

import _thread
import contextlib
import os
import select
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def calling_when_readable(fd: int, call: Callable[[], bool]) -> Iterator[None]:
    """Call `call` whenever `fd` can be read, as long as it returns True and the block lasts. It must not raise.

    At the end of the block no call is under way any more. Signals stay the caller's.
    """
    over, end = os.pipe2(os.O_CLOEXEC)
    done = _thread.allocate_lock()
    done.acquire()

    def follow() -> None:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.register(over, select.POLLIN)
        try:
            while not any(one == over for one, _ in poll.poll()) and call():
                pass
        finally:
            done.release()

    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        _thread.start_new_thread(follow, ())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield
    finally:
        os.close(end)
        done.acquire()
        os.close(over)
