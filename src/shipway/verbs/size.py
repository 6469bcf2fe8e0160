"""`size`: where an image's bytes are, and which of them it could do without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import NotFound
from shipway.verbs.context import LockMode
from shipway.verbs.prepare import build_planned, plan_project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.plan.model import TreeRequest
    from shipway.plan.sizes import SizedLayer, Sizes
    from shipway.store.tree import Tree
    from shipway.verbs.context import Task
    from shipway.verbs.prepare import Planned


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeResult:
    """One image."""

    name: str
    target: str
    """Empty for a finished image, which no lock of this project speaks of."""
    platform: str
    sizes: Sizes


def run_size(task: Task, image: str = "") -> SizeResult:
    """Measure the locked image, or the stored one, file, or image of an engine `image`, from the manifests of its trees.

    Raises:
        LockStale: there is no lock.
        NotFound: the image is not built, or there is no such image.
        HostileInput, HashMismatch: what a file holds contradicts itself.
        EngineError: the engine that has it does not answer.
    """
    if image:
        return _size_finished(image, task)
    planned = plan_project(task._replace(mode=LockMode.FROZEN), files=True)
    return SizeResult(
        name=planned.lock.name,
        target=planned.plan.target,
        platform=planned.plan.platform,
        sizes=measure_trees(planned, require_trees(planned, task)),
    )


def _size_finished(image: str, task: Task) -> SizeResult:
    from shipway.plan.sizes import measure
    from shipway.verbs.engine_view import STORES, view_engine_image
    from shipway.verbs.image_view import view_image

    store, _, name = image.partition(":")
    view = (
        view_engine_image(STORES[store], name, task) if store in STORES and name else view_image(image, task)
    )
    return SizeResult(
        name=view.name,
        target="",
        platform=view.facts.platform,
        sizes=measure(view.layers, (), finished=not view.ours),
    )


def require_trees(planned: Planned, task: Task) -> tuple[Tree, ...]:
    """The trees of a plan. The project's own files are copied when only they are missing, for a run needs no copy.

    Raises:
        NotFound: others are missing.
    """
    missing = [request for request in planned.requests if planned.store.find_tree(request.key) is None]
    if not all(request.of_host for request in missing):
        target = planned.plan.target
        raise NotFound(
            f"the image of target `{target}` is not built: {len(missing)} of {len(planned.requests)} trees are missing",
            hints=[f"run `shipway build -t {target}`"],
        )
    return build_planned(planned, task).trees


def measure_trees(planned: Planned, trees: Sequence[Tree]) -> Sizes:
    """The sizes of the plan's image. `trees` in the order of `planned.requests`."""
    from shipway.plan.causes import find_causes
    from shipway.plan.sizes import measure

    target = planned.lock.target(planned.plan.target, planned.plan.platform)
    return measure(sized_layers(planned, trees), find_causes(planned.lock, target))


def sized_layers(planned: Planned, trees: Sequence[Tree]) -> list[SizedLayer]:
    """The plan's layers with the manifests of their trees, with or without the project's own files."""
    from shipway.plan.model import TreeKind
    from shipway.plan.sizes import SizedLayer, SizedTree

    coming = iter(zip(planned.requests, trees, strict=True))
    has_files = len(planned.requests) == len(planned.plan.trees)

    def sized(request: TreeRequest, tree: Tree) -> SizedTree:
        name = request.members[0] if request.members else str(request.kind)
        if request.kind is TreeKind.BASE:
            name = request.name
        return SizedTree(name, str(request.kind), request.name, tree.manifest())

    return [
        SizedLayer(
            layer.name,
            layer.reason,
            tuple(sized(*next(coming)) for one in layer.trees if has_files or not one.of_host),
        )
        for layer in planned.plan.layers
    ]
