"""A container that another program makes, with nothing in it but a process of ours that waits, so that others can enter it.

It ends with us: that process is the first one inside, and ends when our side of its socket is closed, by whatever hand.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError
from shipway.host.files import write_all
from shipway.run.life.holding_program import holding_program
from shipway.run.life.spawn import spawn_bound
from shipway.sandbox.syscalls import CLONE_NEWNS, JOINED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PATIENCE = 2
"""Seconds that the program may take to be gone when nothing is left inside."""
_CREDENTIALS = struct.Struct("iII")
_NAMESPACES = (*JOINED, ("mnt", CLONE_NEWNS))


class Entry(NamedTuple):
    """What a command needs to enter the container."""

    namespaces: Mapping[str, int]
    """Descriptors of those that are not ours, by name."""
    environ: Mapping[str, str]
    """The variables that the program has set inside."""
    root: str
    """The kind of its root file system: `overlay`, `fuse.fuse-overlayfs`, …"""


def write_holding_program(folder: str) -> str:
    """Write the process that waits as a new file in `folder`; its name there.

    Raises:
        EngineError: there is none for this machine.
        OSError: it cannot be written.
    """
    try:
        data = holding_program()
    except KeyError:
        raise EngineError(
            f"on this machine ({os.uname().machine}) containers that stay need the native engine",
            hints=("use `--engine native`",),
        ) from None
    name = f".shipway-{os.urandom(6).hex()}"  # the container can write there, and has not seen this one
    fd = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700)
    try:
        write_all(fd, data)
    finally:
        os.close(fd)
    return name


def find_root_kind(mounts: str) -> str:
    """The kind of file system that is seen at `/`, of the lines of a `mountinfo` (proc_pid_mountinfo(5))."""
    lines = (line.partition(" - ") for line in mounts.splitlines())
    kinds = [right.split()[0] for left, _, right in lines if left.split()[4] == "/"]
    return kinds[-1] if kinds else ""


class Held:
    """One container, from the program's start to its end."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str]):
        """Start the program: its first word is an absolute path, and what it runs inside is the process that waits."""
        self._errors = os.memfd_create("errors")
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket = ours
        self._open: list[int] = []
        try:
            ends = (theirs.fileno(), theirs.fileno(), self._errors)
            self._pid = spawn_bound(words, ends, session=True, environ=environ)
        finally:
            theirs.close()

    @property
    def fd(self) -> int:
        """Can be read when the container is whole, or has failed."""
        return self._socket.fileno()

    def enter(self) -> Entry | None:
        """The way in, to be asked for once when `fd` can be read; None: it has failed, and `errors` says why.

        What it opens is closed with the container.
        """
        pid = self._hear()
        if pid == 0:
            return None
        try:
            namespaces = {name: self._open_namespace(pid, name) for name, _ in _NAMESPACES}
            with open(f"/proc/{pid}/environ", "rb") as file:
                pairs = (one.partition(b"=") for one in file.read().split(b"\0") if one)
                environ = {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
            with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="replace") as file:
                root = find_root_kind(file.read())
            self._socket.send(b"\0")  # from now on nobody looks at it
        except OSError:
            return None
        return Entry({name: fd for name, fd in namespaces.items() if fd >= 0}, environ, root)

    def _hear(self) -> int:
        """The process id of whoever says that it waits; 0: nobody does."""
        try:
            data, ancillary, _, _ = self._socket.recvmsg(1, socket.CMSG_SPACE(_CREDENTIALS.size))
        except OSError:
            return 0
        for level, kind, rights in ancillary if data else ():
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                return int(_CREDENTIALS.unpack(rights)[0])
        return 0

    def _open_namespace(self, pid: int, name: str) -> int:
        """Its descriptor; -1 where it is the one that we are in, which cannot be entered again."""
        path = f"/proc/{pid}/ns/{name}"
        if os.path.samestat(os.stat(path), os.stat(f"/proc/self/ns/{name}")):
            return -1
        self._open.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        return self._open[-1]

    def errors(self) -> str:
        """What the program said."""
        size = os.fstat(self._errors).st_size
        return os.pread(self._errors, size, 0).decode("utf-8", "replace").strip()

    def kill(self) -> None:
        """End all of it at once; `fd` can be read then."""
        os.kill(self._pid, signal.SIGKILL)

    def close(self) -> None:
        """End it: everything inside is killed, and the program has its time to leave nothing behind."""
        self._socket.close()
        pidfd = os.pidfd_open(self._pid)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(_PATIENCE * 1000):
            self.kill()
        os.waitpid(self._pid, 0)
        for fd in (pidfd, self._errors, *self._open):
            os.close(fd)
