"""The image of a run's environment, for engines that take images, and what the next run need not find out again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shipway.core.events import Note
from shipway.image.hand_over import make_portable, make_stored_portable
from shipway.image.stored import store_image
from shipway.run.model import ImageIds
from shipway.run.ready import holds, write_ready
from shipway.verbs.build import layer_contents, make_image
from shipway.verbs.context import LockMode
from shipway.verbs.prepare import build_planned, plan_project

if TYPE_CHECKING:
    from shipway.image.portable import PortableImage
    from shipway.plan.model import Layer, Plan
    from shipway.run.ready import Ready
    from shipway.verbs.context import Task
    from shipway.verbs.prepare import Prepared


def make_run_image(prepared: Prepared | None, task: Task) -> PortableImage:
    """The image of the same trees that a run mounts: without the project's files, which are mounted too.

    `prepared`: what was built just now; None: by the lock as it is.

    Raises:
        ToolError: the trees are gone and could not be built again.
    """
    if prepared is None:
        prepared = build_planned(plan_project(task._replace(mode=LockMode.FROZEN), files=False), task)
    planned = replace(prepared.planned, plan=_without_files(prepared.planned.plan))
    image = make_image(planned, prepared.trees, task.emit)
    contents = layer_contents(planned.plan, prepared.trees)
    epoch = planned.plan.settings.epoch
    if any(content.came for content in contents):
        return make_stored_portable(planned.store, store_image(image, contents, epoch), task.emit)
    return make_portable(image, contents, platform=planned.plan.platform, epoch=epoch)


def make_remembered_image(prepared: Prepared | None, ready: Ready, file: str, task: Task) -> PortableImage:
    """As `make_run_image`; the launch record `file`, which holds `ready`, knows the image from now on."""
    portable = make_run_image(prepared, task)
    ids = ImageIds(portable.image.config_digest, portable.image.digest)
    if holds(ready, context=ready.context):  # another lock meanwhile would mean another image
        remember(file, ready._replace(environment=ready.environment._replace(image=ids)), task)
    return portable


def remember(file: str, ready: Ready, task: Task) -> None:
    """Write the launch record; the next start is slower where that fails, which is said."""
    try:
        write_ready(file, ready)
    except OSError as problem:
        task.emit(
            Note(f"the next start will be slower, for its record cannot be written: {problem}", "warning")
        )


def _without_files(plan: Plan) -> Plan:
    def kept(layer: Layer) -> Layer:
        return replace(layer, trees=tuple(tree for tree in layer.trees if not tree.of_host))

    layers = (kept(layer) for layer in plan.layers)
    return replace(plan, layers=tuple(layer for layer in layers if layer.trees))
