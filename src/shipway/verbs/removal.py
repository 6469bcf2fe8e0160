"""`rm` of what containers left for the next: what `--keep NAME` keeps, and the project's home volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.errors import EngineError
from shipway.core.text import shown
from shipway.core.units import render_size
from shipway.host.dirs import state_dir
from shipway.verbs.find import find_folder

if TYPE_CHECKING:
    from shipway.verbs.context import Task

KEPT, HOME = "kept:", "home:"
"""How they are named; no container's name has a colon."""


def is_left(word: str) -> bool:
    """Whether `word` names such a thing, and no container."""
    return word.startswith(KEPT) or word == HOME


def remove_left(word: str, task: Task, *, dry_run: bool) -> str:
    """Remove it, or with `dry_run` only see that it can be; its name and size, in words.

    Raises:
        NotFound: the project has none.
        EngineError: a container uses it.
    """
    from shipway.run.homes import remove_home
    from shipway.run.top.names import remove_kept

    project = find_folder(task.directory)
    if word == HOME:
        _require_unused(project)
        size = remove_home(state_dir(), project, dry_run=dry_run)
    else:
        size = remove_kept(state_dir(), project, word.removeprefix(KEPT), dry_run=dry_run)
    return f"`{shown(word)}` ({render_size(size)})"


def _require_unused(project: str) -> None:
    from shipway.run.life.client import list_containers

    users = [
        shown(one.name) for one in list_containers(state_dir()) if one.project == project and one.running
    ]
    if users:
        names = ", ".join(f"`{name}`" for name in users)
        raise EngineError(f"the home volume is in use by {names}", hints=("end them first: `shipway down`",))
