"""`run --watch`: the command, started again whenever a file of the project that it may read has changed."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, ToolError
from shipway.core.events import Note
from shipway.core.ignore import IgnoreRules
from shipway.core.text import shown
from shipway.host.watch import Watcher
from shipway.verbs.find import find_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shipway.core.events import Emit
    from shipway.verbs.context import Task

USUAL = ("*.py", "*.pyi", "*.toml", "*.yaml", "*.yml", "*.cfg", "*.ini", "*.sh")
"""What is watched where nobody says: what programs are made of, and not what they write."""
_SKIPPED = (
    "**/.git", "**/.hg", "**/__pycache__", "**/.venv", "**/venv", "**/node_modules", "**/.*_cache", "**/.ipynb_checkpoints",
)  # fmt: skip
_SETTLE = 0.2
"""Seconds without a change, after which an editor or a checkout is taken to be done."""
_GRACE = 10.0
"""Seconds between the request to end and the kill."""


def watch_and_run(start: Callable[[], int], patterns: Sequence[str], task: Task) -> int:
    """Run `start` in a process of its own, again after each change, until Ctrl-C; the exit code of the last run.

    `patterns`: which files count, in the grammar of ignore files, at any depth; none: `USUAL`.

    Raises:
        ToolError: a pattern is none, or the folders cannot be watched.
    """
    folder = find_folder(task.directory)
    wanted = _rules(patterns or USUAL)
    skipped = IgnoreRules((*_SKIPPED, *_project_ignores(task)))
    with Watcher(folder, skipped.can_skip) as watcher, _interrupts() as interrupts:
        while True:
            pid = _fork(start)
            run = _Run(pid, task.emit)
            changed = run.await_change(watcher, interrupts, wanted, skipped)
            code = _end(pid) if run.code is None else run.code
            if not changed:
                return code
            task.emit(Note(f"started again, for {_listed(changed)} changed"))


def _rules(patterns: Sequence[str]) -> IgnoreRules:
    try:
        return IgnoreRules([pattern if "/" in pattern else f"**/{pattern}" for pattern in patterns])
    except ValueError as problem:
        raise ToolError(
            f"`--watch`: {problem}",
            hints=("write patterns as in `.dockerignore`: `--watch 'src/**'`",),
            code=ExitCode.USAGE,
        ) from problem


def _project_ignores(task: Task) -> tuple[str, ...]:
    """What stays out of the image is no source either."""
    from shipway.verbs.project import read_project, require_target

    project = read_project(task.directory, task.emit)
    return require_target(project.spec, task.target).files.ignore


@contextlib.contextmanager
def _interrupts():  # type: ignore[no-untyped-def]  # noqa: ANN202 - of one descriptor
    """A descriptor that can be read when we are to end."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    old = {
        number: signal.signal(number, _nothing) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in old.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def _nothing(*_: object) -> None:
    """The descriptor tells."""


def _fork(start: Callable[[], int]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code: int = ExitCode.FAILED
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        code = start()
    finally:
        os._exit(code)


class _Run:
    """One run of the command."""

    def __init__(self, pid: int, emit: Emit) -> None:
        self._pid, self._emit = pid, emit
        self.code: int | None = None
        """The exit code, once it is over."""

    def await_change(
        self, watcher: Watcher, interrupts: int, wanted: IgnoreRules, skipped: IgnoreRules
    ) -> set[str]:
        """The files that changed; none: we are to end."""
        ended = os.pidfd_open(self._pid)
        try:
            while True:
                watched = [watcher.fd, interrupts, *((ended,) if self.code is None else ())]
                ready, _, _ = select.select(watched, [], [])
                if ended in ready:
                    self.code = _code(os.waitpid(self._pid, 0)[1])
                    self._emit(Note(f"ended with {self.code}; the next change starts it again, Ctrl-C ends"))
                if interrupts in ready:
                    return set()
                if watcher.fd in ready and (found := _settled(watcher, wanted, skipped)):
                    return found
        finally:
            os.close(ended)


def _settled(watcher: Watcher, wanted: IgnoreRules, skipped: IgnoreRules) -> set[str]:
    """What changed that matters, once nothing changes any more."""
    found = watcher.wait(0)
    while more := watcher.wait(_SETTLE):
        found |= more
    return {path for path in found if wanted.ignored(path) and not skipped.ignored(path)}


def _end(pid: int) -> int:
    """End a run: ask, and kill after a while; its exit code."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    watched = os.pidfd_open(pid)
    try:
        if not _ends(watched, _GRACE) and not (_kill_in_engine(pid) and _ends(watched, _GRACE)):
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(watched)
    return _code(os.waitpid(pid, 0)[1])


def _ends(process: int, seconds: float) -> bool:
    """Wait for the process of that descriptor."""
    return bool(select.select([process], [], [], seconds)[0])


def _kill_in_engine(pid: int) -> bool:
    from shipway.host.dirs import state_dir
    from shipway.run.forced_end import kill_in_engine

    return kill_in_engine(pid, state_dir())


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _listed(paths: set[str]) -> str:
    first, *others = sorted(paths)
    more = f" and {len(others)} more" if others else ""
    return f"`{shown(first)}`{more}"
