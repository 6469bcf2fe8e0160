"""Which way of isolation a request gets: the best one the host allows, asked of the host and not guessed."""

from __future__ import annotations

import os

from .fallback import find_proot
from .model import CHROOT, MOUNTS, NAMESPACES, PROOT, Bind, SandboxFailure, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .model import Request
    from .probe import Features

REFUSED_STEPS = frozenset({"namespaces", "mounts"})
"""Set-up steps after whose failure nothing has run yet and another way may work."""


class Choice(Value):
    """What to use on this host. `needs_merged_root`: no overlay here, the caller must merge the lowers into one tree."""

    __slots__ = ("mode", "needs_merged_root", "reason")

    def __init__(self, mode: str, *, needs_merged_root: bool, reason: str = ""):
        """`reason`: why it is not the best way; '' if it is."""
        self.mode = mode
        self.needs_merged_root = needs_merged_root
        self.reason = reason


def choose_mode(features: Features, *, uid: int | None = None) -> Choice:
    """The way for user `uid` (default: ours) on a host with `features`. Raises `SandboxFailure` where there is none."""
    root = (os.geteuid() if uid is None else uid) == 0
    if features.ok("userns"):
        reason = features.reason("overlay_userns")
        return Choice(
            NAMESPACES,
            needs_merged_root=bool(reason),
            reason=reason and f"overlay mounts are refused: {reason}",
        )
    refused = f"user namespaces are refused: {features.reason('userns')}"
    if root and features.ok("mount"):
        return Choice(MOUNTS, needs_merged_root=not features.ok("overlay"), reason=refused)
    if root and features.ok("chroot"):
        return Choice(CHROOT, needs_merged_root=True, reason=refused)
    if features.ok("proot"):
        return Choice(PROOT, needs_merged_root=True, reason=refused)
    raise SandboxFailure(
        f"no way to isolate is left here: {refused}; PRoot: {features.reason('proot')}", step="namespaces"
    )


def plan_modes(request: Request) -> list[str]:
    """The modes to try for `request`, best first."""
    if request.mode != "auto":
        return [request.mode]
    if request.join:
        return [NAMESPACES]
    root = os.geteuid() == 0
    modes = [NAMESPACES, MOUNTS] if root else [NAMESPACES]
    if request.merged_root is None:
        return modes
    # chroot shows host directories as copies: where something is to be written to the host, PRoot is the better way.
    writes = any(isinstance(op, Bind) and not op.read_only for op in request.ops)
    proot = [PROOT] if find_proot() is not None else []
    if not root:
        return [*modes, *proot]
    return [*modes, *proot, CHROOT] if writes else [*modes, CHROOT]
