"""A container's ports as text and JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipway.cli.console import render_table
from shipway.core.text import shown

if TYPE_CHECKING:
    from shipway.verbs.port import Port, PortsResult, Shown

_SENTENCE = 500


def render_ports(result: PortsResult) -> str:
    """A table; empty where there are none."""
    if not result.ports:
        return ""
    rows = [
        (
            f"{one.port.container}/{one.port.protocol}",
            address_of(one.port),
            _describe_listening(one),
            "this machine" if one.local else "others too",
        )
        for one in result.ports
    ]
    return render_table(("PORT", "ON THIS MACHINE", "LISTENS", "REACHED BY"), rows)


def describe_ways(result: PortsResult, host: str) -> str:
    """What to type to reach the ports from elsewhere."""
    if not result.ports:
        return _describe_none(result)
    lines = []
    numbers = [one.port.host for one in result.ports if one.local and one.port.protocol == "tcp"]
    if numbers:
        words = " ".join(f"-L {number}:127.0.0.1:{number}" for number in dict.fromkeys(numbers))
        lines.append(f"from another computer: `ssh {words} {shown(host)}`, then the same ports there")
    lines += [
        f"a firewall that keeps port {one.port.host} closed lets it through after `{one.rules[0]}` (ufw) or `{one.rules[1]}`"
        for one in result.ports
        if one.rules
    ]
    return "\n".join(dict.fromkeys(lines))


def _describe_none(result: PortsResult) -> str:
    name = shown(result.container.name)
    if result.lost:
        return shown(result.lost, _SENTENCE)
    if result.shared:
        return f"nothing in `{name}` listens; its network is this machine's, so nothing has to be shown once it does"
    return f"`{name}` shows no ports; `-p HOST:CONTAINER` does when it is made"


def _describe_listening(one: Shown) -> str:
    if one.listening:
        return shown(one.program) or "yes"
    return "no" if one.open else "no, and this machine's port is closed"


def address_of(port: Port) -> str:
    """`127.0.0.1:18888`, on the host."""
    return f"[{port.address}]:{port.host}" if ":" in port.address else f"{port.address}:{port.host}"


def ports_document(result: PortsResult) -> dict[str, Any]:
    """Numbers, and what was seen."""
    return {
        "container": result.container.name,
        "id": result.container.id,
        "shared_with_host": result.shared,
        "note": result.lost or None,
        "ports": [_document(one) for one in result.ports],
    }


def port_document(port: Port) -> dict[str, Any]:
    """Its number inside, and where the host shows it."""
    return {
        "container": port.container,
        "protocol": port.protocol,
        "address": port.address,
        "host": port.host,
    }


def _document(one: Shown) -> dict[str, Any]:
    return {
        **port_document(one.port),
        "listening": one.listening,
        "program": one.program or None,
        "open": one.open,
        "loopback": one.local,
        "firewall": list(one.rules),
    }
