"""`debug`: a container of tools that sees another one's processes, and shares its network and the project's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.errors import EngineError
from shipway.core.events import Note
from shipway.verbs.run import RunWords, run_command
from shipway.verbs.tool_folders import Tool, tool_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.run.life.model import Container
    from shipway.verbs.context import Task

TOOLS = Tool(
    "debug",
    'name = "debug"\nbase = "debian:bookworm"\npython = "3.11"\nworkdir = "/debug"\n'
    'apt = ["gdb", "htop", "less", "lsof", "procps", "strace"]\npip = ["py-spy"]\n',
)
"""Of one suite for all containers: it has a root of its own, so nothing of it need go with theirs."""


def run_debug(container: Container, argv: Sequence[str], task: Task, *, tty: bool) -> int:
    """Run `argv`, or a shell, beside the running container; its exit code. `tty`: with a terminal of its own.

    Raises:
        EngineError: the container goes with its command, and its engine is not our own.
        ToolError: the tools could not be made or started.
    """
    if not container.record.lasting and container.engine != "native":
        raise EngineError(
            f"`{container.name}` is thrown away with its command and has no name in {container.engine}",
            hints=("give it one: `shipway run --name NAME`",),
        )
    space = f"container:{container.name}"
    workdir = container.environment.workdir
    words = RunWords(
        argv=tuple(argv),
        shell=not argv,
        pid=space,
        ipc=space
        if container.engine == "native"
        else "",  # others lend theirs only where the first one was made to
        network=space,
        tty=tty,
        engine=container.engine,
        mounts=(f"{container.project}:{workdir}",),
        workdir=workdir,
    )
    if not argv:
        task.emit(
            Note(
                f"the processes of `{container.name}`: htop, strace -p, py-spy dump --pid, gdb; `exit` leaves it running"
            )
        )
    return run_command(words, tool_task(TOOLS, task)).code
