"""More processes in a sandbox that runs: what its first process is asked over a socket, and what it answers.

Both ends are ours: the caller keeps one, the first process inherits the other, and no name of it exists anywhere. A message is
one value of built-in types (`process.send_message`'s form) with up to `MOST_FDS` descriptors beside its first byte.

    ("exec", n, words)      with stdin, stdout, stderr   ->  ("started", n, pid), with the terminal's master if it has one
                                                             ("failed", n, sentence, errno), and later ("ended", n, status)
    ("write", n)            with a stream of changes     ->  ("started", n, pid), ("ended", n, status)
    ("signal", n, number)                                    nothing; to the group where a terminal would do so
    ("namespaces", n)                                    ->  ("namespaces", n, names), with a descriptor of each; the last is
                                                             MEMORY, a copy of the mount of `/dev/shm`, where there is one

Number 0 is the command that the sandbox was started for; its end is the end of all.
"""

from __future__ import annotations

import _socket
import marshal
import os

from . import command, mounts, process, writing
from .model import SandboxFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .fallback import World
    from .model import Request

MAIN = 0
"""The number of the command that the sandbox was started for."""
MOST_FDS = 8
NAMESPACES = ("user", "mnt", "pid", "ipc", "uts", "net")
MEMORY = "shm"
"""What goes with the `ipc` namespace, as container engines share it."""
_INT = 4


def send(connection: _socket.socket, value: Any, fds: Sequence[int] = ()) -> None:
    """Send one message. The other side is a relative, which always reads."""
    data = marshal.dumps(value)
    data = len(data).to_bytes(8, "little") + data
    rights = b"".join(fd.to_bytes(_INT, "little") for fd in fds)
    ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)] if fds else []
    sent = connection.sendmsg([data], ancillary)
    view = memoryview(data)[sent:]
    while view:
        view = view[connection.send(view) :]


def receive(connection: _socket.socket) -> tuple[Any, list[int]] | None:
    """The next message and its descriptors; None at the end."""
    head, fds = _receive_head(connection)
    while head and len(head) < 8:  # noqa: PLR2004 - the length of the length
        more = connection.recv(8 - len(head))
        if not more:
            return None
        head += more
    if not head:
        return None
    left, chunks = int.from_bytes(head, "little"), []
    while left:
        chunk = connection.recv(min(left, 1 << 20))
        if not chunk:
            return None
        chunks.append(chunk)
        left -= len(chunk)
    return marshal.loads(b"".join(chunks)), fds  # noqa: S302 - written by our own fork


def _receive_head(connection: _socket.socket) -> tuple[bytes, list[int]]:
    head, ancillary, _, _ = connection.recvmsg(
        8, _socket.CMSG_SPACE(MOST_FDS * _INT), _socket.MSG_CMSG_CLOEXEC
    )
    fds: list[int] = []
    for level, kind, data in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            fds += [int.from_bytes(data[at : at + _INT], "little") for at in range(0, len(data), _INT)]
    return head, fds


class Crew:
    """The first process's side: the commands that it started besides the main one."""

    def __init__(self, request: Request, world: World | None, fd: int):
        self.request = request
        self.world = world
        self.connection = _socket.socket(fileno=fd)
        self.numbers: dict[int, int] = {}
        """By process id."""
        self.open = True

    @property
    def fd(self) -> int:
        """For polling."""
        return self.connection.fileno()

    def started(self, pid: int, channel: process.FdChannel | None) -> None:
        """Tell that the main command runs."""
        self.numbers[pid] = MAIN
        self._tell_started(MAIN, pid, channel)

    def _tell_started(self, number: int, pid: int, channel: process.FdChannel | None) -> None:
        received = channel.receive() if channel is not None else None
        fds = [received[1]] if received is not None else []
        send(self.connection, ("started", number, pid), fds)
        for fd in fds:
            os.close(fd)

    def serve(self) -> None:
        """Do what the next message asks for."""
        received = receive(self.connection)
        if received is None:
            self.open = False
            return
        message, fds = received
        try:
            match message:
                case ("exec", number, words):
                    self._start(number, self.request.replace(**words), fds)
                case ("write", number):
                    self._write(number, fds[0])
                case ("signal", number, which):
                    self._signal(number, which)
                case ("namespaces", number):
                    self._show_namespaces(number)
                case _:
                    raise ValueError(f"no such message: {message[0]}")  # noqa: TRY301 - told as any other failure
        except (OSError, ValueError, SandboxFailure) as error:
            text = error.message if isinstance(error, SandboxFailure) else process.describe_error(error)
            send(self.connection, ("failed", message[1], text, getattr(error, "errno", 0) or 0))
        finally:
            for fd in fds:
                process.close_quietly(fd)

    def _start(self, number: int, request: Request, fds: list[int]) -> None:
        channel = process.FdChannel() if request.tty else None
        reader, writer = os.pipe()
        pid = process.fork()
        if pid == 0:
            process.set_standard_streams(fds[0], fds[1], fds[2])
            command.become(request, self.world, writer, channel)
        os.close(writer)
        answer = process.receive_message(reader)
        os.close(reader)
        if channel is not None:
            channel.theirs.close()
        if answer is not None:
            _, sentence, code = answer
            send(self.connection, ("failed", number, sentence, code))
            return
        self.numbers[pid] = number
        self._tell_started(number, pid, channel)
        if channel is not None:
            channel.ours.close()

    def _write(self, number: int, fd: int) -> None:
        """Change files as a stream says, in a process with no more rights than the command has."""
        pid = process.fork()
        if pid == 0:
            try:
                if self.world is not None:
                    self.world.enter()
                command.give_up_rights(self.request, None)
                os._exit(writing.apply_stream(fd))
            finally:
                os._exit(1)
        self.numbers[pid] = number
        send(self.connection, ("started", number, pid))

    def _signal(self, number: int, which: int) -> None:
        for pid, known in self.numbers.items():
            if known == number:
                deliver(pid, which)

    def _show_namespaces(self, number: int) -> None:
        fds = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in NAMESPACES]
        if self.world is None:
            fds.append(mounts.copy_mount("/dev/shm"))  # noqa: S108 - inside
        try:
            send(self.connection, ("namespaces", number, (*NAMESPACES, MEMORY)[: len(fds)]), fds)
        finally:
            for fd in fds:
                os.close(fd)

    def ended(self, pid: int, status: int) -> None:
        """Tell that a command is over."""
        number = self.numbers.pop(pid, None)
        if number is not None and number != MAIN and self.open:
            try:
                send(self.connection, ("ended", number, status))
            except OSError:
                self.open = False


def deliver(pid: int, number: int, *, whole_group: bool = False) -> None:
    """Pass a signal on to a command that leads a session of its own."""
    # Its parent is outside that session, where the kernel ignores SIGTSTP: SIGSTOP stops it all the same.
    sent = process.SIGSTOP if number == process.SIGTSTP else number
    try:
        if whole_group or number in process.TO_THE_GROUP:
            os.killpg(pid, sent)
        else:
            os.kill(pid, sent)
    except ProcessLookupError:
        return
