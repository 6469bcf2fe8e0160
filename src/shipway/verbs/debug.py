"""`debug`: a container of tools that sees another one's processes, and shares its network and the project's files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError, ExitCode, ToolError
from shipway.core.events import Note
from shipway.host.files import read_kernel
from shipway.run.model import Network
from shipway.verbs.run import RunWords, run_command
from shipway.verbs.tool_folders import Tool, tool_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.run.life.model import Container
    from shipway.verbs.context import Task

GDB = (
    "pid= last=; for word; do "
    'case "$last" in -p|-pid|--pid) pid=$word;; esac; '
    'case "$word" in -p=*|-pid=*|--pid=*) pid=${word#*=};; esac; last=$word; done; '
    '[ -z "$pid" ] || set -- -iex "set sysroot /proc/$pid/root" "$@"; '
    'exec /usr/bin/gdb "$@"'
)
"""Stands before gdb: a process of another root has its program and libraries there, where gdb looks only if told."""
_INSTALL = f"cat > /usr/local/bin/gdb <<'END'\n#!/bin/sh\n{GDB}\nEND\nchmod 755 /usr/local/bin/gdb"
TOOLS = Tool(
    "debug",
    'name = "debug"\nbase = "debian:bookworm"\npython = "3.11"\nworkdir = "/debug"\n'
    'apt = ["gdb", "htop", "iproute2", "less", "lsof", "procps", "strace"]\npip = ["py-spy"]\n'
    f"[[build]]\nrun = ['/bin/sh', '-c', '''\n{_INSTALL}''']\n",
)
"""Of one suite for all containers: it has a root of its own, so nothing of it need go with theirs."""
_YAMA = "/proc/sys/kernel/yama/ptrace_scope"
_SMI = "nvidia-smi"


def run_debug(container: Container, argv: Sequence[str], task: Task, *, tty: bool) -> int:
    """Run `argv`, or a shell, beside the running container; its exit code. `tty`: with a terminal of its own.

    Raises:
        EngineError: the container does not run, or goes with its command and its engine is not our own.
        ToolError: the tools could not be made or started.
    """
    if argv[:1] == (_SMI,):
        return _run_smi(argv)
    _require_name(container)
    if sentence := describe_ptrace(read_kernel(_YAMA)):
        task.emit(Note(sentence, "warning"))
    if not argv:
        name = container.name
        task.emit(
            Note(
                f"the processes of `{name}`: htop, strace -p, py-spy dump --pid, gdb -p; `exit` leaves it running"
            )
        )
    return run_command(beside(container, argv)._replace(tty=tty), tool_task(TOOLS, task)).code


def _run_smi(argv: Sequence[str]) -> int:
    """The host's own: it sees the GPUs of the whole machine and the host's numbers of processes wherever it runs."""
    from shipway.host.attached import run_attached
    from shipway.host.proc import find_tool

    program = find_tool(_SMI)
    if program is None:
        raise ToolError(
            f"this machine has no `{_SMI}`",
            hints=("it comes with NVIDIA's driver; without the driver there is no GPU to look at",),
            code=ExitCode.NOT_FOUND,
        )
    return run_attached((program, *argv[1:]), os.environ)


def _require_name(container: Container) -> None:
    from shipway.run.life.client import require_running

    require_running(container)
    if not container.record.lasting and container.engine != "native":
        raise EngineError(
            f"`{container.name}` is thrown away with its command and has no name in {container.engine}",
            hints=("give it one: `shipway run --name NAME`",),
        )


def beside(container: Container, argv: Sequence[str]) -> RunWords:
    """The words of a run beside `container`: what it shares, whose user it is, which folders it sees."""
    space = f"container:{container.name}"
    workdir = container.environment.workdir
    ours = container.supervised
    placed = workdir not in ("", "/")
    network = container.record.asked.network or container.environment.options.network
    return RunWords(
        argv=tuple(argv),
        shell=not argv,
        pid=space,
        ipc=space if ours else "",  # others lend theirs only where the first one was made to
        network="host" if network is Network.HOST and not container.record.asked.beside else space,
        user=container.record.asked.user or container.environment.options.user,
        engine="native" if ours else container.engine,
        mounts=(f"{container.project}:{workdir}",) if placed else (),
        workdir=workdir if placed else "",
    )


def describe_ptrace(scope: str) -> str:
    """What this kernel's setting of Yama forbids (Documentation/admin-guide/LSM/Yama.rst); mostly nothing."""
    if scope.strip() in ("", "0"):
        return ""
    return (
        "this kernel lets a process be joined only by its parent, or with a right that containers do not have "
        "(kernel.yama.ptrace_scope), so `strace -p`, `gdb -p` and `py-spy` are refused; an administrator allows them by "
        "`sysctl kernel.yama.ptrace_scope=0`"
    )
