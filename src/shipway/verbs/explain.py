"""`explain`: what would be done, layer by layer, and why. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.verbs.context import LockMode, host_platform
from shipway.verbs.locking import check_lock
from shipway.verbs.prepare import plan_locked
from shipway.verbs.project import read_project, require_target

if TYPE_CHECKING:
    from shipway.plan.model import Layer, TreeRequest
    from shipway.store.store import Store
    from shipway.verbs.context import Task
    from shipway.verbs.prepare import Planned


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerWork:
    """What one layer needs."""

    name: str
    reason: str
    packages: tuple[str, ...]
    trees: int
    missing: tuple[str, ...]
    """Names of the trees to make."""
    fetch: int
    """Bytes to fetch for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainResult:
    """The steps that the next build takes."""

    folder: str
    spec: str
    """Its file; empty when inferred."""
    name: str
    target: str
    platform: str
    lock: str
    """`fresh`, `stale`, `missing`."""
    drift: tuple[str, ...]
    wishes: tuple[str, ...]
    """What the spec asks for, each with its place."""
    layers: tuple[LayerWork, ...]
    """Empty while there is no lock: layers follow from it."""
    fetch: int
    """Bytes to fetch in all."""


def run_explain(task: Task) -> ExplainResult:
    """Read spec, lock and store.

    Raises:
        SpecError, LockFormatError: they cannot be read.
    """
    project = read_project(task.directory, task.emit)
    target = require_target(project.spec, task.target)
    found = check_lock(project)
    platform = task.platform or host_platform()
    layers: tuple[LayerWork, ...] = ()
    if found.lock is not None and any(
        (one.name, one.platform) == (target.name, platform) for one in found.lock.targets
    ):
        from shipway.store.store import Store

        frozen = task._replace(mode=LockMode.FROZEN)
        store = Store.open(emit=task.emit)
        planned = plan_locked(
            project, found.lock, found, store=store, target=target.name, task=frozen, files=True
        )
        layers = _layers(planned)
    from shipway.resolve.freshness import requested_lines

    return ExplainResult(
        folder=project.folder,
        spec="" if project.inferred else project.spec.file,
        name=project.spec.name,
        target=target.name,
        platform=platform,
        lock="missing" if found.lock is None else "stale" if found.drift else "fresh",
        drift=found.drift if found.lock is not None else (),
        wishes=(f"base:{target.base}", *requested_lines(target)),
        layers=layers,
        fetch=sum(layer.fetch for layer in layers),
    )


def _layers(planned: Planned) -> tuple[LayerWork, ...]:
    requests = iter(planned.requests)
    return tuple(
        _work(layer, [next(requests) for _ in layer.trees], planned.store) for layer in planned.plan.layers
    )


def _work(layer: Layer, requests: list[TreeRequest], store: Store) -> LayerWork:
    missing = [request for request in requests if store.find_tree(request.key) is None]
    return LayerWork(
        name=layer.name,
        reason=layer.reason,
        packages=layer.packages,
        trees=len(requests),
        missing=tuple(request.name for request in missing),
        fetch=sum(request.size for request in missing),
    )
