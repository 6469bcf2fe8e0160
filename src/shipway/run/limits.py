"""Memory, CPU and process limits: chosen from the cgroup layout (pure), then entered and left again (effects).

Order, from the most to the least ordinary: an own scope from the systemd user manager; a child of our own v2 cgroup where
that was delegated to us (Slurm, CI, root); children of our v1 cgroups, for root only, because v1 has no delegation.
Anything else is an error: a limit that is asked for and not set would be worse than none.

The sandbox's first process is put into the cgroup while it still waits, so everything in the container is born there. The
cgroup is removed when the container is gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import LimitError
from shipway.core.units import render_size
from shipway.host.proc import Command, base_environment, find_tool, run
from shipway.run.cgroups import read_layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipway.run.cgroups import Layout
    from shipway.run.model import Limits

_PERIOD = 100_000
"""Microseconds over which CPU time is counted (the kernel's default)."""
_PATIENCE = 5.0
"""Seconds for systemd to move us."""
_POLL = 0.01
_WITHOUT = "leave the limit out, or ask for it where systemd runs or a scheduler gives you a cgroup"


class Setting(NamedTuple):
    """One value written to a file of a cgroup."""

    file: str
    value: str
    optional: bool = False
    """The kernel may lack the file (swap accounting)."""


class Placement(NamedTuple):
    """One cgroup to make, fill in and enter."""

    parent: str
    name: str
    settings: tuple[Setting, ...]
    hand_down: tuple[str, ...] = ()
    """v2: controllers that `parent` must hand down first, for which we move to the new group before."""

    @property
    def path(self) -> str:
        """Its folder."""
        return f"{self.parent}/{self.name}"


class Scope(NamedTuple):
    """A scope unit that the systemd user manager makes for a process."""

    name: str
    properties: tuple[tuple[str, str, str], ...]
    """Name, D-Bus type, value."""
    checks: tuple[Setting, ...]
    """What the new cgroup's files must say afterwards."""


class LimitPlan(NamedTuple):
    """How the limits are set."""

    placements: tuple[Placement, ...] = ()
    scope: Scope | None = None

    def describe(self) -> tuple[str, ...]:
        """One line per thing that will be made."""
        lines = [f"{place.path}: {_settings_text(place.settings)}" for place in self.placements]
        if self.scope:
            lines.append(
                f"{self.scope.name}: {', '.join(f'{name}={value}' for name, _, value in self.scope.properties)}"
            )
        return tuple(lines)


def plan_limits(limits: Limits, layout: Layout, *, uid: int, name: str) -> LimitPlan:
    """How `limits` can be set here. `name`: of the cgroup, unique on this host.

    Raises:
        LimitError: this host does not let this user set them; says why.
    """
    if not limits.asked:
        return LimitPlan()
    wanted = _controllers(limits)
    if uid != 0 and layout.user_manager and wanted <= layout.controllers:
        return LimitPlan(scope=_scope(limits, name))
    if layout.unified and layout.writable and wanted <= layout.controllers:
        missing = tuple(sorted(wanted - layout.handed_down))
        if not missing or layout.alone:
            return LimitPlan((Placement(layout.unified.path, name, _unified_settings(limits), missing),))
    legacy = dict(layout.legacy)
    if wanted <= set(legacy):
        settings = _legacy_settings(limits)
        return LimitPlan(
            tuple(
                Placement(legacy[controller].path, name, settings[controller])
                for controller in sorted(wanted)
            )
        )
    raise LimitError(
        f"{_limits_text(limits)} cannot be enforced here: {_why_not(wanted, layout)}", hints=(_WITHOUT,)
    )


def _controllers(limits: Limits) -> set[str]:
    pairs = (("memory", limits.memory), ("cpu", limits.cpus), ("pids", limits.pids))
    return {controller for controller, value in pairs if value is not None}


def _unified_settings(limits: Limits) -> tuple[Setting, ...]:
    settings = []
    if limits.memory is not None:
        settings += [
            Setting("memory.max", str(limits.memory)),
            Setting("memory.swap.max", "0", optional=True),
        ]
    if limits.cpus is not None:
        settings.append(Setting("cpu.max", f"{_quota(limits.cpus)} {_PERIOD}"))
    if limits.pids is not None:
        settings.append(Setting("pids.max", str(limits.pids)))
    return tuple(settings)


def _legacy_settings(limits: Limits) -> dict[str, tuple[Setting, ...]]:
    settings: dict[str, tuple[Setting, ...]] = {}
    if limits.memory is not None:
        both = Setting("memory.memsw.limit_in_bytes", str(limits.memory), optional=True)
        settings["memory"] = (Setting("memory.limit_in_bytes", str(limits.memory)), both)
    if limits.cpus is not None:
        settings["cpu"] = (
            Setting("cpu.cfs_period_us", str(_PERIOD)),
            Setting("cpu.cfs_quota_us", str(_quota(limits.cpus))),
        )
    if limits.pids is not None:
        settings["pids"] = (Setting("pids.max", str(limits.pids)),)
    return settings


def _scope(limits: Limits, name: str) -> Scope:
    properties = []
    if limits.memory is not None:
        properties += [("MemoryMax", "t", str(limits.memory)), ("MemorySwapMax", "t", "0")]
    if limits.cpus is not None:
        properties.append(("CPUQuotaPerSecUSec", "t", str(round(limits.cpus * 1_000_000))))
    if limits.pids is not None:
        properties.append(("TasksMax", "t", str(limits.pids)))
    checks = tuple(setting for setting in _unified_settings(limits) if setting.file != "cpu.max")
    return Scope(f"{name}.scope", tuple(properties), checks)


def _quota(cpus: float) -> int:
    # The kernel refuses quotas below 1 ms.
    return max(round(cpus * _PERIOD), 1000)


def _why_not(wanted: set[str], layout: Layout) -> str:
    refused = sorted(wanted & layout.legacy_refused)
    if refused:
        return f"limiting {_listed(refused)} here means cgroup v1, which only root may do"
    missing = sorted(wanted - layout.controllers - set(dict(layout.legacy)))
    if missing:
        return f"this process has no cgroup controller {_listed(missing)}"
    if layout.writable:
        return "other processes share this cgroup, so its controllers cannot be handed down"
    return "no systemd user manager answers, and this cgroup is not delegated to this user"


def _limits_text(limits: Limits) -> str:
    words = []
    if limits.memory is not None:
        words.append(f"a memory limit of {render_size(limits.memory)}")
    if limits.cpus is not None:
        words.append(f"a limit of {limits.cpus:g} CPUs")
    if limits.pids is not None:
        words.append(f"a limit of {limits.pids} processes")
    return _listed(words)


def _listed(words: list[str]) -> str:
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else words[0]


def _settings_text(settings: tuple[Setting, ...]) -> str:
    return ", ".join(f"{setting.file}={setting.value}" for setting in settings)


class Enforcer(NamedTuple):
    """Limits that are in place and wait for a process."""

    folders: tuple[str, ...] = ()
    scope: Scope | None = None
    runtime: str = ""

    def admit(self, pid: int) -> None:
        """Put process `pid`, and all that it will start, under the limits.

        Raises:
            LimitError: the kernel or systemd refused.
        """
        for folder in self.folders:
            _join(folder, pid)
        if self.scope:
            _enter_scope(self.scope, pid, self.runtime)

    def count_memory_kills(self) -> int:
        """How many processes the kernel killed because the memory limit was reached; a scope is gone too soon to tell."""
        return sum(
            _count(f"{folder}/{file}")
            for folder in self.folders
            for file in ("memory.events", "memory.oom_control")
        )


@contextlib.contextmanager
def enforced_limits(limits: Limits, *, uid: int, name: str, runtime: str) -> Iterator[Enforcer]:
    """Limits ready to admit a process; removed afterwards, with whatever still runs under them.

    Raises:
        LimitError: this host does not let this user set them.
    """
    plan = plan_limits(limits, read_layout(runtime=runtime), uid=uid, name=name)
    with contextlib.ExitStack() as stack:
        for place in plan.placements:
            stack.enter_context(_made_group(place))
        yield Enforcer(tuple(place.path for place in plan.placements), plan.scope, runtime)


@contextlib.contextmanager
def _made_group(place: Placement) -> Iterator[None]:
    try:
        os.mkdir(place.path)
    except OSError as error:
        raise _refused(place.path, error) from error
    try:
        if place.hand_down:
            # v2 hands controllers down only from a cgroup without processes, so we step down ourselves.
            _join(place.path, os.getpid())
            _write(f"{place.parent}/cgroup.subtree_control", " ".join("+" + name for name in place.hand_down))
        for setting in place.settings:
            _apply(place.path, setting)
        yield
    finally:
        _leave(place)


def _leave(place: Placement) -> None:
    if place.hand_down:
        _write(f"{place.parent}/cgroup.subtree_control", " ".join("-" + name for name in place.hand_down))
        _join(place.parent, os.getpid())
    _kill_all(place.path)
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            os.rmdir(place.path)
        except OSError:
            # A process that was just killed stays in its cgroup until it is reaped.
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL)
        else:
            return


def _kill_all(folder: str) -> None:
    """End what is left in the cgroup: without a pid namespace, background processes outlive the command."""
    with open(f"{folder}/cgroup.procs", encoding="utf-8") as file:
        left = [int(line) for line in file]
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _apply(folder: str, setting: Setting) -> None:
    path = f"{folder}/{setting.file}"
    if setting.optional and not os.path.exists(path):
        return
    _write(path, setting.value)


def _join(folder: str, pid: int) -> None:
    _write(f"{folder}/cgroup.procs", str(pid))


def _write(path: str, value: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, value.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: str, error: OSError) -> LimitError:
    return LimitError(f"The kernel refused a limit at `{path}`: {error.strerror}", hints=(_WITHOUT,))


def scope_command(scope: Scope, *, tool: str, pid: int, runtime: str) -> Command:
    """The D-Bus call that puts process `pid` into a new scope (org.freedesktop.systemd1.Manager.StartTransientUnit)."""
    properties = [("PIDs", "au", "1", str(pid)), *scope.properties]
    manager = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
    words = [word for entry in properties for word in entry]
    argv = (
        tool,
        "--user",
        "call",
        *manager,
        "StartTransientUnit",
        "ssa(sv)a(sa(sv))",
        scope.name,
        "fail",
        str(len(properties)),
        *words,
        "0",
    )
    return Command(argv=argv, env={**base_environment(), "XDG_RUNTIME_DIR": runtime})


def _enter_scope(scope: Scope, pid: int, runtime: str) -> None:
    tool = find_tool("busctl")
    if tool is None:
        raise LimitError(
            "A limit needs `busctl` to ask the systemd user manager", hints=("install the package `systemd`",)
        )
    finished = run(scope_command(scope, tool=tool, pid=pid, runtime=runtime))
    if finished.code != 0:
        text = finished.stderr.decode("utf-8", "replace")
        raise LimitError("The systemd user manager refused the limits", hints=(_WITHOUT,), detail=text)
    folder = _await_scope(scope.name, pid)
    for check in scope.checks:
        _require_value(folder, check)


def _await_scope(name: str, pid: int) -> str:
    """Wait for the move: systemd answers before it has moved the process."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        group = read_layout(proc=f"/proc/{pid}").unified
        if group and group.path.endswith("/" + name):
            return group.path
        time.sleep(_POLL)
    raise LimitError(f"systemd did not move the container into `{name}`", hints=(_WITHOUT,))


def _require_value(folder: str, check: Setting) -> None:
    try:
        with open(f"{folder}/{check.file}", encoding="utf-8") as file:
            found = file.read().strip()
    except FileNotFoundError:
        found = ""
    # The kernel rounds memory down to whole pages.
    close = (
        found.isdigit()
        and check.value.isdigit()
        and 0 <= int(check.value) - int(found) < os.sysconf("SC_PAGE_SIZE")
    )
    if not close and not (check.optional and not found):
        raise LimitError(
            f"systemd took the limit, but `{check.file}` says `{found or 'nothing'}`", hints=(_WITHOUT,)
        )


def _count(path: str) -> int:
    try:
        with open(path, encoding="utf-8") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("oom_kill "))
    except FileNotFoundError:
        return 0
