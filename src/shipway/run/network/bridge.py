"""A network of a container's own with a way out, and its ports on the host, by `pasta` or `slirp4netns`: neither needs rights.

The network is made first, with a user namespace that the container joins; so it works before the command starts. The host's
loopback cannot be reached from inside, and ports are shown on the host's loopback unless an address was named.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError
from shipway.core.events import Note
from shipway.host.files import read_kernel, translating_disk_errors, write_atomic
from shipway.host.proc import find_tool
from shipway.run.life.model import NETWORK
from shipway.run.network.guard import Guard, Wanted
from shipway.run.network.ports import bound_socket, describe_listener, find_listeners, held_port, probe_port
from shipway.run.network.programs import (
    NAME_SERVERS,
    PASTA,
    Bridge,
    find_doubt,
    find_obstacle,
    has_default_route,
    order_programs,
    read_version,
    with_name_server,
)
from shipway.run.network.watch import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shipway.core.events import Emit
    from shipway.run.life.loop import Loop
    from shipway.run.model import Port, RunRequest

FOLDERS = "shipway-net-"
"""How folders for sockets begin; a container's own may be too long a path for one."""
TUN = "/dev/net/tun"
"""What both programs need."""


def list_bridges() -> tuple[Bridge, ...]:
    """The programs that are here, the one that fits this host best first."""
    routed = has_default_route(read_kernel("/proc/net/route"), read_kernel("/proc/net/ipv6_route"))
    found = ((name, find_tool(name)) for name in order_programs(routed=routed))
    return tuple(Bridge(name, path) for name, path in found if path is not None)


def tun_trouble(path: str = TUN) -> str:
    """Why the caller cannot make a network device, or empty."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except OSError as problem:
        return problem.strerror or "it cannot be opened"
    return ""


@contextlib.contextmanager
def opened_bridge(
    request: RunRequest, *, state: str, folder: str, emit: Emit, loop: Loop | None = None
) -> Iterator[tuple[RunRequest, Mapping[str, int]]]:
    """A network for `request`, which then knows its ports and its name server; descriptors of the namespaces to join.

    What it is stands in `folder`, the container's, as long as it is there. `loop`: notices when what keeps it up is killed, and
    has it started again.

    Raises:
        EngineError: no program is here, a port is taken, or the kernel refuses.
    """
    bridges = _require_bridges()
    with contextlib.ExitStack() as stack:
        ports = _settle(request, state, stack)
        bridge = _choose(bridges, ports, emit)
        own = stack.enter_context(tempfile.TemporaryDirectory(prefix=FOLDERS, ignore_cleanup_errors=True))
        network = stack.enter_context(_guarded(bridge, ports, own, emit))
        for asked, port in zip(request.ports, ports, strict=True):
            if not asked.host:
                emit(
                    Note(
                        f"port {port.container}/{port.protocol} is {port.host} of {port.address} on this machine"
                    )
                )
        record = f"{folder}/{NETWORK}"

        def note(guard: Guard | None) -> None:
            _forget(record) if guard is None else _write_record(record, bridge, ports, guard)

        note(network.first)
        stack.callback(_forget, record)
        if loop is not None:
            network.follow(loop, note)
        files = with_name_server(request.files, NAME_SERVERS[bridge.program])
        joined = {name: network.first.fds[name] for name in ("user", "net")}
        yield request._replace(ports=ports, files=files), joined


def read_record(folder: str) -> tuple[str, tuple[Port, ...]] | None:
    """The program and the ports of a container's network, or None where it has none now, or what kept it up was killed."""
    from shipway.run.model import Port  # noqa: PLC0415 - a value for whoever asks

    try:
        with open(f"{folder}/{NETWORK}", encoding="utf-8") as file:
            value = json.load(file)
        if value["started"] != _start_of(value["guard"]):
            return None
        return value["program"], tuple(Port(*port) for port in value["ports"])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _write_record(path: str, bridge: Bridge, ports: Sequence[Port], guard: Guard) -> None:
    value = {
        "program": bridge.program,
        "ports": ports,
        "guard": guard.pid,
        "started": _start_of(guard.pid),
    }
    with translating_disk_errors(f"write `{path}`"):
        write_atomic(path, json.dumps(value).encode())


def _start_of(pid: int) -> str:
    """When the process was started, in ticks after the boot (proc(5)): its number may be another's by now."""
    return read_kernel(f"/proc/{pid}/stat").rpartition(")")[2].split()[19]


def _forget(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _require_bridges() -> tuple[Bridge, ...]:
    bridges = list_bridges()
    if not bridges:
        raise EngineError(
            "a network of the container's own needs `pasta` or `slirp4netns`, and neither is installed here",
            hints=(
                "install the package `passt` or `slirp4netns`",
                "`--network host` shows every port of the container on this machine",
            ),
        )
    if trouble := tun_trouble():
        raise EngineError(
            f"a network of the container's own needs `{TUN}`: {trouble}",
            hints=(
                f"as administrator: `modprobe tun`, then `chmod 666 {TUN}`, which is what most systems have",
                "`--network host` shows every port of the container on this machine",
            ),
        )
    return bridges


def _choose(bridges: Sequence[Bridge], ports: Sequence[Port], emit: Emit) -> Bridge:
    """The first that can show all ports; one about which there is a doubt only where no other is.

    Raises:
        EngineError: none can.
    """
    able, obstacles = [], []
    for bridge in bridges:
        version = _read_version(bridge, ports)
        found = [text for port in ports if (text := find_obstacle(bridge.program, version, port))]
        doubts = [text for port in ports if (text := find_doubt(bridge.program, version, port))]
        if not found and not doubts:
            return bridge
        obstacles += found
        able += [] if found else [(bridge, doubts)]
    if not able:
        raise EngineError(
            f"a UDP port cannot be shown: {'; '.join(dict.fromkeys(obstacles))}",
            hints=(
                "show it by its own number: `-p 5353:5353/udp`",
                "a newer `passt` can, and so can `--engine docker`",
            ),
        )
    for doubt in able[0][1]:
        emit(Note(doubt, "warning"))
    return able[0][0]


def _read_version(bridge: Bridge, ports: Sequence[Port]) -> int:
    """Of pasta, where a port depends on it."""
    if bridge.program != PASTA or not any(
        find_obstacle(PASTA, 0, port) or find_doubt(PASTA, 0, port) for port in ports
    ):
        return 0
    from shipway.host.proc import Command, run  # noqa: PLC0415 - `subprocess`, which only such ports need

    return read_version(run(Command(argv=(bridge.path, "--version"))).text)


@contextlib.contextmanager
def _guarded(bridge: Bridge, ports: Sequence[Port], folder: str, emit: Emit) -> Iterator[Watched]:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        network = Watched(Wanted(bridge, ports, reader, folder))
    except BaseException:
        os.close(writer)
        os.close(reader)
        raise
    try:
        yield network
    finally:
        count = network.restarts
        lost = network.is_lost()
        os.close(writer)
        network.end()
        os.close(reader)
        network.close()
        if lost:
            emit(
                Note(
                    f"what kept the container's network up was killed before its end, and `{bridge.program}` with it",
                    "warning",
                )
            )
        if count:
            emit(
                Note(
                    f"`{bridge.program}` ended before the container and was started again, {count} times",
                    "warning",
                )
            )


def _settle(request: RunRequest, state: str, stack: contextlib.ExitStack) -> tuple[Port, ...]:
    """The ports with numbers on the host that are free now.

    Raises:
        EngineError: one is taken.
    """
    settled = []
    with contextlib.ExitStack() as bound:
        for port in request.ports:
            if (
                not port.host
                and port.protocol == "udp"
                and not probe_port(port.container, port.address, "udp")
            ):
                port = port._replace(host=port.container)  # noqa: PLW2901 - its own number, which every program can show
            elif not port.host:
                tool = f"port {port.container}/{port.protocol}"
                held = held_port(
                    state, project=request.project, tool=tool, address=port.address, protocol=port.protocol
                )
                port = port._replace(host=stack.enter_context(held))  # noqa: PLW2901 - the same one, with its number
            _require_free(port)
            bound.enter_context(bound_socket(port.host, port.address, port.protocol))
            settled.append(port)
    return tuple(settled)


def _require_free(port: Port) -> None:
    number = probe_port(port.host, port.address, port.protocol)
    if not number:
        return
    where = f"Port {port.host} of {port.address} cannot be the container's port {port.container}"
    if number == errno.EADDRINUSE:
        holders = find_listeners(port.host, port.protocol)
        who = describe_listener(holders[0]) if holders else "another program"
        raise EngineError(
            f"{where}: {who} listens there",
            hints=(
                f"take another one: `-p {port.host + 1}:{port.container}`, or any free one: `-p {port.container}`",
            ),
        )
    hints = [f"take another one: `-p {port.host + 10000}:{port.container}`"]
    if number == errno.EACCES:
        hints.append("ports below `/proc/sys/net/ipv4/ip_unprivileged_port_start` are for the administrator")
    raise EngineError(f"{where}: {os.strerror(number)}", hints=hints)
