"""Worker processes: Python's own work on thousands of small files does not run on two cores in one process.

Workers are forked before the first thread starts, so that a fork inside them (the sandbox's) never meets a lock that a thread of
ours holds. They get values and answer with values; only the parent knows the store.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from shipway.core.errors import BuildError
from shipway.host.proc import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

_P = ParamSpec("_P")
_R = TypeVar("_R")
_MOST = 8


class Workers:
    """Some worker processes. Use as a context manager; make it before any thread."""

    def __init__(self, count: int | None = None) -> None:
        self.count = count or max(2, min(_MOST, len(os.sched_getaffinity(0))))
        """How many of them."""
        others = multiprocessing.active_children()
        self._pool = ProcessPoolExecutor(
            self.count,
            mp_context=multiprocessing.get_context("fork"),
            initializer=_begin,
            initargs=(os.getpid(),),
        )
        # The first call forks all workers; later ones would fork a process that has threads.
        self._pool.submit(os.getpid).result()
        self._processes = [one for one in multiprocessing.active_children() if one not in others]

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def kill(self) -> None:
        """End all of them, whatever they do, and wait until they are gone."""
        for process in self._processes:
            process.kill()
            process.join()

    def submit(self, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        """Have `function` (a module's own, with arguments that can be pickled) called by some worker."""
        try:
            return self._pool.submit(function, *args, **kwargs)
        except BrokenProcessPool as error:
            raise worker_lost() from error


def worker_lost() -> BuildError:
    """What to say when a worker is gone."""
    return BuildError(
        "a worker process was killed",
        hints=[
            "run the command again: finished packages are kept",
            "look for `Out of memory` in the kernel's log",
        ],
    )


def _begin(parent: int) -> None:
    """Ctrl-C reaches the whole group, and the parent decides; a parent that is killed takes its workers along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(parent)
