"""The processes that connect a network, and end with whoever asked for it.

    caller ── guard ── keeper ── pasta or slirp4netns
       └ a pipe: when its last holder has gone, all of them end

The keeper is the first process of a process namespace, so nothing that it started outlives it, however it ends. A program that
ends by itself is started again on the same network.
"""

from __future__ import annotations

import _socket
import contextlib
import os
import select
import signal
import socket
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from shipway.core.errors import EngineError
from shipway.core.text import shown
from shipway.run.network.programs import (
    GUARD_NAME,
    SLIRP,
    own_words,
    render_forward,
    render_pasta,
    render_slirp,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shipway.run.model import Port
    from shipway.run.network.programs import Bridge

_NAMES = ("user", "net", "rights")
_PATIENCE = 10.0
_SYS_ADMIN = 1 << 21
"""CAP_SYS_ADMIN in a set of capabilities."""
_SHORTEST, _LONGEST = 0.1, 10.0
"""Seconds between two starts of a program that has ended by itself."""


class Wanted(NamedTuple):
    """What a guard is started with."""

    bridge: Bridge
    ports: Sequence[Port]
    life: int
    """A pipe's end: when the other has no holder, it is over."""
    folder: str
    """For sockets and what is said."""
    fds: Mapping[str, int] = {}
    """The namespaces of a network that is there and has lost its guard; empty: it is made."""


class Guard(NamedTuple):
    """A network that works."""

    pid: int
    fds: Mapping[str, int]
    """Of its namespaces, by name; `rights` is that of users in which its program runs."""


def start_guard(wanted: Wanted) -> Guard:
    """Make a network, and connect it.

    Raises:
        EngineError: the kernel refuses it, or the program did not start; says why.
    """
    ours, theirs = _socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _be_guard(wanted, theirs)
    theirs.close()
    said, fds = _receive(ours)
    ours.close()
    if said == b"ready" and len(fds) == len(_NAMES):
        return Guard(pid, dict(zip(_NAMES, fds, strict=True)))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise EngineError(
        f"`{wanted.bridge.program}` did not connect a network of the container's own",
        hints=("`--network host` needs no help", "`shipway doctor` says what this host refuses"),
        detail=said.decode("utf-8", "replace"),
    )


def count_restarts(folder: str) -> int:
    """How often the program had to be started again."""
    try:
        return os.path.getsize(f"{folder}/restarts")
    except FileNotFoundError:
        return 0


def _receive(connection: _socket.socket) -> tuple[bytes, list[int]]:
    message, ancillary, _, _ = connection.recvmsg(
        4096, _socket.CMSG_SPACE(4 * len(_NAMES)), _socket.MSG_CMSG_CLOEXEC
    )
    fds = [
        int.from_bytes(data[at : at + 4], "little")
        for _, _, data in ancillary
        for at in range(0, len(data) - 3, 4)
    ]
    return message, fds


def _send(connection: _socket.socket, message: bytes, fds: Sequence[int]) -> None:
    rights = b"".join(fd.to_bytes(4, "little") for fd in fds)
    connection.sendmsg([message], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])


def make_network() -> dict[str, int]:
    """A new network in a new user namespace that has the caller's one id, loopback up: descriptors of both.

    Raises:
        EngineError: the kernel refuses.
    """
    ours, theirs = _socket.socketpair()
    pid = os.fork()
    if pid == 0:
        _be_maker(theirs)
    theirs.close()
    message, fds = _receive(ours)
    ours.close()
    os.waitpid(pid, 0)
    if len(fds) != 2:  # noqa: PLR2004 - the two that are sent
        raise EngineError(f"its namespace is refused: {message.decode('utf-8', 'replace')}")
    return dict(zip(("user", "net"), fds, strict=True))


def _be_maker(connection: _socket.socket) -> NoReturn:
    from shipway.sandbox import syscalls  # noqa: PLC0415 - only where a network is made
    from shipway.sandbox.init import bring_loopback_up  # noqa: PLC0415
    from shipway.sandbox.outside import write_id_maps  # noqa: PLC0415

    try:
        uid, gid = os.geteuid(), os.getegid()
        syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNET)
        write_id_maps(uid, gid, as_root=False)
        bring_loopback_up()
        _send(
            connection, b"made", [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in ("user", "net")]
        )
    except BaseException as problem:  # noqa: BLE001 - told; this fork must not return into the caller's code
        connection.sendall(str(problem).encode()[:500])
    finally:
        os._exit(0)


def _be_guard(wanted: Wanted, tell: _socket.socket) -> NoReturn:
    """Make the namespaces, start the keeper, and end with it."""
    from shipway.sandbox import syscalls  # noqa: PLC0415 - only where a network is made

    try:
        _settle_in(wanted, tell.fileno())
        _gain_rights(wanted.fds)
        fds = {name: wanted.fds[name] for name in ("user", "net")} if wanted.fds else make_network()
        syscalls.unshare(syscalls.CLONE_NEWPID)
        alive, alive_writer = os.pipe2(os.O_CLOEXEC)
        keeper = os.fork()
        if keeper == 0:
            os.close(alive_writer)
            _be_keeper(wanted, fds, tell, alive)
        tell.close()
        for fd in (*fds.values(), alive):
            os.close(fd)
        os.waitpid(keeper, 0)
        _remove(wanted.folder)  # whoever made it may have been killed
    except BaseException as problem:  # noqa: BLE001 - told; this fork must not return into the caller's code
        with contextlib.suppress(OSError):
            tell.sendall(str(problem).encode()[:1000])
    finally:
        os._exit(0)


def _remove(folder: str) -> None:
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            os.unlink(f"{folder}/{name}")
        os.rmdir(folder)


def _settle_in(wanted: Wanted, tell: int) -> None:
    """A session of its own, and nothing of the caller's but what is needed."""
    from shipway.sandbox.process import close_all_but  # noqa: PLC0415 - only where a network is made

    os.setsid()
    with open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(GUARD_NAME)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    errors = os.open(f"{wanted.folder}/errors", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    for number, fd in ((0, null), (1, errors), (2, errors)):
        os.dup2(fd, number)
    close_all_but({0, 1, 2, wanted.life, tell, *wanted.fds.values()})


def _gain_rights(there: Mapping[str, int]) -> None:
    """Who is not the machine's administrator makes a process namespace in a user namespace only; the network's is below it."""
    from shipway.sandbox import syscalls  # noqa: PLC0415 - as above
    from shipway.sandbox.outside import write_id_maps  # noqa: PLC0415

    if syscalls.permitted_capabilities() & _SYS_ADMIN:
        return
    if there:
        syscalls.setns(there["rights"], syscalls.CLONE_NEWUSER)
        return
    uid, gid = os.geteuid(), os.getegid()
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    write_id_maps(uid, gid, as_root=False)


def _be_keeper(wanted: Wanted, fds: Mapping[str, int], tell: _socket.socket, alive: int) -> NoReturn:
    """Start the program, say that it works, and start it again when it ends, until nobody wants it any more."""
    try:
        program = _start_program(wanted, fds)
        rights = os.open("/proc/self/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        _send(tell, b"ready", [fds["user"], fds["net"], rights])
        tell.close()
        _keep(wanted, fds, program, alive)
    except BaseException as problem:  # noqa: BLE001 - as above
        with (
            open(f"{wanted.folder}/errors", encoding="utf-8", errors="replace") as file,
            contextlib.suppress(OSError),
        ):
            tell.sendall((own_words(file.read()) or str(problem)).encode())
    finally:
        os._exit(0)  # and with the first process of its namespace, all others


def _keep(wanted: Wanted, fds: Mapping[str, int], program: int, alive: int) -> None:
    pause = _SHORTEST
    while True:
        watched = os.pidfd_open(program)
        over = _await((wanted.life, alive, watched), None)
        os.close(watched)
        if over & {wanted.life, alive}:
            return
        with contextlib.suppress(ChildProcessError):
            os.waitpid(program, 0)
        while True:
            if _await((wanted.life, alive), pause):
                return
            pause = min(pause * 2, _LONGEST)
            with open(f"{wanted.folder}/restarts", "ab") as file:
                file.write(b".")
            with contextlib.suppress(EngineError, OSError):
                program = _start_program(wanted, fds)
                break


def _await(fds: Sequence[int], seconds: float | None) -> set[int]:
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return {fd for fd, _ in poll.poll(None if seconds is None else seconds * 1000)}


def _start_program(wanted: Wanted, fds: Mapping[str, int]) -> int:
    """Start it, and wait until it works; its process id.

    Raises:
        EngineError: it ended instead, or takes too long.
    """
    if wanted.bridge.program == SLIRP:
        return _start_slirp(wanted, fds)
    words = render_pasta(wanted.bridge.path, wanted.ports, fds, folder=wanted.folder, root=os.geteuid() == 0)
    first = _spawn(words, fds.values())
    watched = os.pidfd_open(first)
    ended = _await((watched,), _PATIENCE)
    os.close(watched)
    if not ended:
        os.kill(first, signal.SIGKILL)
    _, status = os.waitpid(first, 0)
    if status:
        raise EngineError(
            "it takes too long" if not ended else f"it ended with {os.waitstatus_to_exitcode(status)}"
        )
    with open(f"{wanted.folder}/pid", encoding="ascii") as file:
        return int(file.read())


def _start_slirp(wanted: Wanted, fds: Mapping[str, int]) -> int:
    ready, ready_writer = os.pipe()
    api = f"{wanted.folder}/api"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(api)
    words = render_slirp(wanted.bridge.path, fds, folder=wanted.folder, ready=ready_writer)
    program = _spawn(words, (*fds.values(), ready_writer))
    os.close(ready_writer)
    try:
        _await_slirp(ready)
        for port in wanted.ports:
            _forward(api, port)
    except BaseException:
        os.kill(program, signal.SIGKILL)
        os.waitpid(program, 0)
        raise
    finally:
        os.close(ready)
    return program


def _await_slirp(ready: int) -> None:
    if not _await((ready,), _PATIENCE) or not os.read(ready, 1):
        raise EngineError("it ended before the network was there")


def _spawn(words: list[str], fds: Iterable[int]) -> int:
    from shipway.sandbox.process import default_signals, restore_signals  # noqa: PLC0415 - as above

    pid = os.fork()
    if pid == 0:
        try:
            for fd in fds:
                os.set_inheritable(fd, True)
            default_signals()
            restore_signals(())
            os.execv(words[0], words)  # noqa: S606 - an absolute path
        finally:
            os._exit(127)
    return pid


def _forward(api: str, port: Port) -> None:
    """Ask slirp4netns to show one port.

    Raises:
        EngineError: it does not.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(api)
        connection.sendall(render_forward(port))
        answer = connection.recv(4096)
    if b'"error"' in answer:
        raise EngineError(f"port {port.host}: {shown(answer.decode('utf-8', 'replace'))}")
