"""`inspect`: the image that the lock means, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shipway.verbs.build import find_image
from shipway.verbs.context import LockMode
from shipway.verbs.prepare import build_planned, plan_project

if TYPE_CHECKING:
    from shipway.verbs.context import Task
    from shipway.verbs.prepare import Planned


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerView:
    """One layer."""

    name: str
    diff_id: str
    """Empty while it is not built."""
    size: int | None
    """Bytes of the uncompressed layer; None while it is not built."""
    reason: str
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectResult:
    """One image, from the bottom up."""

    name: str
    target: str
    """Empty for a stored image."""
    platform: str
    base: str
    digest: str
    """Of the manifest; empty while the image is not built."""
    config_digest: str
    size: int | None
    """Bytes of all layers."""
    env: tuple[tuple[str, str], ...]
    workdir: str
    command: tuple[str, ...]
    layers: tuple[LayerView, ...]
    stale: tuple[str, ...]
    """What changed in the spec since the lock was made."""


def run_inspect(task: Task) -> InspectResult:
    """Describe the locked image. Changes nothing in the project; digests need the image to be built.

    Raises:
        LockStale: there is no lock.
    """
    return describe_image(plan_project(task._replace(mode=LockMode.FROZEN), files=True), task)


def inspect_stored(task: Task, image: str) -> InspectResult:
    """Describe the stored image that `image` names, ours or of others.

    Raises:
        NotFound: there is none.
    """
    from shipway.verbs.images import open_store, require_image

    found = require_image(open_store(task.emit), image)
    facts = found.image.facts()
    layers = [
        LayerView(
            name=layer.name,
            diff_id=layer.diff_id,
            size=layer.size,
            reason=layer.reason,
            packages=layer.packages,
        )
        for layer in found.image.layers
    ]
    return InspectResult(
        name=found.name,
        target="",
        platform=facts.platform,
        base="",
        digest=found.image.digest,
        config_digest=found.image.config_digest,
        size=found.image.size,
        env=facts.env,
        workdir=facts.workdir,
        command=(*facts.entrypoint, *facts.command),
        layers=tuple(layers),
        stale=(),
    )


def _lacks_only_files(planned: Planned) -> bool:
    """Whether all that is missing is the copy of the project's own files: a run does not need it, and it costs nothing."""
    missing = [request for request in planned.requests if planned.store.find_tree(request.key) is None]
    return bool(missing) and all(request.of_host for request in missing)


def describe_image(planned: Planned, task: Task) -> InspectResult:
    """The image of a plan, with digests if all trees are there."""
    if _lacks_only_files(planned):
        build_planned(planned, task)
    image = find_image(planned, task.emit)
    layers = [
        LayerView(name=layer.name, diff_id="", size=None, reason=layer.reason, packages=layer.packages)
        for layer in planned.plan.layers
    ]
    if image is not None:
        layers = [
            replace(view, diff_id=layer.diff_id, size=layer.size)
            for view, layer in zip(layers, image.layers, strict=True)
        ]
    settings = planned.plan.settings
    return InspectResult(
        name=planned.lock.name,
        target=planned.plan.target,
        platform=planned.plan.platform,
        base=planned.lock.target(planned.plan.target, planned.plan.platform).base,
        digest=image.digest if image else "",
        config_digest=image.config_digest if image else "",
        size=sum(layer.size for layer in image.layers) if image else None,
        env=settings.env,
        workdir=settings.workdir,
        command=settings.command,
        layers=tuple(layers),
        stale=planned.freshness.drift,
    )
