"""`port`: which ports of a container the host shows, whether anything listens there, and who reaches it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import NotFound
from shipway.core.text import shown
from shipway.run.life import client
from shipway.run.life.beside import explain_container
from shipway.run.life.lives import life_of
from shipway.run.life.processes import has_own_network
from shipway.run.model import Port
from shipway.run.network.ports import find_listeners, is_loopback, render_firewall_rules
from shipway.verbs.containers import find_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.run.life.model import Container
    from shipway.run.life.processes import Process
    from shipway.verbs.context import Task

__all__ = ["Port", "PortsResult", "Shown", "list_ports"]
_PORT = re.compile(r"\d+(/tcp|/udp)?\Z", re.ASCII)


class Shown(NamedTuple):
    """One port of a container."""

    port: Port
    """With its number and its address on this machine."""
    listening: bool
    """Something inside listens at the container's port."""
    program: str
    """Which, where the caller may see it."""
    open: bool
    """This machine's port takes connections."""

    @property
    def local(self) -> bool:
        """Whether only this machine reaches it."""
        return is_loopback(self.port.address)

    @property
    def rules(self) -> tuple[str, ...]:
        """What would let it through a firewall; nothing where no other machine may ask."""
        return () if self.local else render_firewall_rules(self.port.host, self.port.protocol)


class PortsResult(NamedTuple):
    """The ports of one container."""

    container: Container
    shared: bool
    """Its network is this machine's, so what listens is shown by itself."""
    ports: tuple[Shown, ...]
    lost: str = ""
    """That the container has ended whose network it shares, and what to do."""


def list_ports(words: Sequence[str], task: Task) -> PortsResult:
    """Of the container that the first word names, or the project's own; with a port (`8000`, `53/udp`), only that one.

    Raises:
        NotFound: there is no such container, or it does not show that port.
        EngineError: it does not run.
    """
    name, wanted = _read_words(words)
    container = find_named(name, task).container
    client.require_running(container)
    processes = life_of(container.engine).processes(container)
    mapped = container.status.ports
    shared = not mapped and not any(has_own_network(one.pid) for one in processes[:1])
    found = _own_listeners(processes) if shared else _look_inside(mapped, processes)
    chosen = tuple(one for one in found if wanted in ("", _called(one.port), str(one.port.container)))
    if wanted and not chosen:
        raise NotFound(
            f"`{shown(container.name)}` shows no port {wanted}",
            hints=(f"`shipway port {container.name}` lists those that there are",),
        )
    return PortsResult(container, shared, chosen, explain_container(container))


def _read_words(words: Sequence[str]) -> tuple[str, str]:
    if words and _PORT.match(words[-1]):
        return (words[0] if len(words) > 1 else ""), words[-1].removesuffix("/tcp")
    return (words[0] if words else ""), ""


def _called(port: Port) -> str:
    return f"{port.container}/{port.protocol}"


def _own_listeners(processes: Sequence[Process]) -> tuple[Shown, ...]:
    """What the container's processes listen at, in this machine's own network."""
    pids = {one.pid for one in processes}
    listeners = [one for protocol in ("tcp", "udp") for one in find_listeners(0, protocol) if one.pid in pids]
    return tuple(
        Shown(Port(one.port, one.port, one.address, one.protocol), True, one.program, True)
        for one in sorted(listeners, key=lambda one: (one.port, one.protocol, one.address))
    )


def _look_inside(ports: Sequence[Port], processes: Sequence[Process]) -> tuple[Shown, ...]:
    network = str(processes[0].pid) if processes else ""
    found = []
    for port in ports:
        inside = find_listeners(port.container, port.protocol, network=network) if network else ()
        outside = find_listeners(port.host, port.protocol)
        program = next((one.program for one in inside if one.program), "")
        found.append(Shown(port, bool(inside), program, bool(outside)))
    return tuple(found)
