"""Tools that come beside an environment: each a folder of the host that running containers see, so no image holds them.

A tool is made from a small project of its own, by the same lock, store and checks as every other environment. Its folder is
complete or not there: what makes it works beside it and renames.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError
from shipway.core.events import Note
from shipway.host.dirs import state_dir
from shipway.host.files import make_directory, remove_tree, rename_noreplace, write_atomic
from shipway.host.lock import FileLock
from shipway.run.life.model import TOOLS
from shipway.verbs.context import LockMode, Task
from shipway.verbs.find import SPEC_FILE
from shipway.verbs.run import RunWords, run_command

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.core.events import Event

MAKING = ".making"
"""In a tool's project: the lock of whoever makes or removes it."""
_PATIENCE = 600.0
"""Seconds to wait for another process that makes the same tool."""


class Tool(NamedTuple):
    """What a tool is made of."""

    name: str
    spec: str
    """The text of its project's spec."""
    version: str = "1"
    """Of how the folder is made; another one is another folder."""

    @property
    def key(self) -> str:
        """The name of its folder: another spec is another one."""
        digest = hashlib.sha256(f"{self.version}\n{self.spec}".encode()).hexdigest()
        return f"{self.name}-{digest[:16]}"


def tools_folder() -> str:
    """The host's folder of tools; only its owner reads it."""
    folder = os.path.join(state_dir(), "tools")
    make_directory(folder)
    return folder


def projects_folder() -> str:
    """Where the tools' own projects are, by key."""
    return os.path.join(state_dir(), "tool-projects")


def inside(tool: Tool) -> str:
    """Where a running container sees the tool."""
    return f"{TOOLS}/{tool.key}"


def provide(tool: Tool, task: Task, fill: Callable[[str, Task], None]) -> str:
    """The host's folder of the tool, made by `fill(FOLDER, TASK)` if it is not there; the task is that of the tool's project.

    Raises:
        ToolError: it could not be made.
    """
    folder = os.path.join(tools_folder(), tool.key)
    project = tool_project(tool)
    if os.path.isdir(folder):
        return folder
    with FileLock(os.path.join(project, MAKING), timeout=_PATIENCE):
        if not os.path.isdir(folder):
            part = os.path.join(project, "part")
            remove_tree(part)
            make_directory(part, 0o755)
            fill(part, tool_task(tool, task))
            rename_noreplace(part, folder)
    return folder


def is_provided(tool: Tool) -> bool:
    """Whether its folder is there."""
    return os.path.isdir(os.path.join(tools_folder(), tool.key))


def tool_task(tool: Tool, task: Task) -> Task:
    """What the verbs are told that work on the tool's own project; its files are nobody's business, so no note names them."""

    def emit(event: Event) -> None:
        if not isinstance(event, Note) or event.level != "info":
            task.emit(event)

    return Task(directory=tool_project(tool), offline=task.offline, mode=LockMode.UPDATE, emit=emit)


def tool_project(tool: Tool) -> str:
    """The folder of the tool's own project, with its spec. Its time is that of its last use."""
    project = os.path.join(projects_folder(), tool.key)
    make_directory(project)
    file = os.path.join(project, SPEC_FILE)
    if not os.path.exists(file):
        write_atomic(file, tool.spec.encode())
    os.utime(project)
    return project


def run_script(script: str, folder: str, task: Task) -> None:
    """Run a shell script in the tool's own environment, which sees `folder` as `/out`.

    Raises:
        EngineError: it failed; what it wrote is shown.
        ToolError: the environment could not be made.
    """
    log = os.path.join(folder, ".log")
    argv = ("/bin/sh", "-c", f"exec >/out/.log 2>&1; set -e; {script}")
    code = run_command(RunWords(argv=argv, mounts=(f"{folder}:/out",)), task).code
    with open(log, encoding="utf-8", errors="replace") as file:
        said = file.read()
    os.unlink(log)
    if code:
        raise EngineError(
            f"the tool's folder could not be made (exit code {code})",
            hints=tuple(said.strip().splitlines()[-3:]),
        )
