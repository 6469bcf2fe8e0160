"""From a command line to a supervisor of its own: forked, detached, and heard until the container runs or has failed."""

from __future__ import annotations

import gc
import os
import pickle
from typing import TYPE_CHECKING, Any

from shipway.core.errors import EngineError, ToolError
from shipway.host.files import write_all
from shipway.host.lock import FileLock
from shipway.run.life.records import LOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NoReturn

    from shipway.core.events import Emit
    from shipway.run.life.supervisor import Plan

_LOG = "supervisor.log"


class Spawned:
    """A supervisor on its way."""

    def __init__(self, reader: int, emit: Emit):
        self._file = open(reader, "rb")  # noqa: SIM115 - closed by `close`
        self._emit = emit

    def wait_listening(self) -> None:
        """Until it can be talked to.

        Raises:
            EngineError: it ended before.
        """
        if self._next()[0] != "listening":
            raise EngineError(
                "the container's supervisor ended before it began", hints=("run the command again",)
            )

    def wait_started(self) -> None:
        """Until the command runs.

        Raises:
            ToolError: why it does not.
        """
        while True:
            message = self._next()
            if message[0] == "note":
                self._emit(message[1])
                continue
            if message[0] == "failed":
                raise message[1]
            return

    def _next(self) -> tuple[Any, ...]:
        try:
            value: tuple[Any, ...] = pickle.load(self._file)  # noqa: S301 - written by our own fork
        except EOFError:
            raise EngineError(
                "the container's supervisor was ended while it started", hints=("run the command again",)
            ) from None
        return value

    def close(self) -> None:
        """Hear no more."""
        self._file.close()


def spawn_supervisor(plan: Plan, keep: Sequence[int] = ()) -> Spawned:
    """Start the supervisor of `plan`. `keep`: descriptors that it holds as long as it lives (uses of the store).

    Raises:
        EngineError: another supervisor has the container already.
    """
    from shipway.run.life.supervisor import Supervisor  # noqa: PLC0415 - its own imports are long

    def live(tell: Callable[[ToolError | None], None], ready: Callable[[], None], emit: Emit) -> None:
        supervisor = Supervisor(plan._replace(emit=emit), tell)
        ready()
        supervisor.run()

    return detach(plan.folder, f"shipway: {plan.record.name}", plan.emit, keep, live)


def detach(
    folder: str,
    title: str,
    emit: Emit,
    keep: Sequence[int],
    live: Callable[[Callable[[ToolError | None], None], Callable[[], None], Emit], None],
) -> Spawned:
    """Fork a process that outlives this one, holds the lock in `folder`, and runs `live(tell, ready, emit)`.

    Raises:
        EngineError: the lock is held.
    """
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        _leave(folder, title, writer, keep, live)
    os.close(writer)
    os.waitpid(middle, 0)
    return Spawned(reader, emit)


def _leave(
    folder: str,
    title: str,
    writer: int,
    keep: Sequence[int],
    live: Callable[[Callable[[ToolError | None], None], Callable[[], None], Emit], None],
) -> NoReturn:
    """Be the process in the middle, and then the supervisor; never returns."""
    try:
        os.setsid()
        if os.fork() > 0:
            os._exit(0)
        writer = _let_go(folder, writer, keep)
        _be(folder, title, writer, live)
    finally:
        os._exit(0)


def _let_go(folder: str, writer: int, keep: Sequence[int]) -> int:
    """Keep nothing of the caller's: no stream, no descriptor, no folder. Returns where `writer` is now."""
    from shipway.sandbox.process import close_all_but, duplicate_high  # noqa: PLC0415 - here alone

    writer = duplicate_high(writer)
    null = os.open(os.devnull, os.O_RDWR)
    log = os.open(f"{folder}/{_LOG}", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    for number, fd in ((0, null), (1, log), (2, log)):
        os.dup2(fd, number)
    close_all_but({0, 1, 2, writer, *keep})
    os.chdir("/")
    return writer


def _be(
    folder: str,
    title: str,
    writer: int,
    live: Callable[[Callable[[ToolError | None], None], Callable[[], None], Emit], None],
) -> None:
    from shipway.host.title import set_title  # noqa: PLC0415 - `ctypes`

    gc.freeze()  # a collection would touch, and so copy, what the processes of the sandbox share with this one
    gc.enable()
    open_ends = [writer]

    def say(*message: Any) -> None:
        if open_ends:
            try:
                write_all(open_ends[0], pickle.dumps(message))
            except OSError:  # whoever started us has gone, and the container stays
                return

    def tell(error: ToolError | None) -> None:
        say(*(("failed", error) if error is not None else ("started",)))
        while open_ends:
            os.close(open_ends.pop())

    set_title(title)
    lock = FileLock(f"{folder}/{LOCK}")
    if not lock.try_acquire():
        tell(EngineError("the container has a supervisor already", hints=("`shipway ps` lists it",)))
        return
    try:
        live(tell, lambda: say("listening"), lambda event: say("note", event))
    except BaseException as problem:
        import traceback  # noqa: PLC0415 - for the supervisor's own log

        traceback.print_exc()
        tell(EngineError(f"the container's supervisor failed: {problem}", hints=(f"see `{folder}/{_LOG}`",)))
        raise


def spawn_bound(
    words: Sequence[str],
    ends: Sequence[int],
    *,
    session: bool = False,
    environ: Mapping[str, str] | None = None,
) -> int:
    """Start a program (the first word, an absolute path) on three descriptors, which is killed with this process; its id.

    `session`: in one of its own. `environ`: its variables, if not ours.
    """
    from shipway.sandbox import syscalls  # noqa: PLC0415 - here alone
    from shipway.sandbox.process import SIGKILL  # noqa: PLC0415

    pid = os.fork()
    if pid == 0:
        try:
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, SIGKILL)
            if session:
                os.setsid()
            for number, fd in enumerate(ends):
                os.dup2(fd, number)
            os.execve(words[0], list(words), os.environ if environ is None else environ)  # noqa: S606 - an absolute path
        finally:
            os._exit(127)
    return pid
