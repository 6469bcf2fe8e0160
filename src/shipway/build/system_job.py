"""The config delta as a job for a worker: it runs while wheels are still coming in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.build.system_over import make_system_over
from shipway.build.system_tree import SystemSettings, make_system, read_part
from shipway.core.errors import BuildError
from shipway.core.events import Note
from shipway.core.platform import debian_architecture
from shipway.plan.model import TreeKind

if TYPE_CHECKING:
    from shipway.build.context import BuildContext
    from shipway.core.events import Event
    from shipway.core.manifest import Manifest
    from shipway.plan.model import TreeRequest
    from shipway.store.transaction import Staged
    from shipway.store.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemJob:
    """Every .deb with its tree, and where the delta goes."""

    debs: tuple[tuple[str, Tree], ...]
    """Path of the package file, and what it was unpacked to."""
    settings: SystemSettings
    root: str
    work: str
    base: tuple[Tree, ...] = ()
    """Of the base image, bottom first; empty where the packages are the whole system."""


def plan_system(request: TreeRequest, context: BuildContext, staged: Staged) -> SystemJob:
    """The job of `request`, whose .debs are all in the store or this transaction.

    Raises:
        BuildError: one of them is not.
    """
    trees = {
        tree.members[0]: context.trees[tree.key] for tree in context.plan.trees if tree.kind == TreeKind.DEB
    }
    debs = []
    for deb in context.lock.debs:
        if deb.id in trees:
            path = context.tx.find_blob(deb.sha256)
            if path is None:
                raise BuildError(
                    f"the package file of `{deb.name}` is not in the store", hints=["run the command again"]
                )
            debs.append((path, trees[deb.id]))
    settings = SystemSettings(
        architecture=debian_architecture(context.plan.platform), epoch=request.inputs["epoch"]
    )
    base = tuple(context.trees[tree.key] for tree in context.plan.trees if tree.kind == TreeKind.BASE)
    return SystemJob(
        debs=tuple(debs), settings=settings, root=staged.root, work=staged.path + "/work", base=base
    )


def make_system_here(job: SystemJob) -> tuple[Manifest, tuple[Note, ...]]:
    """Do `job`; also what is to be said about it.

    Raises:
        BuildError, SandboxError, NoSpace: as `make_system` and `make_system_over`.
    """
    said: list[Note] = []

    def keep(event: Event) -> None:
        if isinstance(event, Note):
            said.append(event)

    parts = [read_part(path, tree) for path, tree in job.debs]
    if job.base:
        base = [(tree.root, tree.manifest()) for tree in job.base]
        named = [(path, part) for (path, _), part in zip(job.debs, parts, strict=True)]
        return make_system_over(base, named, job.settings, job.root, job.work, emit=keep), tuple(said)
    return make_system(parts, job.settings, job.root, job.work, emit=keep), tuple(said)
