"""Advisory locks between processes: flock(2) on a file, shared or exclusive, with a time limit and a name for the holder.

A lock belongs to the open file: it ends when its last descriptor is closed, so a killed process leaves none behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Self

from shipway.core.errors import StoreError
from shipway.core.events import Note, silent
from shipway.host.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from shipway.core.events import Emit

DEFAULT_TIMEOUT = 600.0
"""Seconds, unless `SHIPWAY_LOCK_TIMEOUT` says otherwise."""
_FIRST_WAIT, _LONGEST_WAIT, _SPEAK_AFTER = 0.002, 0.2, 1.0


def lock_timeout(default: float = DEFAULT_TIMEOUT) -> float:
    """Seconds to wait for a lock: `SHIPWAY_LOCK_TIMEOUT`, else `default`.

    Raises:
        StoreError: the variable holds no number.
    """
    text = os.environ.get("SHIPWAY_LOCK_TIMEOUT", "")
    if not text:
        return default
    try:
        return max(0.0, float(text))
    except ValueError:
        raise StoreError(
            f"`SHIPWAY_LOCK_TIMEOUT` is no number of seconds: `{text}`",
            hints=["set it to a number such as 600, or unset it"],
        ) from None


class FileLock:
    """One lock on the file `path`, which is made when missing and the folder can be written.

    Use as a context manager, or `acquire` and `release`. Not to be shared by threads: each opens its own.
    """

    __slots__ = ("_emit", "_remove", "_shared", "_timeout", "fd", "path")

    def __init__(
        self,
        path: str,
        *,
        shared: bool = False,
        timeout: float | None = None,
        emit: Emit = silent,
        remove: bool = False,
    ):
        """`timeout`: seconds, None for `lock_timeout()`. `remove`: the file's name goes when an exclusive lock ends."""
        self.path = path
        self.fd = -1
        self._shared = shared
        self._timeout = timeout
        self._emit = emit
        self._remove = remove

    def try_acquire(self) -> bool:
        """Take the lock if that needs no waiting.

        Raises:
            OSError: the file cannot be opened, or its file system has no locks.
        """
        while True:
            fd = self._open()
            try:
                fcntl.flock(fd, (fcntl.LOCK_SH if self._shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                current = _is_at(fd, self.path)
            except BlockingIOError:
                os.close(fd)
                return False
            except BaseException:
                os.close(fd)
                raise
            if current:
                break
            # The holder before us removed the file: what we locked has no name any more.
            os.close(fd)
        self.fd = fd
        if not self._shared:
            _write_holder(fd)
        return True

    def acquire(self, between: Callable[[], bool] | None = None) -> bool:
        """Take the lock, waiting up to the time limit; `between` is called between tries and ends the wait by True.

        Returns whether the lock was taken (False only by `between`).

        Raises:
            StoreError: the time is up; names the lock and who holds it.
        """
        start, pause, spoken = monotonic(), _FIRST_WAIT, False
        limit = lock_timeout() if self._timeout is None else self._timeout
        while not self.try_acquire():
            if between is not None and between():
                return False
            waited = monotonic() - start
            if waited >= limit:
                raise self._too_long(limit)
            if waited >= _SPEAK_AFTER and not spoken:
                spoken = True
                self._emit(Note(f"waiting for the lock `{self.path}`, held by {describe_holders(self.path)}"))
            _pause(min(pause, max(0.0, limit - waited)))
            pause = min(pause * 2, _LONGEST_WAIT)
        return True

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        fd, self.fd = self.fd, -1
        if fd < 0:
            return
        if self._remove and not self._shared:
            # The name is only tidiness: the lock ends with the descriptor, and who locks next checks the name.
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        os.close(fd)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _open(self) -> int:
        """A shared lock needs no right to write; a reader of another user's store has none."""
        if self._shared:
            try:
                return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                pass
        return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)

    def _too_long(self, limit: float) -> StoreError:
        return StoreError(
            f"the lock `{self.path}` was not free within {limit:g} seconds: held by {describe_holders(self.path)}",
            hints=["wait for that process or end it", "set SHIPWAY_LOCK_TIMEOUT to wait longer (seconds)"],
        )


def is_locked(path: str) -> bool:
    """Whether anyone holds a lock on the file or directory `path`; a missing one is free."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def describe_holders(path: str) -> str:
    """Who holds `path`, for a message: `process 12 (shipway build)`."""
    names = [_describe_process(pid) for pid in find_holders(path)]
    return ", ".join(names) if names else "a process that this one cannot see"


def find_holders(path: str) -> list[int]:
    """Process ids that hold a flock on `path`: from `/proc/locks` (proc_locks(5)), else what the file itself says."""
    try:
        status = os.stat(path)
        with open("/proc/locks", encoding="ascii", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        lines = []
        status = None
    found: list[int] = []
    for line in lines:
        words = line.split()
        if (
            status
            and "->" not in words
            and "FLOCK" in words
            and words[5].rpartition(":")[2] == str(status.st_ino)
        ):
            pid = int(words[4])
            if pid > 0 and pid not in found:
                found.append(pid)
    return found or _written_holder(path)


def _written_holder(path: str) -> list[int]:
    try:
        with open(path, "rb") as file:
            text = file.read(32).strip()
    except OSError:
        return []
    return [int(text)] if text.isdigit() else []


def _describe_process(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(300).split(b"\0")
    except OSError:
        return f"process {pid}"
    text = " ".join(word.decode("utf-8", "replace") for word in words if word)
    printable = "".join(c if c.isprintable() else "?" for c in text)[:120]
    return f"process {pid} ({printable})" if printable else f"process {pid}"


def _write_holder(fd: int) -> None:
    """Say who holds it. Only a help for messages, so nothing that the disk answers stands in the way."""
    with contextlib.suppress(OSError):
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)


def _is_at(fd: int, path: str) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(fd), there)


def _pause(seconds: float) -> None:
    import time  # noqa: PLC0415 - built in; kept here so that tests replace one name

    time.sleep(seconds)
