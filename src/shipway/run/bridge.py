"""A network of a container's own with a way out, and its ports on the host, by `pasta` or `slirp4netns`: neither needs rights.

    caller ── guard ── pasta or slirp4netns
       └ a descriptor: when its last holder has gone, the guard ends the program

The namespace is made first, by a process that only does that, in a user namespace that the container joins; so the network is
there before the command starts. The host's loopback cannot be reached from inside, and ports are shown on the host's loopback
unless an address was named.
"""

from __future__ import annotations

import _socket
import contextlib
import json
import os
import select
import signal
import socket
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from shipway.core.errors import EngineError
from shipway.core.text import shown
from shipway.host.proc import find_tool
from shipway.run.model import HostFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shipway.run.model import Port, RunRequest

PROGRAMS = ("pasta", "slirp4netns")
"""In the order in which they are taken."""
_NAMES = {"pasta": "169.254.1.1", "slirp4netns": "10.0.2.3"}
"""Where each answers for the host's name servers."""
_PATIENCE = 10.0
_ADDRESS_IN_USE = 98


class Bridge(NamedTuple):
    """What serves a network."""

    program: str
    """As in `PROGRAMS`."""
    path: str


def find_bridge() -> Bridge | None:
    """The program that is here, if any is."""
    for name in PROGRAMS:
        path = find_tool(name)
        if path is not None:
            return Bridge(name, path)
    return None


@contextlib.contextmanager
def opened_bridge(request: RunRequest) -> Iterator[tuple[RunRequest, Mapping[str, int]]]:
    """A network for `request`, which then knows its name server; descriptors of the namespaces to join.

    Raises:
        EngineError: no program is here, a port is taken, or the kernel refuses.
    """
    bridge = find_bridge()
    if bridge is None:
        raise EngineError(
            "A network of the container's own needs `pasta` or `slirp4netns`, and neither is installed here",
            hints=(
                "install the package `passt` or `slirp4netns`",
                "`--network host` shows every port of the container on this machine",
            ),
        )
    ports = tuple(_settled(port) for port in request.ports)
    fds = make_network()
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        with tempfile.TemporaryDirectory(prefix="shipway-net-") as folder:
            guard = _start_guard(bridge, ports, fds, reader, folder)
            try:
                yield _with_names(request._replace(ports=ports), _NAMES[bridge.program]), fds
            finally:
                os.close(writer)
                os.waitpid(guard, 0)
    finally:
        os.close(reader)
        for fd in fds.values():
            os.close(fd)


def _settled(port: Port) -> Port:
    """The port with a number on the host that is free now.

    Raises:
        EngineError: it is taken.
    """
    kind = socket.SOCK_STREAM if port.protocol == "tcp" else socket.SOCK_DGRAM
    family = socket.AF_INET6 if ":" in port.address else socket.AF_INET
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.address, port.host))
        except OSError as problem:
            taken = problem.errno == _ADDRESS_IN_USE
            why = "another program listens there" if taken else problem.strerror or ""
            raise EngineError(
                f"Port {port.host} of {port.address} cannot be the container's port {port.container}: {why}",
                hints=(
                    f"take another one: `-p {port.host + 1}:{port.container}`, or any free one: `-p {port.container}`",
                    f"`ss -lptn 'sport = :{port.host}'` shows who has it",
                ),
            ) from problem
        return port._replace(host=probe.getsockname()[1])


def _with_names(request: RunRequest, server: str) -> RunRequest:
    """A host's name server on loopback cannot be reached from a network of one's own, so the program's own is named."""
    files = []
    for file in request.files:
        if file.path == "etc/resolv.conf":
            lines = [
                line
                for line in file.data.decode("utf-8", "replace").splitlines()
                if not line.startswith("nameserver")
            ]
            text = "\n".join([f"nameserver {server}", *lines]) + "\n"
            files.append(HostFile(file.path, text.encode(), file.mode))
        else:
            files.append(file)
    return request._replace(files=tuple(files))


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
    message, ancillary, _, _ = ours.recvmsg(512, _socket.CMSG_SPACE(8), _socket.MSG_CMSG_CLOEXEC)
    ours.close()
    os.waitpid(pid, 0)
    fds = [
        int.from_bytes(data[at : at + 4], "little")
        for _, _, data in ancillary
        for at in range(0, len(data) - 3, 4)
    ]
    if len(fds) != 2:  # noqa: PLR2004 - the two that are sent
        raise EngineError(
            f"A network of the container's own cannot be made here: {message.decode('utf-8', 'replace')}",
            hints=("use `--network host`", "`shipway doctor` says what this host refuses"),
        )
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
        fds = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in ("user", "net")]
        rights = b"".join(fd.to_bytes(4, "little") for fd in fds)
        connection.sendmsg([b"made"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
    except BaseException as problem:  # noqa: BLE001 - told; this fork must not return into the caller's code
        connection.sendall(str(problem).encode()[:500])
    finally:
        os._exit(0)


def _start_guard(
    bridge: Bridge, ports: Sequence[Port], fds: Mapping[str, int], life: int, folder: str
) -> int:
    """Fork the guard and wait until the network works; the guard's process id.

    Raises:
        EngineError: the program did not start; says its own words.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _be_guard(bridge, ports, fds, life, writer, folder)
    os.close(writer)
    with open(reader, "rb") as file:
        said = file.read(4096)
    if said.startswith(b"ready"):
        return pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise EngineError(
        f"`{bridge.program}` did not connect the container's network",
        hints=("use `--network host`, or `--engine docker`",),
        detail=said.decode("utf-8", "replace"),
    )


def _be_guard(
    bridge: Bridge, ports: Sequence[Port], fds: Mapping[str, int], life: int, tell: int, folder: str
) -> NoReturn:
    """Start the program, say that it works, and end it when nobody holds the other side of `life` any more."""
    from shipway.sandbox.process import close_all_but, default_signals, restore_signals  # noqa: PLC0415

    program = 0
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        null = os.open(os.devnull, os.O_RDWR)
        errors = os.open(f"{folder}/errors", os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.dup2(errors, 2)
        close_all_but({0, 1, 2, life, tell, *fds.values()})
        ready, ready_writer = os.pipe()
        program = os.fork()
        if program == 0:
            for fd in (*fds.values(), ready_writer):
                os.set_inheritable(fd, True)
            default_signals()
            restore_signals(())
            words = render_words(bridge, ports, fds, ready=ready_writer, folder=folder)
            os.execv(bridge.path, words)  # noqa: S606 - an absolute path
        os.close(ready_writer)
        _await_ready(bridge, ports, program, ready, folder)
        os.write(tell, b"ready")
        os.close(tell)
        _await_end(life, program)
    except BaseException as problem:  # noqa: BLE001 - told; this fork must not return into the caller's code
        with contextlib.suppress(OSError), open(f"{folder}/errors", "rb") as file:
            os.write(tell, file.read(2000) + str(problem).encode())
    finally:
        if program > 0:
            with contextlib.suppress(ProcessLookupError):
                os.kill(program, signal.SIGKILL)
        os._exit(0)


def _await_end(life: int, program: int) -> None:
    """Until `life` ends, or the program does."""
    watched = os.pidfd_open(program)
    poll = select.poll()
    for fd in (life, watched):
        poll.register(fd, select.POLLIN)
    poll.poll()


def render_words(
    bridge: Bridge, ports: Sequence[Port], fds: Mapping[str, int], *, ready: int, folder: str
) -> list[str]:
    """The program's command line (pasta(1), slirp4netns(1))."""
    user, net = (f"/proc/self/fd/{fds[name]}" for name in ("user", "net"))
    if bridge.program == "slirp4netns":
        words = [
            "--configure",
            "--mtu=65520",
            "--disable-host-loopback",
            "--enable-ipv6",
            f"--ready-fd={ready}",
        ]
        return [
            bridge.path, *words, f"--api-socket={folder}/api", f"--userns-path={user}", "--netns-type=path", net, "tap0",
        ]  # fmt: skip
    shown_ports = {
        kind: [f"{port.address}/{port.host}:{port.container}" for port in ports if port.protocol == protocol]
        for kind, protocol in (("-t", "tcp"), ("-u", "udp"))
    }
    forwarded = [word for kind, texts in shown_ports.items() for word in (kind, ",".join(texts) or "none")]
    root = ["--runas", "0:0"] if os.geteuid() == 0 else []
    return [
        bridge.path, "--foreground", "--quiet", "--config-net", "--no-map-gw", *root, *forwarded, "-T", "none", "-U", "none",
        "--dns-forward", _NAMES["pasta"], "--userns", user, "--netns", net,
    ]  # fmt: skip


def _await_ready(bridge: Bridge, ports: Sequence[Port], program: int, ready: int, folder: str) -> None:
    """Until the program has connected the network and shows the ports.

    Raises:
        EngineError: it ended instead, or takes too long.
    """
    if bridge.program == "slirp4netns":
        if not select.select([ready], [], [], _PATIENCE)[0] or not os.read(ready, 1):
            raise EngineError("it ended before the network was there")
        for port in ports:
            _forward(f"{folder}/api", port)
        return
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if os.waitpid(program, os.WNOHANG)[0]:
            raise EngineError("it ended before the network was there")
        if _has_route(program):
            return
        time.sleep(0.005)
    raise EngineError("it takes too long")


def _has_route(program: int) -> bool:
    """Whether the network of process `program`, which has entered the namespace, has a way out (proc(5), net/route)."""
    with contextlib.suppress(OSError), open(f"/proc/{program}/net/route", encoding="ascii") as file:
        lines = file.read().splitlines()[1:]
        return any(line.split()[1] == "00000000" for line in lines)
    return False


def _forward(api: str, port: Port) -> None:
    """Ask slirp4netns to show one port (its API socket)."""
    asked = {
        "execute": "add_hostfwd",
        "arguments": {
            "proto": port.protocol,
            "host_addr": port.address,
            "host_port": port.host,
            "guest_port": port.container,
        },
    }
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(api)
        connection.sendall(json.dumps(asked).encode())
        answer = connection.recv(4096)
    if b'"error"' in answer:
        raise EngineError(f"port {port.host}: {shown(answer.decode('utf-8', 'replace'))}")
