"""The process between the caller and the sandbox: it makes the namespaces, serves what is recorded, relays the terminal.

It stays in the host's mount and pid namespaces, so it sees the sandbox's processes and none of them sees it.
"""

from __future__ import annotations

import errno
import os
import select

from . import command, init, process, syscalls, terminal
from .model import CHROOT, NAMESPACES, PROOT, SandboxFailure
from .record import Recorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from .model import Request


class Outside:
    """What the outside process has from the caller."""

    def __init__(
        self,
        request: Request,
        mode: str,
        streams: tuple[int, int, int],
        answer: int,
        go: int,
        control: int | None = None,
    ):
        """`answer`: where the result goes. `go`: says when to begin; ends when the caller is gone.

        `control`: what the first process inside is asked over, if it is.
        """
        self.request = request
        self.mode = mode
        self.streams = streams
        self.answer = answer
        self.go = go
        self.control = control


def run_outside(outside: Outside) -> NoReturn:
    """Be the outside process; never returns."""
    try:
        message = _Session(outside).run()
        process.send_message(outside.answer, message)
    except SandboxFailure as failure:
        process.send_message(outside.answer, ("failed", failure.message, failure.step, failure.errno))
    except BaseException as error:  # noqa: BLE001 - reported whole; this fork must not return into the caller's code
        number = (error.errno or 0) if isinstance(error, OSError) else 0
        process.send_message(outside.answer, ("failed", process.describe_error(error), "outside", number))
    finally:
        os._exit(0)


class _Session:
    """One sandbox from its namespaces to its answer."""

    def __init__(self, outside: Outside):
        self.outside = outside
        self.request = outside.request
        self.notes: list[str] = []
        self.exec_failure: tuple[str, int] | None = None
        self.status: int | None = None
        self.recorder: Recorder | None = None
        self.relay: terminal.Relay | None = None
        self.init = -1

    def run(self) -> tuple[Any, ...]:
        """Everything; returns the answer's message."""
        self._prepare()
        self._make_namespaces()
        report, report_writer = os.pipe()
        release_reader, release = os.pipe()
        channel = process.FdChannel() if self._relays or self.request.suppress_chown else None
        self.init = process.fork()
        if self.init == 0:
            os.close(release)
            os.close(report)
            inside = init.Inside(self.request, self.outside.mode, report_writer, release_reader, channel)
            inside.control = self.outside.control
            init.run_init(inside)
        os.close(report_writer)
        os.close(release_reader)
        if self.outside.control is not None:
            os.close(self.outside.control)
        self._keep_streams()
        self._loop(report, channel)
        return self._answer(release)

    @property
    def _relays(self) -> bool:
        return self.request.tty and self.request.relay

    def _prepare(self) -> None:
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, process.SIGKILL)
        if process.receive_message(self.outside.go) is None:
            os._exit(1)
        process.handle_signal(process.SIGCHLD, 0)
        os.setsid()
        self._take_streams()

    def _take_streams(self) -> None:
        """The caller's streams at 0, 1, 2; everything else of the caller's closed."""
        # The messages' own descriptors may sit at 0 to 2 if the caller had those closed.
        self.outside.answer, self.outside.go = (
            process.duplicate_high(fd) for fd in (self.outside.answer, self.outside.go)
        )
        kept = {0, 1, 2, self.outside.answer, self.outside.go, *self.request.keep_fds}
        self.request.join = {name: process.duplicate_high(fd) for name, fd in self.request.join.items()}
        kept |= set(self.request.join.values())
        if self.outside.control is not None:
            self.outside.control = process.duplicate_high(self.outside.control)
            kept.add(self.outside.control)
        process.set_standard_streams(*self.outside.streams)
        process.close_all_but(kept)

    def _make_namespaces(self) -> None:
        mode, request = self.outside.mode, self.request
        if mode in (CHROOT, PROOT):
            return
        flags = syscalls.CLONE_NEWUSER if mode == NAMESPACES and not request.join else 0
        for name, wanted, flag in (
            ("pid", request.pid_namespace, syscalls.CLONE_NEWPID),
            ("ipc", request.ipc, syscalls.CLONE_NEWIPC),
            ("uts", request.uts, syscalls.CLONE_NEWUTS),
            ("net", request.network == "none", syscalls.CLONE_NEWNET),
        ):
            flags |= flag if wanted and name not in request.join else 0
        uid, gid = os.geteuid(), os.getegid()
        try:
            self._join(mode)
            syscalls.unshare(flags)
            if flags & syscalls.CLONE_NEWUSER:
                write_id_maps(uid, gid, as_root=request.host_uid_as == "root")
        except OSError as error:
            raise SandboxFailure(
                f"the namespaces ({syscalls.describe_namespaces(flags)}) are refused: {error.strerror} ({error.filename})",
                step="namespaces",
                errno=error.errno or errno.EPERM,
            ) from error

    def _join(self, mode: str) -> None:
        """Enter the namespaces of others: that of users first, which gives the rights to enter the rest."""
        if not self.request.join:
            return
        if mode != NAMESPACES:
            raise SandboxFailure(
                "the namespaces of another sandbox can only be entered where they can be made", step="join"
            )
        for name, flag in syscalls.JOINED:
            if name in self.request.join:
                syscalls.setns(self.request.join[name], flag)
                os.close(self.request.join[name])

    def _keep_streams(self) -> None:
        """Hold the caller's streams no longer than needed: their readers wait for the last holder."""
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for number in (2,) if self._relays else (0, 1, 2):
            os.dup2(null, number)
        os.close(null)

    def _loop(self, report: int, channel: process.FdChannel | None) -> None:
        """Serve until init has said how it ended."""
        signals = process.SignalReader()
        steady = {report, signals.fd}
        if channel is not None:
            channel.theirs.close()
            steady.add(channel.ours.fileno())
        while self.status is None:
            for fd, event in self._poll(steady):
                if fd == report:
                    self._hear(process.receive_message(report))
                elif fd == signals.fd:
                    self._on_signal(signals.read())
                elif channel is not None and fd == channel.ours.fileno():
                    if not self._receive(channel):
                        steady.discard(fd)
                elif self.recorder is not None and fd == self.recorder.listener:
                    self.recorder.serve(event)
                elif self.relay is not None:
                    self.relay.handle(fd, event)

    def _poll(self, steady: set[int]) -> list[tuple[int, int]]:
        poll = select.poll()
        for fd in steady:
            poll.register(fd, select.POLLIN)
        if self.recorder is not None and self.recorder.open:
            poll.register(self.recorder.listener, select.POLLIN)
        for fd, events in self.relay.events() if self.relay is not None else ():
            poll.register(fd, events)
        return poll.poll()

    def _hear(self, message: Any) -> None:
        if message is None:
            raise SandboxFailure("the sandbox's first process was killed", step="init")
        match message:
            case ("made", notes):
                self.notes += notes
            case ("exec", text, number):
                self.exec_failure = (text, number)
            case ("ended", status):
                self.status = status
            case (_, text, step, number):
                raise SandboxFailure(text, step=step, errno=number)
            case _:
                raise SandboxFailure(f"the sandbox's first process said {message!r}", step="init")

    def _on_signal(self, number: int) -> None:
        if number == process.SIGWINCH and self.relay is not None:
            self.relay.resize()
        elif number in process.FORWARDED:
            try:
                os.kill(self.init, number)
            except ProcessLookupError:
                return

    def _receive(self, channel: process.FdChannel) -> bool:
        received = channel.receive()
        if received is None:
            return False
        label, fd = received
        if label == command.LISTENER:
            root = self.request.merged_root if self.outside.mode in (CHROOT, PROOT) else None
            self.recorder = Recorder(fd, merged_root=root, translated=self.outside.mode == PROOT)
        else:
            self.relay = terminal.Relay(0, 1, fd)
            terminal.make_raw(0)
        return True

    def _answer(self, release: int) -> tuple[Any, ...]:
        if self.relay is not None:
            self.relay.drain()
        recorded: tuple[Any, ...] = ([], [], [])
        if self.recorder is not None:
            recorded = self.recorder.finish()
            self.notes += self.recorder.notes
        os.close(release)
        os.waitpid(self.init, 0)
        code, signal = self._code()
        message = self.exec_failure[0] if self.exec_failure else ""
        shown = self.relay.last if self.relay is not None and code else b""
        return ("done", code, signal, self.outside.mode, self.notes, message, shown, *recorded)

    def _code(self) -> tuple[int, int]:
        if self.exec_failure is not None:
            return (127 if self.exec_failure[1] == errno.ENOENT else 126), 0
        status = self.status or 0
        if os.WIFSIGNALED(status):
            return 128 + os.WTERMSIG(status), os.WTERMSIG(status)
        return os.WEXITSTATUS(status), 0


def write_id_maps(uid: int, gid: int, *, as_root: bool) -> None:
    """Map the caller's one user and one group; supplementary groups stay in force but cannot be changed."""
    write_proc("/proc/self/setgroups", "deny")
    write_proc("/proc/self/uid_map", f"{0 if as_root else uid} {uid} 1")
    write_proc("/proc/self/gid_map", f"{0 if as_root else gid} {gid} 1")


def write_proc(path: str, text: str) -> None:
    """One write(2), as the kernel asks for there."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        os.close(fd)
