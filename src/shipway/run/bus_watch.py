"""Bus errors in containers of other engines, counted in a thread beside the wait for their program, and remembered."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from shipway.host.readable import calling_when_readable
from shipway.run.bus_error import Sign, find_sign
from shipway.sandbox.deaths import open_watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shipway.sandbox.deaths import IsOurs, Watch

_MARK = "bus-error"
"""A file in the container's folder, with the sign that was seen last."""
_TAIL = 1 << 16


class Seen:
    """What a watch has seen so far."""

    def __init__(self, watch: Watch | None):
        self._watch = watch

    @property
    def count(self) -> int:
        """Processes that a bus error ended."""
        return 0 if self._watch is None else self._watch.count()


@contextlib.contextmanager
def watching(is_ours: IsOurs) -> Iterator[Seen]:
    """Count in a thread, as long as the block lasts, the bus errors of processes whose parent `is_ours`.

    A thread, because what the caller waits for is a program of an engine, and by its end nothing is left to be asked.
    """
    watch = open_watch(is_ours)
    if watch is None:
        yield Seen(None)
        return

    def hear() -> bool:
        with contextlib.suppress(OSError):
            watch.read()
            return True
        return False

    try:
        with calling_when_readable(watch.fd, hear):
            yield Seen(watch)
        hear()
    finally:
        watch.close()


def in_engine(read_id: Callable[[], str]) -> IsOurs:
    """Whether a process of this machine is in the engine's container with the id that `read_id` knows, once it knows one."""

    def is_ours(pid: int) -> bool | None:
        try:
            identity = read_id()
        except OSError:
            return False
        try:
            with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
                return bool(identity) and identity in file.read()
        except OSError:
            return None

    return is_ours


def mark(folder: str, sign: Sign | None) -> None:
    """Keep the sign for whoever asks how the container in `folder` ended."""
    if sign is None:
        return
    with contextlib.suppress(OSError), open(f"{folder}/{_MARK}", "w", encoding="utf-8") as file:
        file.write(sign.value)


def find_mark(folder: str, since: float) -> Sign | None:
    """The sign that was kept since `since`, in seconds since 1970."""
    try:
        if os.stat(f"{folder}/{_MARK}").st_mtime < since:
            return None
        with open(f"{folder}/{_MARK}", encoding="utf-8") as file:
            return Sign(file.read())
    except (OSError, ValueError):
        return None


def log_size(log: str) -> int:
    """Bytes of the log now."""
    try:
        return os.stat(log).st_size
    except OSError:
        return 0


def sign_of_log(code: int, bus_errors: int, log: str, begin: int = 0) -> Sign | None:
    """As `find_sign`, with the end of the file `log` as what the command wrote. `begin`: bytes of earlier runs."""
    sign = find_sign(code, bus_errors)
    if sign is not None or not code:
        return sign
    try:
        with open(log, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(begin if begin <= size else 0, size - _TAIL))
            return find_sign(code, 0, file.read())
    except OSError:
        return None
