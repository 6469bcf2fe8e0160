"""Processes that a bus error ends, told by the kernel at the moment it happens (its process connector, linux/cn_proc.h).

A file in memory that its file system has no room for can be mapped, and the write is answered by SIGBUS. That ends a worker,
whose parent then fails with a code of its own, and what the worker had written is free again at once: neither the code nor a
look at the file system tells afterwards. The kernel tells only who asks in its first namespaces, and since Linux 6.6 everybody.
"""

from __future__ import annotations

import _socket
import struct
import sys
import time
from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    IsOurs = Callable[[int], bool | None]
    """Asked about the parent of a process that has just ended; None when that is gone, too."""

SIGBUS = 7
_NETLINK_CONNECTOR, _SO_ATTACH_FILTER, _NLMSG_DONE = 11, 26, 3
_PROCESSES = 1
"""CN_IDX_PROC, CN_VAL_PROC, and the multicast group."""
_LISTEN, _FAILED_EXITS = 1, 0x20000000
"""PROC_CN_MCAST_LISTEN, PROC_EVENT_NONZERO_EXIT."""
_HEAD = 16 + 20 + 16
"""Bytes before the event: those of netlink, of the connector and of what all events have."""
_EXIT = struct.Struct("=iiIIii")
"""Process, its group, status, signal to the parent, parent, the parent's group."""
_STATUS = _HEAD + (8 if sys.byteorder == "little" else 11)
"""Where the byte with the signal is."""
_RELATED, _MOMENT = 600.0, 1.0
"""Seconds."""
_LONGEST = 64
"""Generations that are looked at."""


class Watch:
    """Counts the bus errors below some process. Whoever has it waits for `fd` and calls `read`."""

    def __init__(self, connection: _socket.socket, is_ours: IsOurs):
        self._connection = connection
        self._is_ours = is_ours
        self._times: list[float] = []
        """When they were, by the monotonic clock."""
        self._doubtful: list[float] = []
        """The same of those whose parent was gone before it could be looked at: it failed at once."""

    @property
    def fd(self) -> int:
        """For polling."""
        return self._connection.fileno()

    def read(self) -> None:
        """Take what the kernel has told."""
        while True:
            try:
                message = self._connection.recv(4096, _socket.MSG_DONTWAIT)
            except OSError:  # nothing more, or more than the kernel keeps
                return
            if len(message) < _HEAD + _EXIT.size:
                continue
            process, group, _, _, _, parent = _EXIT.unpack_from(message, _HEAD)
            ours = self._is_ours(parent) if process == group else False
            if ours is not False:
                (self._doubtful if ours is None else self._times).append(time.monotonic())

    def count(self, since: float = 0.0) -> int:
        """How many there were since `since`, and not so long ago that what ends now would have another reason.

        One whose parent was gone at once counts for a moment only: for what failed with it.
        """
        now = time.monotonic()
        since, recent = max(since, now - _RELATED), max(since, now - _MOMENT)
        return sum(one >= since for one in self._times) + sum(one >= recent for one in self._doubtful)

    def close(self) -> None:
        """Hear no more."""
        self._connection.close()


def open_watch(is_ours: IsOurs) -> Watch | None:
    """A watch; None where the kernel tells nothing."""
    try:
        connection = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_DGRAM, _NETLINK_CONNECTOR)
    except OSError:
        return None
    try:
        # Whoever waits is woken by a bus error alone, however many processes of the machine fail meanwhile.
        program = array("Q", [_instruction(*one) for one in _only_bus_errors()])
        address, count = program.buffer_info()
        connection.setsockopt(_socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HxxxxxxQ", count, address))
        connection.bind((0, _PROCESSES))
        asked = struct.pack("=II", _LISTEN, _FAILED_EXITS)
        about = struct.pack("=IIIIHH", _PROCESSES, _PROCESSES, 0, 0, len(asked), 0) + asked
        connection.send(struct.pack("=IHHII", 16 + len(about), _NLMSG_DONE, 0, 0, 0) + about)
    except OSError:
        connection.close()
        return None
    return Watch(connection, is_ours)


def _only_bus_errors() -> tuple[tuple[int, int, int, int], ...]:
    """A classic packet filter (linux/filter.h): the signal in the status of a process that has ended is SIGBUS."""
    return (
        (0x30, 0, 0, _STATUS),  # load the byte
        (0x54, 0, 0, 0x7F),  # without the mark of a core file
        (0x15, 0, 1, SIGBUS),
        (0x06, 0, 0, 0xFFFF),  # take all of the message
        (0x06, 0, 0, 0),
    )


def _instruction(code: int, yes: int, no: int, value: int) -> int:
    return int.from_bytes(struct.pack("=HBBI", code, yes, no, value), sys.byteorder)


def descends(pid: int, ancestor: int) -> bool | None:
    """Whether `pid` is `ancestor` or below it; None when it is gone."""
    for _ in range(_LONGEST):
        if pid == ancestor or pid <= 1:
            return pid == ancestor
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):  # it has just gone
            return None
    return False
