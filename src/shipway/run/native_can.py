"""What our own engine can do of a request, told before anything is made."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError
from shipway.core.text import shown

if TYPE_CHECKING:
    from shipway.run.model import RunRequest, Ulimit

_SYS_RESOURCE = 24
"""Number of the capability (capability.h)."""
_OTHERS = "use `--engine docker` or `--engine podman`"


def require_possible(request: RunRequest) -> None:
    """Make sure that our own engine can do all of `request` for this caller.

    Raises:
        EngineError: it cannot; says what, and why.
    """
    if request.gpus:
        raise EngineError(
            f"the native engine hands out no GPUs yet, so `--gpus {shown(request.gpus)}` would be without effect",
            hints=(_OTHERS, "leave `--gpus` out, or write `--gpus none`"),
        )
    if request.user:
        _require_user(request)
    _require_groups(request)
    for limit in request.ulimits:
        _require_limit(limit)


def _require_user(request: RunRequest) -> None:
    account = request.account
    uid, gid = os.getuid(), os.getgid()
    if account.uid == 0 and account.gid in (0, gid):
        return
    if account.uid != uid:
        raise EngineError(
            f"the native engine cannot run anything as user {account.uid}: without rights, the kernel gives a container one "
            f"user, and that is you ({uid})",
            hints=(
                "leave `--user` out: files belong to you",
                "`--user root` makes you root inside, with no more rights than you have",
                _OTHERS,
            ),
        )
    if account.gid != gid:
        raise EngineError(
            f"the native engine cannot make group {account.gid} the main one: without rights, the kernel gives a container one "
            f"group, and that is yours ({gid})",
            hints=(
                f"write `--user {uid}`; the groups that you are in stay in force inside",
                "or start it with that group: `newgrp`, or `sg GROUP -c '…'`",
            ),
        )


def _require_groups(request: RunRequest) -> None:
    own = {os.getgid(), *os.getgroups()} if request.groups else set()
    for group in request.groups:
        if group not in own:
            raise EngineError(
                f"you are not in group {group}, and the native engine gives nobody a right that they do not have",
                hints=("the groups that you are in are in force inside without being asked for", _OTHERS),
            )


def _require_limit(limit: Ulimit) -> None:
    import resource  # noqa: PLC0415 - only where limits are asked for

    number = getattr(resource, f"RLIMIT_{limit.name.upper()}")
    _, highest = resource.getrlimit(number)
    wanted = limit.hard
    if highest == -1 or 0 <= wanted <= highest or _may_raise():
        return
    said = f"{limit.name}={limit.soft}" + (f":{wanted}" if wanted != limit.soft else "")
    raise EngineError(
        f"`--ulimit {said}` is above what you may have: {highest}, your own hard limit",
        hints=(
            f"`--ulimit {limit.name}={highest}` is the most",
            "an administrator raises it in `/etc/security/limits.conf`",
            _OTHERS,
        ),
    )


def _may_raise() -> bool:
    """Whether hard limits are none for this process (CAP_SYS_RESOURCE), as for root outside of containers."""
    with open("/proc/self/status", encoding="utf-8") as file:
        effective = next((int(line.split()[1], 16) for line in file if line.startswith("CapEff:")), 0)
    return bool(effective >> _SYS_RESOURCE & 1)
