"""Tools that nobody uses any more, taken away with their projects, so that the store may collect what they were made of."""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple

from shipway.host.dirs import state_dir
from shipway.host.files import remove_tree, translating_disk_errors
from shipway.host.lock import FileLock
from shipway.run.homes import folder_size
from shipway.run.life.model import TOOLS
from shipway.verbs.tool_folders import MAKING, projects_folder


class OldTool(NamedTuple):
    """A tool that went, or would go."""

    name: str
    """Its key."""
    size: int
    """Bytes of its files."""


def collect_tools(*, before: float, dry_run: bool = False, proc: str = "/proc") -> tuple[OldTool, ...]:
    """Remove the tools last asked for before `before` (seconds since 1970) that no process of this machine was started from.

    Raises:
        NoSpace, StoreError: the disk does not answer.
    """
    used = read_commands(proc)
    with translating_disk_errors(f"collect what is not used below `{projects_folder()}`"):
        unused = [key for key in _list(projects_folder()) if f"{TOOLS}/{key}/".encode() not in used]
        return tuple(old for key in unused if (old := _collect(key, before, dry_run=dry_run)))


def read_commands(proc: str) -> bytes:
    """The command lines of all processes that can be seen, proc_pid_cmdline(5)."""
    lines = []
    for pid in filter(str.isdigit, os.listdir(proc)):
        with contextlib.suppress(OSError), open(f"{proc}/{pid}/cmdline", "rb") as file:
            lines.append(file.read())
    return b"\n".join(lines)


def _collect(key: str, before: float, *, dry_run: bool) -> OldTool | None:
    """Remove one, unless it was used lately, or is being made."""
    project, folder = os.path.join(projects_folder(), key), os.path.join(state_dir(), "tools", key)
    if os.stat(project).st_mtime >= before:
        return None
    old = OldTool(key, folder_size(project) + folder_size(folder))
    if dry_run:
        return old
    lock = FileLock(os.path.join(project, MAKING), remove=True)
    if not lock.try_acquire():
        return None
    try:
        going = os.path.join(project, "part")
        remove_tree(going)
        with contextlib.suppress(FileNotFoundError):
            os.rename(folder, going)  # at once, so that nobody finds half of it
        remove_tree(project)
    finally:
        lock.release()
    return old


def _list(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
