"""The processes of a container, as the host's `/proc` shows them (proc(5))."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection


class Process(NamedTuple):
    """One process."""

    pid: int
    """On the host."""
    parent: int
    user: str
    cpu: float
    """Seconds of processor time so far."""
    memory: int
    """Bytes that are in memory now, shared ones included."""
    started: float
    """Seconds after the boot."""
    state: str
    """One letter, as `ps` shows it."""
    command: str
    threads: int = 1


def read_below(pid: int, *, skip: int = 0, without: Collection[str] = ()) -> tuple[Process, ...]:
    """The processes below `pid`, leaving out the first `skip` generations; none if it is gone.

    `without`: the names of children that are left out with all that is below them.
    """
    generation = [pid]
    for _ in range(skip):
        generation = [
            child for one in generation for child in read_children(one) if not _is_called(child, without)
        ]
    found: list[Process] = []
    waiting = [child for one in generation for child in read_children(one)]
    while waiting:
        one = waiting.pop(0)
        process = read_process(one)
        if process is not None:
            found.append(process)
        waiting += read_children(one)
    return tuple(found)


def _is_called(pid: int, names: Collection[str]) -> bool:
    if not names:
        return False
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip() in names
    except OSError:
        return False


def has_own_network(pid: int) -> bool:
    """Whether its network is another than the caller's; True where that cannot be seen."""
    try:
        return not os.path.samestat(os.stat(f"/proc/{pid}/ns/net"), os.stat("/proc/self/ns/net"))
    except OSError:
        return True


def read_children(pid: int) -> list[int]:
    """The processes whose parent is `pid`."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with (
                contextlib.suppress(OSError),
                open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file,
            ):
                found += map(int, file.read().split())
    return found


def read_process(pid: int) -> Process | None:
    """One process; None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            line = file.read()
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().rstrip(b"\0").split(b"\0")
        uid = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None
    name = line[line.index(b"(") + 1 : line.rindex(b")")].decode("utf-8", "replace")
    fields = line.rpartition(b")")[2].split()
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    command = b" ".join(words).decode("utf-8", "replace") or f"[{name}]"
    return Process(
        pid=pid,
        parent=int(fields[1]),
        user=_name_of(uid),
        cpu=(int(fields[11]) + int(fields[12])) / tick,
        memory=int(fields[21]) * page,
        started=int(fields[19]) / tick,
        state=fields[0].decode("ascii"),
        command=command,
        threads=int(fields[17]),
    )


def _name_of(uid: int) -> str:
    import pwd  # noqa: PLC0415 - asks a directory service, perhaps

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
