"""What every verb is told: which folder, which target, and who listens."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from shipway.core.errors import ExitCode, ToolError
from shipway.core.events import Emit, silent


class LockMode(StrEnum):
    """What a stale lock means."""

    UPDATE = "update"
    """It is made anew."""
    TRIAL = "trial"
    """It is made anew for this one command, and not written: what a dry run asks for."""
    LOCKED = "locked"
    """It is an error."""
    FROZEN = "frozen"
    """It is used as it is; the spec's wishes are not looked at."""


class Task(NamedTuple):
    """One call of a verb that works on a project. A tuple, for a run with nothing to do passes here."""

    directory: str = ""
    """Where to look for the project; empty: the current folder."""
    target: str = ""
    """Empty: the spec's default."""
    platform: str = ""
    """Empty: this machine's."""
    offline: bool = False
    mode: LockMode = LockMode.UPDATE
    repair: bool = False
    vendor: str = ""
    """A folder or bundle to take artifacts from first; empty: the spec's, if it names one."""
    emit: Emit = silent


def host_platform() -> str:
    """The platform of this machine.

    Raises:
        ToolError: neither x86-64 nor arm64.
    """
    import os

    from shipway.core.platform import platform_of_machine

    machine = os.uname().machine
    platform = platform_of_machine(machine)
    if platform is None:
        raise ToolError(
            f"this machine (`{machine}`) has no native engine",
            hints=["use a machine with an x86-64 or arm64 processor"],
            code=ExitCode.SANDBOX,
        )
    return platform
