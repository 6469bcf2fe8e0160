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
    from shipway.verbs.run import RunWords

_NATIVE = "native"


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
    files: bool = False
    """The project's own files, which a run mounts instead."""


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
    engine: str = ""
    """What would run the container; empty when nobody asked how: our own engine, and no command."""
    run: tuple[str, ...] = ()
    """The run in words and the engine's exact line; empty while something is to be built first, or without a command."""


def run_explain(task: Task, *, words: RunWords | None = None) -> ExplainResult:
    """Read spec, lock and store. `words`: say also how a container would be run, if by another engine or with a command.

    Raises:
        SpecError, LockFormatError: they cannot be read.
        EngineError: the engine cannot do what the spec asks of it.
    """
    project = read_project(task.directory, task.emit)
    target = require_target(project.spec, task.target)
    found = check_lock(project)
    platform = task.platform or host_platform()
    layers: tuple[LayerWork, ...] = ()
    command: tuple[str, ...] = ()
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
        command = planned.plan.settings.command
    from shipway.resolve.freshness import requested_lines

    engine = "" if words is None else _asked_engine(words, target.run.engine)
    ready = bool(layers) and not found.drift and all(not layer.missing or layer.files for layer in layers)
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
        engine=engine,
        run=_describe_start(words, task) if words and engine and ready and (words.argv or command) else (),
    )


def _asked_engine(words: RunWords, of_spec: str) -> str:
    engine = words.engine or of_spec or _NATIVE
    return engine if words.argv or engine != _NATIVE else ""


def _describe_start(words: RunWords, task: Task) -> tuple[str, ...]:
    from shipway.verbs.run import run_command

    return run_command(words, task, dry_run=True).plan


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
        files=all(tree.of_host for tree in layer.trees),
    )
