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
from shipway.host.proc import Command, base_environment, find_tool, run
from shipway.run.cgroups import read_layout
from shipway.run.limit_settings import (
    Setting,
    legacy_settings,
    limits_text,
    listed,
    scope_properties,
    unified_settings,
    wanted_controllers,
)
from shipway.run.memory_kills import Count, explain_between, read_count, suspect_limit
from shipway.run.option_words import list_cpus, parse_cpuset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipway.run.cgroups import Layout
    from shipway.run.model import Limits

_PATIENCE = 5.0
"""Seconds for systemd to move us."""
_POLL = 0.01
_NOTHING = Count(0, None)
_WITHOUT = "leave the limit out, or ask for it where systemd runs or a scheduler gives you a cgroup"


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
    properties: tuple[tuple[str, ...], ...]
    """Name, D-Bus type, words of the value."""
    checks: tuple[Setting, ...]
    """What the new cgroup's files must say afterwards."""


class LimitPlan(NamedTuple):
    """How the limits are set."""

    placements: tuple[Placement, ...] = ()
    scope: Scope | None = None
    affinity: str = ""
    """CPUs that processes are told to run on, where no cgroup can hold them there."""

    def describe(self) -> tuple[str, ...]:
        """One line per thing that will be made."""
        lines = [f"{place.path}: {_settings_text(place.settings)}" for place in self.placements]
        if self.scope:
            lines.append(
                f"{self.scope.name}: "
                + ", ".join(f"{name}={' '.join(value)}" for name, _, *value in self.scope.properties)
            )
        if self.affinity:
            lines.append(f"affinity: {self.affinity}")
        return tuple(lines)


def plan_limits(limits: Limits, layout: Layout, *, uid: int, name: str) -> LimitPlan:
    """How `limits` can be set here. `name`: of the cgroup, unique on this host.

    CPUs that no cgroup can be held to are set as affinity, which needs no right, and which programs may change.

    Raises:
        LimitError: this host does not let this user set them; says why.
    """
    if not limits.asked:
        return LimitPlan()
    found = _find_plan(limits, layout, uid=uid, name=name)
    if found is None and limits.cpuset:
        others = limits._replace(cpuset="")
        found = _find_plan(others, layout, uid=uid, name=name) if others.asked else LimitPlan()
        found = found and found._replace(affinity=limits.cpuset)
    if found is None:
        limits = limits._replace(cpuset="")
        why = _why_not(wanted_controllers(limits), layout)
        raise LimitError(f"{limits_text(limits)} cannot be enforced here: {why}", hints=(_WITHOUT,))
    return found


def _find_plan(limits: Limits, layout: Layout, *, uid: int, name: str) -> LimitPlan | None:
    wanted = wanted_controllers(limits)
    if uid != 0 and layout.user_manager and wanted <= layout.controllers:
        return LimitPlan(scope=_scope(limits, name))
    if layout.unified and layout.writable and wanted <= layout.controllers:
        missing = tuple(sorted(wanted - layout.handed_down))
        if not missing or layout.alone:
            return LimitPlan((Placement(layout.unified.path, name, unified_settings(limits), missing),))
    legacy = dict(layout.legacy)
    if wanted <= set(legacy):
        settings = legacy_settings(limits)
        return LimitPlan(
            tuple(
                Placement(legacy[controller].path, name, settings[controller])
                for controller in sorted(wanted)
            )
        )
    return None


def _scope(limits: Limits, name: str) -> Scope:
    checks = tuple(setting for setting in unified_settings(limits) if setting.file != "cpu.max")
    return Scope(f"{name}.scope", scope_properties(limits), checks)


def _why_not(wanted: set[str], layout: Layout) -> str:
    refused = sorted(wanted & layout.legacy_refused)
    if refused:
        return f"limiting {listed(refused)} here means cgroup v1, which only root may do"
    missing = sorted(wanted - layout.controllers - set(dict(layout.legacy)))
    if missing:
        return f"this process has no cgroup controller {listed(missing)}"
    if layout.writable:
        return "other processes share this cgroup, so its controllers cannot be handed down"
    return "no systemd user manager answers, and this cgroup is not delegated to this user"


def _settings_text(settings: tuple[Setting, ...]) -> str:
    return ", ".join(f"{setting.file}={setting.value}" for setting in settings)


class Enforcer(NamedTuple):
    """Limits that are in place and wait for a process."""

    folders: tuple[str, ...] = ()
    scope: Scope | None = None
    runtime: str = ""
    affinity: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What does not hold as it was asked for."""
        if not self.affinity:
            return ()
        text = (
            f"no cgroup of yours can hold the container to CPUs {self.affinity}: its programs are told to run there, "
            "and could choose others"
        )
        return (text,)

    def admit(self, pid: int) -> None:
        """Put process `pid`, and all that it will start, under the limits.

        Raises:
            LimitError: the kernel or systemd refused.
        """
        for folder in self.folders:
            _join(folder, pid)
        if self.affinity:
            os.sched_setaffinity(pid, list_cpus(self.affinity))
        if self.scope:
            _enter_scope(self.scope, pid, self.runtime)

    def count_memory_kills(self) -> int:
        """How many processes the kernel killed because the memory limit was reached; a scope is gone too soon to tell."""
        return sum(count.kills for folder in self.folders if (count := read_count(folder)) is not None)

    def explain_end(self, code: int, limit: int | None) -> str:
        """What there is to say of a container that has ended with `code`, while its cgroups are still there."""
        found = [count for folder in self.folders if (count := read_count(folder)) is not None]
        if not found:
            return suspect_limit(code, limit)
        return next((text for one in found if (text := explain_between(code, _NOTHING, one, limit))), "")


@contextlib.contextmanager
def enforced_limits(limits: Limits, *, uid: int, name: str, runtime: str) -> Iterator[Enforcer]:
    """Limits ready to admit a process; removed afterwards, with whatever still runs under them.

    Raises:
        LimitError: this host does not let this user set them.
    """
    _require_cpus(limits)
    plan = plan_limits(limits, read_layout(runtime=runtime), uid=uid, name=name)
    with contextlib.ExitStack() as stack:
        for place in plan.placements:
            stack.enter_context(_made_group(place))
        yield Enforcer(tuple(place.path for place in plan.placements), plan.scope, runtime, plan.affinity)


def _require_cpus(limits: Limits) -> None:
    ours = os.sched_getaffinity(0) if limits.cpuset else set()
    missing = set(list_cpus(limits.cpuset)) - ours
    if missing:
        text = ",".join(map(str, sorted(ours)))
        raise LimitError(
            f"there is no CPU {min(missing)} here for `--cpuset-cpus {limits.cpuset}`",
            hints=(f"choose among {parse_cpuset(text)}", "`lscpu` shows which belong to one NUMA node"),
        )


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
    value = setting.value
    if not value:
        with open(f"{os.path.dirname(folder)}/{setting.file}", encoding="utf-8") as file:
            value = file.read().strip()
    _write(path, value)


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
    return LimitError(f"the kernel refused a limit at `{path}`: {error.strerror}", hints=(_WITHOUT,))


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
            "a limit needs `busctl` to ask the systemd user manager", hints=("install the package `systemd`",)
        )
    finished = run(scope_command(scope, tool=tool, pid=pid, runtime=runtime))
    if finished.code != 0:
        text = finished.stderr.decode("utf-8", "replace")
        raise LimitError("the systemd user manager refused the limits", hints=(_WITHOUT,), detail=text)
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
    if found != check.value and not close and not (check.optional and not found):
        raise LimitError(
            f"systemd took the limit, but `{check.file}` says `{found or 'nothing'}`", hints=(_WITHOUT,)
        )
