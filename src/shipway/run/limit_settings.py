"""Limits as what is written to cgroups and told to systemd (pure).

Names and ranges: the kernel's admin-guide (`cgroup-v1/`, `cgroup-v2.rst`), systemd.resource-control(5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shipway.core.units import render_size
from shipway.run.option_words import list_cpus

if TYPE_CHECKING:
    from shipway.run.model import Limits

_PERIOD = 100_000
"""Microseconds over which CPU time is counted (the kernel's default)."""
_INFINITY = "18446744073709551615"
"""What systemd writes for no limit."""


class Setting(NamedTuple):
    """One value written to a file of a cgroup."""

    file: str
    value: str
    """Empty: what the parent's file says."""
    optional: bool = False
    """The kernel may lack the file (swap accounting)."""


def wanted_controllers(limits: Limits) -> set[str]:
    """The controllers without which `limits` cannot be enforced."""
    pairs = (
        ("memory", limits.memory is not None),
        ("cpu", limits.cpus is not None or limits.cpu_shares is not None),
        ("pids", limits.pids is not None),
        ("cpuset", bool(limits.cpuset)),
    )
    return {controller for controller, wanted in pairs if wanted}


def unified_settings(limits: Limits) -> tuple[Setting, ...]:
    """Files of a cgroup of version 2."""
    settings = []
    if limits.memory is not None:
        swap = _swap(limits)
        settings += [
            Setting("memory.max", str(limits.memory)),
            Setting("memory.swap.max", "max" if swap is None else str(swap), optional=not swap),
        ]
    if limits.cpus is not None:
        settings.append(Setting("cpu.max", f"{_quota(limits.cpus)} {_PERIOD}"))
    if limits.cpu_shares is not None:
        settings.append(Setting("cpu.weight", str(weight_of(limits.cpu_shares))))
    if limits.pids is not None:
        settings.append(Setting("pids.max", str(limits.pids)))
    if limits.cpuset:
        settings.append(Setting("cpuset.cpus", limits.cpuset))
    return tuple(settings)


def legacy_settings(limits: Limits) -> dict[str, tuple[Setting, ...]]:
    """Files of cgroups of version 1, by controller."""
    settings: dict[str, tuple[Setting, ...]] = {}
    if limits.memory is not None:
        swap = _swap(limits)
        both = "-1" if swap is None else str(limits.memory + swap)
        settings["memory"] = (
            Setting("memory.limit_in_bytes", str(limits.memory)),
            Setting("memory.memsw.limit_in_bytes", both, optional=not swap),
        )
    cpu = []
    if limits.cpus is not None:
        cpu += [
            Setting("cpu.cfs_period_us", str(_PERIOD)),
            Setting("cpu.cfs_quota_us", str(_quota(limits.cpus))),
        ]
    if limits.cpu_shares is not None:
        cpu.append(Setting("cpu.shares", str(limits.cpu_shares)))
    if cpu:
        settings["cpu"] = tuple(cpu)
    if limits.pids is not None:
        settings["pids"] = (Setting("pids.max", str(limits.pids)),)
    if limits.cpuset:
        settings["cpuset"] = (Setting("cpuset.mems", ""), Setting("cpuset.cpus", limits.cpuset))
    return settings


def scope_properties(limits: Limits) -> tuple[tuple[str, ...], ...]:
    """What systemd's manager is told: name, D-Bus type, words of the value."""
    properties: list[tuple[str, ...]] = []
    if limits.memory is not None:
        swap = _swap(limits)
        properties += [
            ("MemoryMax", "t", str(limits.memory)),
            ("MemorySwapMax", "t", _INFINITY if swap is None else str(swap)),
        ]
    if limits.cpus is not None:
        properties.append(("CPUQuotaPerSecUSec", "t", str(round(limits.cpus * 1_000_000))))
    if limits.cpu_shares is not None:
        properties.append(("CPUWeight", "t", str(weight_of(limits.cpu_shares))))
    if limits.pids is not None:
        properties.append(("TasksMax", "t", str(limits.pids)))
    if limits.cpuset:
        mask = _mask(list_cpus(limits.cpuset))
        properties.append(("AllowedCPUs", "ay", str(len(mask)), *map(str, mask)))
    return tuple(properties)


def weight_of(shares: int) -> int:
    """The weight of version 2 (1 to 10000) that stands for shares of version 1 (2 to 262144), as runc converts them."""
    return 1 + (shares - 2) * 9999 // 262142


def limits_text(limits: Limits) -> str:
    """The limits in words, as the beginning of a sentence."""
    words = []
    if limits.memory is not None:
        words.append(f"a memory limit of {render_size(limits.memory)}")
    if limits.cpus is not None:
        words.append(f"a limit of {limits.cpus:g} CPUs")
    if limits.cpu_shares is not None:
        words.append(f"a weight of {limits.cpu_shares}")
    if limits.pids is not None:
        words.append(f"a limit of {limits.pids} processes")
    if limits.cpuset:
        words.append(f"a limit to CPUs {limits.cpuset}")
    return listed(words)


def listed(words: list[str]) -> str:
    """`a, b and c`."""
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else words[0]


def _swap(limits: Limits) -> int | None:
    """Bytes of swap beside the memory; None: no limit."""
    if limits.memory_swap == -1:
        return None
    return (limits.memory_swap or limits.memory or 0) - (limits.memory or 0)


def _quota(cpus: float) -> int:
    # The kernel refuses quotas below 1 ms.
    return max(round(cpus * _PERIOD), 1000)


def _mask(cpus: tuple[int, ...]) -> bytes:
    number = sum(1 << cpu for cpu in cpus)
    return number.to_bytes(max(cpus) // 8 + 1, "little")
