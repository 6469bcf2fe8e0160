"""Processes that the kernel killed because memory ran out: counted in a container's cgroup, and said in words.

Files: the kernel's admin-guide, `cgroup-v2.rst` (`memory.events`, `memory.max`) and `cgroup-v1/memory.rst`.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from shipway.core.units import render_size
from shipway.run.cgroups import parse_memberships, parse_mounts

_KILLED = 137
"""What a shell reports of a command that SIGKILL ended, which is how the kernel frees memory."""
_UNLIMITED = 1 << 60
"""Version 1 writes a number above this where there is no limit."""
_MORE = "allow more with `--memory` where the container is made (`memory` in the spec's `[run]`)"
_SLACK = 1 << 18
"""Bytes below its limit at which a group is full: the kernel charges by up to 64 pages."""


class Count(NamedTuple):
    """What a cgroup has counted so far."""

    kills: int
    """Processes that were killed because memory ran out, whoever's memory that was."""
    limit: int | None
    """In bytes; None: there is none."""
    ooms: int | None = None
    """How often the group's own limit was the reason for that; None where it is not counted (version 1)."""
    peak: int | None = None
    """The most bytes that it ever had, where `ooms` is not counted."""

    def has_reached(self, before: Count) -> bool:
        """Whether its own limit was the reason of what was counted since."""
        if self.ooms is not None:
            return self.ooms > (before.ooms or 0)
        return self.limit is not None and (self.peak or 0) >= self.limit - _SLACK


def find_group(pid: int, mark: str, *, proc: str = "/proc") -> str:
    """The folder of the memory cgroup of process `pid` whose name contains `mark`; empty where none can be seen from here.

    `mark` is the container's own: the number of a process on another machine means somebody else's on this one.
    """
    try:
        members = parse_memberships(_read(f"{proc}/{pid}/cgroup"))
        legacy, unified = parse_mounts(_read(f"{proc}/self/mountinfo"))
    except OSError:
        return ""
    for place, path in ((legacy.get("memory"), members.get("memory")), (unified, members.get(""))):
        folder = _folder_of(place, path, mark) if place and path and mark else ""
        if folder and read_count(folder) is not None:
            return folder
    return ""


def _folder_of(place: tuple[str, str], path: str, mark: str) -> str:
    root, mount = place
    head, found, tail = path.partition(mark)
    group = head + found + tail.partition("/")[0]
    below = root.rstrip("/") + "/"
    if not found or "/../" in path or not group.startswith(below):
        return ""
    return f"{mount}/{group.removeprefix(below)}"


def read_count(folder: str) -> Count | None:
    """What the cgroup in `folder` has counted; None where it is gone, or does not count."""
    counted = _read_counts(f"{folder}/memory.events")
    if "oom_kill" in counted:
        return Count(counted["oom_kill"], _read_number(f"{folder}/memory.max"), counted.get("oom", 0))
    counted = _read_counts(f"{folder}/memory.oom_control")
    if "oom_kill" in counted:
        limit, peak = (_read_number(f"{folder}/memory.{name}_in_bytes") for name in ("limit", "max_usage"))
        return Count(counted["oom_kill"], limit, peak=peak)
    return None


def _read_counts(path: str) -> dict[str, int]:
    try:
        pairs = [line.split() for line in _read(path).splitlines()]
    except OSError:
        return {}
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}  # noqa: PLR2004 - name, number


def _read_number(path: str) -> int | None:
    try:
        text = _read(path).strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) < _UNLIMITED else None


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


class Meter:
    """What a container's cgroup counts while a command runs in it."""

    def __init__(self, folder: str, limit: int | None):
        """From now on. `folder`: of the cgroup, see `find_group`. `limit`: what was asked for, for where nothing is counted."""
        self._folder = folder
        self._limit = limit
        self._before = read_count(folder) if folder else None

    def explain(self, code: int) -> str:
        """What there is to say of a command that has ended with `code`; mostly nothing."""
        after = read_count(self._folder) if self._folder else None
        return explain_between(code, self._before, after, self._limit)


def meter_of(pid: int, mark: str, limit: int | None) -> Meter:
    """Of the container that process `pid` is in, as `find_group` finds it."""
    return Meter(find_group(pid, mark), limit)


def explain_between(code: int, before: Count | None, after: Count | None, limit: int | None) -> str:
    """What there is to say of a command that has ended with `code`, between two looks; empty if memory has nothing to do with it.

    Whoever got on has nothing to be told. Where nothing was counted, nothing is claimed. `limit`: what was asked for.
    """
    if not code:
        return ""
    if before is None or after is None:
        return suspect_limit(code, limit)
    killed = after.kills - before.kills
    if killed <= 0:
        return ""
    return explain_kills(killed, after.limit if after.has_reached(before) else None)


def explain_kills(killed: int, limit: int | None) -> str:
    """What happened, and what to do about it. `limit`: the one that was reached; None: that of something else."""
    if limit is None:
        whose = "this machine, or whatever else limits the container, had no memory left"
        return f"{whose}, and the kernel killed {_processes(killed)}; `free -h` shows what there is, `shipway stats` who has it"
    return f"the memory limit of {render_size(limit)} was reached, and the kernel killed {_processes(killed)}; {_MORE}"


def explain_engine(limit: int | None) -> str:
    """The same where an engine says no more than that there were kills."""
    told = "memory ran out, and the kernel killed at least one of the container's processes"
    return f"{told}; its memory limit is {render_size(limit)}: {_MORE}" if limit else told


def suspect_limit(code: int, limit: int | None) -> str:
    """What may be the reason where nobody has counted; empty where no limit can be."""
    if code != _KILLED or not limit:
        return ""
    return (
        f"the command was killed, perhaps for reaching the memory limit of {render_size(limit)}, which cannot be seen from here; "
        f"if so, {_MORE}"
    )


def find_kill(folder: str, since: float) -> bool:
    """Whether Podman's monitor, which was started in `folder`, has seen a kill since `since`, in seconds since 1970."""
    try:
        return os.stat(f"{folder}/oom").st_mtime >= since
    except OSError:
        return False


def own_mark() -> str:
    """What begins the names of the cgroups that this process makes for its container."""
    return f"shipway-{os.getpid()}-"


def _processes(killed: int) -> str:
    return f"{killed} of the container's processes"
