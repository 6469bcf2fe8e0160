"""`build`: have every tree of a target, and the image that they make."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shipway.core.events import Note
from shipway.verbs.history import remember_build
from shipway.verbs.images import require_name
from shipway.verbs.prepare import build_planned, plan_project

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipway.core.events import Emit
    from shipway.image.assemble import LayerContent
    from shipway.image.oci import Image
    from shipway.plan.model import Layer, Plan
    from shipway.store.tree import Tree
    from shipway.verbs.context import Task
    from shipway.verbs.prepare import Planned, Prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """One image that is there, or would be made."""

    name: str
    target: str
    platform: str
    digest: str
    """Of the image manifest; empty for a dry run."""
    config_digest: str
    layers: int
    built: int
    """Trees made now, or to be made."""
    trees: int
    missing: tuple[str, ...] = ()
    """Of a dry run: names of the trees to make."""
    tag: str = ""
    """What the image is called in the store, if it was to be."""


def run_build(task: Task, *, name: str = "", dry_run: bool = False) -> BuildResult:
    """Lock, plan, fetch, build, assemble, pin, and let `name` mean the image, if there is one.

    Raises:
        ToolError: `name` is none of an image (USAGE), or any step failed; what was finished is kept.
    """
    tag = require_name(name).text if name else ""
    planned = plan_project(task, files=True)
    if dry_run:
        return replace(_would_build(planned), tag=tag)
    prepared = build_planned(planned, task)
    planned = prepared.planned
    if prepared.built:
        from shipway.build.clashes import describe_clashes

        for sentence in describe_clashes(planned.requests, prepared.trees):
            task.emit(Note(sentence, "warning"))
    image = make_image(planned, prepared.trees, task.emit)
    keep(prepared)
    remember_build(planned.project.folder, planned)
    if tag:
        from shipway.image.names import put_name
        from shipway.image.stored import store_image

        contents = layer_contents(planned.plan, prepared.trees)
        put_name(planned.store, tag, store_image(image, contents, planned.plan.settings.epoch))
    return BuildResult(
        name=planned.lock.name,
        target=planned.plan.target,
        platform=planned.plan.platform,
        digest=image.digest,
        config_digest=image.config_digest,
        layers=len(image.layers),
        built=prepared.built,
        trees=len(prepared.trees),
        tag=tag,
    )


def _would_build(planned: Planned) -> BuildResult:
    missing = tuple(
        request.name for request in planned.requests if planned.store.find_tree(request.key) is None
    )
    return BuildResult(
        name=planned.lock.name,
        target=planned.plan.target,
        platform=planned.plan.platform,
        digest="",
        config_digest="",
        layers=len(planned.plan.layers),
        built=len(missing),
        trees=len(planned.requests),
        missing=missing,
    )


def make_image(planned: Planned, trees: Sequence[Tree], emit: Emit) -> Image:
    """The image of a plan whose trees are all there. `trees` in the order of `planned.requests`."""
    from shipway.image.assemble import assemble
    from shipway.image.oci import ImageConfig

    settings = planned.plan.settings
    config = ImageConfig(
        platform=planned.plan.platform,
        env=settings.env,
        workdir=settings.workdir,
        command=settings.command,
        epoch=settings.epoch,
        labels=settings.labels,
        user=settings.user,
        entrypoint=settings.entrypoint,
    )
    return assemble(planned.store, layer_contents(planned.plan, trees), config, emit)


def layer_contents(plan: Plan, trees: Iterable[Tree]) -> tuple[LayerContent, ...]:
    """The plan's layers with their trees, which come in the plan's order."""
    from shipway.image.assemble import CameLayer, LayerContent

    def came(layer: Layer) -> CameLayer | None:
        one = layer.came
        if one is None:
            return None
        return CameLayer(diff_id=one.diff_id, blob=one.sha256, media_type=one.media_type, size=one.unpacked)

    coming = iter(trees)
    return tuple(
        LayerContent(
            name=layer.name,
            trees=tuple(next(coming) for _ in layer.trees),
            packages=layer.packages,
            reason=layer.reason,
            came=came(layer),
        )
        for layer in plan.layers
    )


def find_image(planned: Planned, emit: Emit) -> Image | None:
    """The image, if all its trees are in the store."""
    from shipway.build.builder import find_trees

    trees = find_trees(planned.store, planned.requests)
    return None if trees is None else make_image(planned, trees, emit)


def keep(prepared: Prepared) -> None:
    """Pin what the project needs now, so that no collection takes it."""
    from shipway.core.digest import LockDigest
    from shipway.lock.render import render_lock

    planned = prepared.planned
    lock_digest = LockDigest.of(render_lock(planned.lock).encode())
    keys = [request.key for request in planned.requests]
    target = f"{planned.plan.target} {planned.plan.platform}"
    locked = planned.lock.target(planned.plan.target, planned.plan.platform)
    if locked.data:
        from shipway.verbs.data_trees import data_keys

        keys += data_keys(planned.lock, locked)
    blobs = [layer.came.sha256 for layer in planned.plan.layers if layer.came]
    planned.store.pin(planned.project.folder, keys, lock_digest, target=target, blobs=blobs)
