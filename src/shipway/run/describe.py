"""A run in words, for `explain` and `--dry-run` (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.text import shown
from shipway.core.units import render_size
from shipway.run.model import Network, Top

if TYPE_CHECKING:
    from shipway.run.model import Limits, RunRequest


def describe_run(request: RunRequest) -> tuple[str, ...]:
    """The run in words, a line per fact, for `explain` and `--dry-run`. Values of variables are left out: some are secrets."""
    account = request.account
    tops = {
        Top.THROWN_AWAY: "thrown away",
        Top.KEPT: f"kept as `{request.keep}`",
        Top.READ_ONLY: "none, read-only",
    }
    network = "the host's" if request.network is Network.HOST else "none"
    limits = _describe_limits(request.limits)
    return (
        f"command    {' '.join(shown(word) for word in request.argv)}",
        f"directory  {shown(request.cwd)}",
        f"user       {account.name} ({account.uid}:{account.gid} {account.group}), home {account.home}, shell {account.shell}",
        f"host name  {request.hostname}",
        f"network    {network}",
        f"trees      {len(request.lowers)}, read-only",
        f"writes     {tops[request.top]}",
        f"shared     {render_size(request.shm_size)} at /dev/shm, at most",
        f"limits     {limits or 'none'}",
        *(
            f"mount      {shown(m.source)} at {shown(m.target)}{', read-only' if m.read_only else ''}"
            for m in request.mounts
        ),
        f"variables  {' '.join(shown(name) for name, _ in request.env)}",
    )


def _describe_limits(limits: Limits) -> str:
    words = (
        f"memory {render_size(limits.memory)}" if limits.memory is not None else "",
        f"{limits.cpus:g} CPUs" if limits.cpus is not None else "",
        f"{limits.pids} processes" if limits.pids is not None else "",
    )
    return ", ".join(word for word in words if word)
