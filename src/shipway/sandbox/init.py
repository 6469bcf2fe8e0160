"""The first process inside, and the step from it to the command.

It makes the world, starts the command in a session of its own, reaps whatever dies, passes signals on, and when the command is
over ends everything that is left. It is not dumpable, so nothing inside can look at its memory or its descriptors.
"""

from __future__ import annotations

import _socket
import fcntl
import os
import select
import sys

from . import command, control, fallback, process, syscalls
from .model import CHROOT, NAMESPACES, PROOT, SandboxFailure
from .mounts import Builder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .model import Request
    from .process import FdChannel

_PROOT_INTERVAL = 100
"""Milliseconds between looks at what PRoot still waits for."""


class Inside:
    """What the first process has from the one outside."""

    def __init__(self, request: Request, mode: str, report: int, release: int, channel: FdChannel | None):
        """`report`: where messages go. `release`: ends when the outside is done with us, or gone."""
        self.request = request
        self.mode = mode
        self.report = report
        self.release = release
        self.channel = channel
        self.control: int | None = None
        """Where more is asked for while the command runs."""

    @property
    def own_pids(self) -> bool:
        """Whether this process is pid 1 of its own namespace."""
        return (
            self.request.pid_namespace and "pid" not in self.request.join and self.mode not in (CHROOT, PROOT)
        )


def run_init(inside: Inside) -> NoReturn:
    """Be the first process inside; never returns."""
    try:
        _live(inside)
    except SandboxFailure as failure:
        process.send_message(inside.report, ("failed", failure.message, failure.step, failure.errno))
    except BaseException as error:  # noqa: BLE001 - reported whole; this fork must not return into the caller's code
        number = (error.errno or 0) if isinstance(error, OSError) else 0
        process.send_message(inside.report, ("failed", process.describe_error(error), "inside", number))
    finally:
        os._exit(1)


def forbid_imports() -> None:
    """Never load code from now on: the module path will mean the sandbox's files, and this process has more rights than they."""
    sys.meta_path.clear()
    sys.path_hooks.clear()
    sys.path.clear()


def _live(inside: Inside) -> None:
    forbid_imports()
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, process.SIGKILL)
    if _gone(inside.release):
        os._exit(1)
    if not inside.own_pids:
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    world = _enter_world(inside)
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    signals = process.SignalReader()
    try:
        crew = None if inside.control is None else control.Crew(inside.request, world, inside.control)
        child = _start(inside, world, signals, crew)
        status = _watch(child, signals, crew, proot=inside.mode == PROOT)
        _end_the_rest(own_pids=inside.own_pids)
        process.send_message(inside.report, ("ended", status))
        os.read(inside.release, 1)
    finally:
        if world is not None:
            world.clean()
    os._exit(0)


def _gone(release: int) -> bool:
    poll = select.poll()
    poll.register(release, select.POLLIN)
    return bool(poll.poll(0))


def _enter_world(inside: Inside) -> fallback.World | None:
    """Make the file system as asked, and enter it where that can be undone by leaving. Tells the notes."""
    if "mnt" in inside.request.join:
        _enter_mounts(inside.request.join["mnt"])
        process.send_message(inside.report, ("made", []))
        return None
    if inside.mode in (CHROOT, PROOT):
        world = fallback.World(inside.request, inside.mode)
        try:
            world.prepare()
        except BaseException:
            world.clean()
            raise
        process.send_message(inside.report, ("made", world.notes))
        return world
    process.send_message(
        inside.report, ("made", make_world(inside.request, userns=inside.mode == NAMESPACES))
    )
    return None


def _enter_mounts(fd: int) -> None:
    """Enter the mounts that another program has made; root and working directory are those there."""
    try:
        syscalls.setns(fd, syscalls.CLONE_NEWNS)
    except OSError as error:
        raise SandboxFailure(
            f"the mounts cannot be entered: {process.describe_error(error)}",
            step="join",
            errno=error.errno or 0,
        ) from error


def make_world(request: Request, *, userns: bool) -> list[str]:
    """Mounts, names and network as asked, in namespaces of our own. Returns the notes."""
    try:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        builder = Builder(userns=userns, memory=request.join.get(control.MEMORY))
        builder.open_sources(request.mounted_ops())
        builder.stage()
    except OSError as error:
        raise SandboxFailure(
            f"mounts are refused: {process.describe_error(error)}", step="mounts", errno=error.errno or 0
        ) from error
    builder.perform(request.mounted_ops())
    builder.enter()
    if request.uts and request.hostname and "uts" not in request.join:
        syscalls.set_host_name(request.hostname)
    if request.network == "none" and "net" not in request.join:
        bring_loopback_up()
    return builder.notes


def bring_loopback_up() -> None:
    """Set IFF_UP and IFF_RUNNING on `lo` (SIOCSIFFLAGS, struct ifreq)."""
    made = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    fcntl.ioctl(
        made.fileno(), 0x8914, b"lo".ljust(16, b"\0") + (0x1 | 0x40).to_bytes(2, "little") + bytes(22)
    )
    made.close()


def _start(
    inside: Inside, world: fallback.World | None, signals: process.SignalReader, crew: control.Crew | None
) -> int:
    """Fork the command. Raises `SandboxFailure` if it could not be set up; a failed exec is reported as a message."""
    reader, writer = os.pipe()
    handed_over = crew is not None and inside.request.tty and not inside.request.relay
    channel = process.FdChannel() if handed_over else inside.channel
    child = process.fork()
    if child == 0:
        os.close(reader)
        command.become(inside.request, world, writer, channel)
    # This process lives beside the command: it keeps nothing that a look into it, or a forgotten end of a pipe, could reveal.
    held = world.descriptors() if world is not None else ()
    if crew is not None:
        held = (*held, crew.fd)
        if handed_over and channel is not None:
            held = (*held, channel.ours.fileno())
            channel.theirs.detach()
    process.close_all_but({inside.report, inside.release, signals.fd, reader, *held})
    answer = process.receive_message(reader)
    os.close(reader)
    if answer is not None:
        kind, message, number = answer
        if kind == "failed":
            raise SandboxFailure(message, step="start", errno=number)
        process.send_message(inside.report, ("exec", message, number))
    elif crew is not None:
        crew.started(child, channel if handed_over else None)
    return child


def _watch(child: int, signals: process.SignalReader, crew: control.Crew | None, *, proot: bool) -> int:
    """Reap, forward and start more until `child` is over; returns its wait status."""
    poll = select.poll()
    poll.register(signals.fd, select.POLLIN)
    if crew is not None:
        poll.register(crew.fd, select.POLLIN)
    while True:
        ready = poll.poll(_PROOT_INTERVAL if proot else None)
        if not ready:
            _end_what_proot_waits_for(child)
            continue
        if crew is not None and ready == [(crew.fd, select.POLLIN)]:
            crew.serve()
            continue
        if crew is not None and not any(fd == signals.fd for fd, _ in ready):
            poll.unregister(crew.fd)  # the caller has gone, and the kernel is about to tell
            continue
        number = signals.read()
        if number == process.SIGCHLD:
            status = _reap(child, crew)
            if status is not None:
                return status
        elif number in process.FORWARDED:
            control.deliver(child, number, whole_group=proot)  # PRoot ignores signals, what it runs does not


def _end_what_proot_waits_for(proot: int) -> None:
    """PRoot ends with its last process, a sandbox with its command: once that is over, kill what it left.

    The command is PRoot's only child; what outlives its parent becomes ours.
    """
    if read_children(proot):
        return
    for pid in read_children(os.getpid()):
        if pid != proot:
            _kill(pid)


def _reap(child: int, crew: control.Crew | None) -> int | None:
    """Collect every dead process; the wait status of `child` if it was among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if crew is not None:
            crew.ended(pid, status)
        if pid == child:
            found = status


def _end_the_rest(*, own_pids: bool) -> None:
    """Kill and reap everything that the command left behind."""
    if own_pids:
        try:
            os.kill(-1, process.SIGKILL)
        except ProcessLookupError:
            return
    while True:
        if not own_pids:
            _kill_children()
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _kill_children() -> None:
    """Without a pid namespace orphans come to us as children; each is killed as it comes."""
    for pid in read_children(os.getpid()):
        _kill(pid)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, process.SIGKILL)
    except ProcessLookupError:
        return


def read_children(pid: int) -> list[int]:
    """The processes whose parent is `pid`; none if it is gone."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as listing:
            return [int(child) for child in listing.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
