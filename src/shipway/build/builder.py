"""Plan -> trees in the store: what is missing is fetched, unpacked and configured, each as soon as what it needs is there.

Write order: trees are staged while they are made; `commit` makes them exist. A build that fails or is interrupted commits what
was finished, so nothing is done twice.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from shipway.build.context import Artifact, BuildContext, Locate
from shipway.build.making import Making
from shipway.build.recipes import make_late_tree
from shipway.build.workers import Workers
from shipway.core.digest import key_of
from shipway.core.errors import ToolError
from shipway.core.events import Emit
from shipway.lock.model import Wheel
from shipway.plan.model import TreeKind, TreeRequest
from shipway.store.ready import find_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipway.host.http import Fetcher
    from shipway.lock.model import Lock
    from shipway.plan.model import Plan
    from shipway.store.store import Store
    from shipway.store.tree import Tree

_FROM_ARTIFACT = (TreeKind.DEB, TreeKind.WHEEL, TreeKind.PYTHON)


class Built(NamedTuple):
    """What a build gave."""

    trees: list[Tree]
    """In the order that they were asked for."""
    made: int
    """How many of them this build made; another one may have been faster."""


def find_trees(store: Store, requests: Sequence[TreeRequest]) -> list[Tree] | None:
    """The trees of `requests`, bottom first, if the store has them all; the way of a run that has nothing to build."""
    found = find_all(store, [request.key for request in requests])
    return [tree for tree in found if tree] if all(found) else None


def build_trees(
    plan: Plan,
    requests: Sequence[TreeRequest],
    *,
    lock: Lock,
    store: Store,
    fetcher: Fetcher,
    locate: Locate,
    project: str,
    emit: Emit,
) -> Built:
    """The trees of `requests` (some of the plan's, bottom first), made where they are missing.

    Two builds of one plan at once make each tree once: the second waits and finds it.

    Raises:
        Vanished, FetchError, HashMismatch, OfflineError: an artifact cannot be had.
        HostileInput: an artifact breaks the rules.
        BuildError: a script or command failed.
        NoSpace, StoreError, SandboxError: the host refuses.
    """
    with Workers() as workers, store.transaction() as tx:
        context = BuildContext(
            store=store,
            tx=tx,
            lock=lock,
            plan=plan,
            requests=tuple(requests),
            project=project,
            fetcher=fetcher,
            locate=locate,
            emit=emit,
        )
        # One flight for the whole plan: its own key, which no tree has.
        flight = key_of({"build": 1, "trees": [request.key for request in requests]})
        with tx.single_flight(flight), _committing_what_is_done(context):
            made = _make_missing(requests, context, workers)
        return Built([context.trees[request.key] for request in requests], made)


@contextlib.contextmanager
def _committing_what_is_done(context: BuildContext) -> Iterator[None]:
    try:
        yield
    except BaseException:
        # The first failure is what the user must hear; a second one (a full disk, say) would only hide it.
        with contextlib.suppress(ToolError):
            context.tx.commit()
        raise
    context.tx.commit()


def _make_missing(requests: Sequence[TreeRequest], context: BuildContext, workers: Workers) -> int:
    """Make what is missing; how many trees that were."""
    missing = [request for request in requests if context.find(request) is None]
    if not missing:
        return 0
    early = [request for request in missing if _is_made_by_workers(request, context)]
    late = [request for request in missing if request not in early]
    Making(context, workers).run(early, _extra_artifacts(missing, context))
    for request in late:
        context.trees[request.key] = make_late_tree(request, context)
    return len(missing)


def _is_made_by_workers(request: TreeRequest, context: BuildContext) -> bool:
    """Whether nothing but its artifact is needed: bytecode needs the interpreter inside, a built wheel its build."""
    if request.kind == TreeKind.WHEEL:
        return (
            not request.inputs["bytecode"]
            and isinstance(context.artifact(request), Wheel)
            and bool(context.wheel(request).index)
        )
    return request.kind in (*_FROM_ARTIFACT, TreeKind.SYSTEM)


def _extra_artifacts(missing: Sequence[TreeRequest], context: BuildContext) -> list[Artifact]:
    """Artifacts that trees read besides their own: the control files of all .debs for the config delta."""
    extra: list[Artifact] = []
    for request in missing:
        if request.kind == TreeKind.SYSTEM:
            wanted = set(context.target.debs)
            extra += [deb for deb in context.lock.debs if deb.id in wanted]
        elif request.kind == TreeKind.WHEEL and context.wheel(request).index:
            extra.append(context.wheel(request))
    return extra
