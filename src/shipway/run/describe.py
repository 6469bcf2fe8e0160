"""A run in words, for `explain` and `--dry-run` (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.text import shown
from shipway.core.units import render_size
from shipway.run.combined import describe_memory
from shipway.run.model import Network, Top

if TYPE_CHECKING:
    from shipway.run.model import Limits, Port, RunRequest


def describe_run(request: RunRequest, *, lasting: bool = False) -> tuple[str, ...]:
    """The run in words, a line per fact. Values of variables are left out: some are secrets. `lasting`: it lives on."""
    account = request.account
    tops = {
        Top.THROWN_AWAY: "kept with the container" if lasting else "thrown away",
        Top.KEPT: f"kept as `{request.keep}`",
        Top.READ_ONLY: "none, read-only",
    }
    limits = describe_limits(request.limits)
    return (
        f"command    {' '.join(shown(word) for word in request.argv)}",
        f"directory  {shown(request.cwd)}",
        f"user       {account.name} ({account.uid}:{account.gid} {account.group}), home {account.home}, shell {account.shell}",
        f"host name  {request.hostname}",
        f"network    {_describe_network(request)}",
        *(f"port       {describe_port(port)}" for port in request.ports),
        *_describe_spaces(request),
        f"trees      {len(request.lowers)}, read-only",
        f"writes     {tops[request.top]}",
        f"shared     {_describe_shared(request)}",
        f"limits     {limits or 'none'}",
        *(
            f"mount      {shown(m.source)} at {shown(m.target)}{', read-only' if m.read_only else ''}"
            for m in request.mounts
        ),
        *(
            f"in memory  {shown(one.target)}, {render_size(one.size) if one.size else 'half of the memory'} at most"
            for one in request.tmpfs
        ),
        f"variables  {' '.join(shown(name) for name, _ in request.env)}",
    )


def describe_limits(limits: Limits) -> str:
    """The limits in words, with the swap that they leave; empty where there are none."""
    words = (
        describe_memory(limits) if limits.memory is not None else "",
        f"{limits.cpus:g} CPUs" if limits.cpus is not None else "",
        f"only CPUs {limits.cpuset}" if limits.cpuset else "",
        f"weight {limits.cpu_shares} beside others' 1024" if limits.cpu_shares is not None else "",
        f"{limits.pids} processes" if limits.pids is not None else "",
    )
    return ", ".join(word for word in words if word)


def describe_port(port: Port) -> str:
    """A port as both sides know it."""
    where = f"[{port.address}]" if ":" in port.address else port.address
    number = port.host or "any free port"
    reach = " (this machine only)" if port.address in ("127.0.0.1", "::1") else ""
    return f"{where}:{number} is {port.container}/{port.protocol} inside{reach}"


def _describe_network(request: RunRequest) -> str:
    if request.beside:
        return f"that of `{request.beside}`"
    return {Network.HOST: "the host's", Network.NONE: "none", Network.BRIDGE: "its own, with a way out"}[
        request.network
    ]


def _describe_shared(request: RunRequest) -> str:
    if request.ipc_space:
        return f"that of {_owner(request.ipc_space)}"
    return f"{render_size(request.shm_size)} at /dev/shm, at most"


def _describe_spaces(request: RunRequest) -> tuple[str, ...]:
    lines = (
        f"processes  those of {_owner(request.pid_space)}" if request.pid_space else "",
        f"GPUs       {request.gpus}" if request.gpus else "",
        f"screen     {request.display}" if request.display else "",
        f"groups     {' '.join(map(str, request.groups))}" if request.groups else "",
        *(f"ulimit     {u.name} {_bound(u.soft)}, hard {_bound(u.hard)}" for u in request.ulimits),
    )
    return tuple(line for line in lines if line)


def _owner(space: str) -> str:
    return "the host" if space == "host" else f"`{space.partition(':')[2]}`"


def _bound(value: int) -> str:
    return "unlimited" if value == -1 else str(value)
