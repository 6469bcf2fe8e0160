"""Which images a verb works on when it takes those of several platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.errors import BuildError, ExitCode, ToolError
from shipway.core.text import shown
from shipway.verbs.context import host_platform
from shipway.verbs.images import choose_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.verbs.context import Task
    from shipway.verbs.images import Chosen


def choose_images(task: Task, images: Sequence[str], *, every: bool, name: str = "") -> tuple[Chosen, ...]:
    """The stored `images`, or the project's: of the task's platform, or with `every` of all that the lock holds.

    In the order of their platforms. `name` overrides what they are called.

    Raises:
        ToolError: two are of the same platform (USAGE), one is not there or cannot be built.
    """
    if images:
        found = [choose_image(task, image, name=name) for image in images]
    else:
        platforms = locked_platforms(task) if every else (task.platform or host_platform(),)
        found = [_build(task._replace(platform=one), name) for one in platforms]
    by_platform = {one.image.facts().platform: one for one in found}
    if len(by_platform) < len(found):
        raise ToolError(
            "several of the images are of the same platform, and an index has one of each",
            hints=["see `shipway images` for the platform of each", "give every image a tag of its own"],
            code=ExitCode.USAGE,
        )
    return tuple(one for _, one in sorted(by_platform.items()))


def _build(task: Task, name: str) -> Chosen:
    """The project's image for one platform. Maintainer scripts run on the platform's own kind of processor."""
    try:
        return choose_image(task, "", name=name)
    except BuildError as error:
        if task.platform == host_platform():
            raise
        raise BuildError(
            f"the image for {task.platform} cannot be built on this machine, which is {host_platform()}: {error.message}",
            hints=[
                f"build it on a machine for {task.platform}; `shipway push REF --index` there adds it to the tag"
            ],
            detail=error.detail,
        ) from error


def locked_platforms(task: Task) -> tuple[str, ...]:
    """The platforms that the lock holds the task's target for.

    Raises:
        ToolError: there is no lock and none can be made.
    """
    from shipway.verbs.images import open_store
    from shipway.verbs.locking import ensure_lock
    from shipway.verbs.project import read_project, require_target

    project = read_project(task.directory, task.emit)
    target = require_target(project.spec, task.target).name
    lock, _ = ensure_lock(project, task, open_store(task.emit))
    platforms = sorted(one.platform for one in lock.targets if one.name == target)
    if not platforms:
        raise ToolError(
            f"the lock has no target `{shown(target)}`",
            hints=["run `shipway lock`"],
            code=ExitCode.LOCK_STALE,
        )
    return tuple(platforms)
