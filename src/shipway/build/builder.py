"""Plan -> trees in the store: what is missing is fetched, unpacked and configured, each as soon as what it needs is there.

Write order: trees are staged while they are made; `commit` makes them exist. A build that fails or is interrupted commits what
was finished, so nothing is done twice.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from shipway.build.artifacts import digest_of_artifact, fetch_artifacts, name_of_artifact
from shipway.build.context import Artifact, BuildContext, Locate
from shipway.build.recipes import make_late_tree
from shipway.build.system_job import make_system_here, plan_system
from shipway.build.unpacking import UnpackJob, unpack
from shipway.build.workers import Workers, worker_lost
from shipway.core.digest import key_of
from shipway.core.errors import ToolError
from shipway.core.events import Began, Did, Emit, Ended, Note
from shipway.core.manifest import Manifest
from shipway.lock.model import Deb, Wheel
from shipway.plan.model import TreeKind, TreeRequest
from shipway.store.ready import find_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipway.host.http import Fetcher
    from shipway.lock.model import Lock
    from shipway.plan.model import Plan
    from shipway.store.store import Store
    from shipway.store.transaction import Staged
    from shipway.store.tree import Tree

PHASE = "unpack"
Made = Manifest | tuple[Manifest, tuple[Note, ...]]
"""What a worker answers: a tree, and perhaps something to say about it."""
_FROM_ARTIFACT = (TreeKind.DEB, TreeKind.WHEEL, TreeKind.PYTHON)


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
) -> list[Tree]:
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
            _make_missing(requests, context, workers)
        return [context.trees[request.key] for request in requests]


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


def _make_missing(requests: Sequence[TreeRequest], context: BuildContext, workers: Workers) -> None:
    missing = [request for request in requests if context.find(request) is None]
    if not missing:
        return
    early = [request for request in missing if _is_made_by_workers(request, context)]
    late = [request for request in missing if request not in early]
    _Making(context, workers).run(early, _extra_artifacts(missing, context))
    for request in late:
        context.trees[request.key] = make_late_tree(request, context)


def _is_made_by_workers(request: TreeRequest, context: BuildContext) -> bool:
    """Whether nothing but its artifact is needed: bytecode needs the interpreter inside, a built wheel its build."""
    if request.kind == TreeKind.WHEEL:
        return (
            not request.inputs["bytecode"]
            and isinstance(_artifact(request, context), Wheel)
            and bool(_wheel(request, context).index)
        )
    return request.kind in (*_FROM_ARTIFACT, TreeKind.SYSTEM)


def _extra_artifacts(missing: Sequence[TreeRequest], context: BuildContext) -> list[Artifact]:
    """Artifacts that trees read besides their own: the control files of all .debs for the config delta."""
    extra: list[Artifact] = []
    for request in missing:
        if request.kind == TreeKind.SYSTEM:
            wanted = set(context.target.debs)
            extra += [deb for deb in context.lock.debs if deb.id in wanted]
        elif request.kind == TreeKind.WHEEL and _wheel(request, context).index:
            extra.append(_wheel(request, context))
    return extra


def _artifact(request: TreeRequest, context: BuildContext) -> Artifact:
    if request.kind == TreeKind.PYTHON:
        python = context.target.python
        assert python is not None
        return python
    (member,) = request.members
    found = next((deb for deb in context.lock.debs if deb.id == member), None)
    return found or _wheel(request, context)


def _wheel(request: TreeRequest, context: BuildContext) -> Wheel:
    (member,) = request.members
    return next(wheel for wheel in context.lock.wheels if wheel.id == member)


class _Making:
    """Artifacts stream in from the network and go to the workers; manifests come back and become trees.

    The config delta is begun as soon as the last .deb is unpacked, while wheels still come in.
    """

    def __init__(self, context: BuildContext, workers: Workers) -> None:
        self._context, self._workers = context, workers
        self._running: dict[Future[Made], tuple[TreeRequest, Staged]] = {}
        self._system: TreeRequest | None = None

    def run(self, requests: Sequence[TreeRequest], extra: Sequence[Artifact]) -> None:
        """Make the trees of `requests`; have `extra` artifacts in the store."""
        wanted: dict[str, list[TreeRequest]] = {}
        artifacts: dict[str, Artifact] = {}
        for request in requests:
            if request.kind == TreeKind.SYSTEM:
                self._system = request
                continue
            artifact = _artifact(request, self._context)
            artifacts[digest_of_artifact(artifact)] = artifact
            wanted.setdefault(digest_of_artifact(artifact), []).append(request)
        artifacts |= {digest_of_artifact(artifact): artifact for artifact in extra}
        self._context.emit(Began(PHASE, items=len(requests)))
        for artifact, path in fetch_artifacts(list(artifacts.values()), self._context):
            for request in wanted.get(digest_of_artifact(artifact), ()):
                self._submit(request, artifact, path)
            self._collect(block=False)
        self._begin_system()
        while self._running:
            self._collect(block=True)
        self._context.emit(Ended(PHASE))

    def _submit(self, request: TreeRequest, artifact: Artifact, path: str) -> None:
        staged = self._context.tx.stage(request.name)
        name = _file_name(artifact)
        job = UnpackJob(kind=request.kind, path=path, root=staged.root, inputs=request.inputs, name=name)
        self._running[self._workers.submit(unpack, job)] = (request, staged)

    def _begin_system(self) -> None:
        """Hand the config delta to a worker once every .deb has its tree and its file."""
        request, context = self._system, self._context
        if request is None or not all(
            tree.key in context.trees for tree in context.plan.trees if tree.kind == TreeKind.DEB
        ):
            return
        if not all(
            context.tx.find_blob(deb.sha256)
            for deb in context.lock.debs
            if deb.id in set(context.target.debs)
        ):
            return
        self._system = None
        staged = context.tx.stage(request.name)
        job = plan_system(request, context, staged)
        self._running[self._workers.submit(make_system_here, job)] = (request, staged)

    def _collect(self, *, block: bool) -> None:
        done, _ = wait(self._running, timeout=None if block else 0, return_when=FIRST_COMPLETED)
        for future in done:
            request, staged = self._running.pop(future)
            try:
                made = future.result()
            except BrokenProcessPool as error:
                raise worker_lost() from error
            manifest, notes = made if isinstance(made, tuple) else (made, ())
            for note in notes:
                self._context.emit(note)
            self._context.trees[request.key] = self._context.tx.add_tree(request.inputs, staged, manifest)
            self._context.emit(Did(PHASE, request.name))
        if done:
            self._begin_system()


def _file_name(artifact: Artifact) -> str:
    return artifact.path.rpartition("/")[2] if isinstance(artifact, Deb) else name_of_artifact(artifact)
