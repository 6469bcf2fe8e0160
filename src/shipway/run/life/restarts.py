"""When a container is started again, and how soon (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shipway.run.model import Restart

_FIRST, _LONGEST = 0.1, 60.0
_SETTLED = 10.0
"""Seconds after which a run counts as one that worked."""


def wants_restart(policy: Restart, code: int, restarts: int) -> bool:
    """Whether `policy` asks for another start after an end with `code` that nobody asked for."""
    if policy.kind in ("always", "unless-stopped"):
        return True
    return policy.kind == "on-failure" and code != 0 and (not policy.most or restarts < policy.most)


def next_delay(last: float, lasted: float) -> float:
    """Seconds to wait: 0.1 at first, then twice as long each time, a minute at most; 0.1 again after a run that worked.

    `last`: what was waited before the run that has just ended, which lasted so many seconds.
    """
    if not last or lasted >= _SETTLED:
        return _FIRST
    return min(last * 2, _LONGEST)
