"""What a verb writes into the project would be part of its next image: that is said, for nobody means it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.core.errors import ToolError
from shipway.core.events import Note
from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipway.core.events import Emit
    from shipway.verbs.context import Task


def warn_of_image(
    path: str, folder: str, choices: Iterable[tuple[tuple[str, ...], tuple[str, ...]]], emit: Emit
) -> None:
    """Say it when `path` would go into an image of the project in `folder`. `choices`: include and ignore of each target."""
    from shipway.build.files_tree import is_chosen

    below = os.path.relpath(os.path.realpath(path), folder)
    if below == "." or below.startswith("../"):
        return
    if any(is_chosen(folder, below, include, ignore) for include, ignore in choices):
        text = f"`{shown(below)}` is in the project and would go into its image: add it to `ignore`"
        emit(Note(text, "warning"))


def warn_of_next_image(path: str, task: Task, *, is_own: bool) -> None:
    """The same by the spec of the project that `task` means, if there is one. `is_own`: the project's image is what is written.

    Raises:
        ToolError: the project's own image is meant, and its spec is wrong.
    """
    from shipway.verbs.find import find_folder, has_spec
    from shipway.verbs.project import read_project

    if not is_own and not has_spec(find_folder(task.directory)):
        return
    try:
        project = read_project(task.directory, task.emit)
        choices = [(target.files.include, target.files.ignore) for target in project.spec.targets]
        warn_of_image(path, project.folder, choices, task.emit)
    except ToolError:
        # A spec that cannot be read makes no image, and is no concern of an image that is stored.
        if is_own:
            raise
