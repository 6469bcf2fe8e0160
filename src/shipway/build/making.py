"""Artifacts stream in from the network and go to the workers; manifests come back and become trees.

.debs go first, for the config delta needs all of them and takes long itself: it runs while wheels are still unpacked.
Within a kind the biggest go first, so that the last worker is not alone with one of them.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from shipway.build.artifacts import digest_of_artifact, fetch_artifacts, name_of_artifact
from shipway.build.slimming import leave_out
from shipway.build.system_job import make_system_here, plan_system
from shipway.build.unpacking import UnpackJob, unpack
from shipway.build.workers import Workers, worker_lost
from shipway.core.events import Began, Did, Ended, Note
from shipway.core.manifest import Manifest
from shipway.lock.model import Deb
from shipway.plan.model import TreeKind, TreeRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.build.context import Artifact, BuildContext
    from shipway.store.transaction import Staged

PHASE = "unpack"
Made = Manifest | tuple[Manifest, tuple[Note, ...]]
"""What a worker answers: a tree, and perhaps something to say about it."""


class Making:
    """The trees that workers make: those unpacked from one artifact each, and the config delta."""

    def __init__(self, context: BuildContext, workers: Workers) -> None:
        self._context, self._workers = context, workers
        self._running: dict[Future[Made], tuple[TreeRequest, Staged]] = {}
        self._waiting: list[tuple[bool, int, int, TreeRequest, str]] = []
        self._numbers = itertools.count()
        self._system: TreeRequest | None = None
        self._needs: set[str] = set()
        """Digests of .debs whose file, and keys of .debs whose tree, the config delta still waits for."""

    def run(self, requests: Sequence[TreeRequest], extra: Sequence[Artifact]) -> None:
        """Make the trees of `requests`; have `extra` artifacts in the store."""
        wanted: dict[str, list[TreeRequest]] = {}
        artifacts: dict[str, Artifact] = {digest_of_artifact(artifact): artifact for artifact in extra}
        for request in requests:
            if request.kind == TreeKind.SYSTEM:
                self._system = request
                self._needs.update(digest_of_artifact(one) for one in extra if isinstance(one, Deb))
                continue
            artifact = self._context.artifact(request)
            artifacts[digest_of_artifact(artifact)] = artifact
            wanted.setdefault(digest_of_artifact(artifact), []).append(request)
            if request.kind == TreeKind.DEB:
                self._needs.add(request.key)
        self._context.emit(Began(PHASE, items=len(requests)))
        try:
            # Closed by name: an error's traceback would keep the downloads going until somebody forgets it.
            with contextlib.closing(fetch_artifacts(list(artifacts.values()), self._context)) as arriving:
                for artifact, path in arriving:
                    self._needs.discard(digest_of_artifact(artifact))
                    for request in wanted.get(digest_of_artifact(artifact), ()):
                        rank = (request.kind != TreeKind.DEB, -artifact.size, next(self._numbers))
                        heapq.heappush(self._waiting, (*rank, request, path))
                    self._advance(block=False)
            while self._running or self._waiting or self._system:
                self._advance(block=True)
        except Exception:
            self._settle()
            raise
        except BaseException:
            # Whoever presses Ctrl-C does not want to wait for a job of half a minute.
            self._workers.kill()
            raise
        self._context.emit(Ended(PHASE))

    def _settle(self) -> None:
        """Something failed: let the workers finish what they write, and keep it. No job may outlive the staging folder."""
        for future in list(self._running):
            if future.cancel():
                del self._running[future]
        wait(self._running)
        for future in list(self._running):
            with contextlib.suppress(Exception):  # the first failure is what the user must hear
                self._take(future)

    def _advance(self, *, block: bool) -> None:
        """Take what is done, then keep every worker busy with one job in reserve."""
        self._fill()
        done, _ = wait(self._running, timeout=None if block else 0, return_when=FIRST_COMPLETED)
        for future in done:
            self._take(future)
        self._fill()

    def _fill(self) -> None:
        if self._system is not None and not self._needs:
            self._begin_system(self._system)
            self._system = None
        while self._waiting and len(self._running) <= self._workers.count:
            *_, request, path = heapq.heappop(self._waiting)
            staged = self._context.tx.stage(request.name)
            name = _file_name(self._context.artifact(request))
            job = UnpackJob(kind=request.kind, path=path, root=staged.root, inputs=request.inputs, name=name)
            self._running[self._workers.submit(unpack, job)] = (request, staged)

    def _begin_system(self, request: TreeRequest) -> None:
        staged = self._context.tx.stage(request.name)
        job = plan_system(request, self._context, staged)
        self._running[self._workers.submit(make_system_here, job)] = (request, staged)

    def _take(self, future: Future[Made]) -> None:
        request, staged = self._running.pop(future)
        try:
            made = future.result()
        except BrokenProcessPool as error:
            raise worker_lost() from error
        manifest, notes = made if isinstance(made, tuple) else (made, ())
        for note in notes:
            self._context.emit(note)
        manifest = leave_out(staged.root, manifest, request.inputs)
        self._context.trees[request.key] = self._context.tx.add_tree(request.inputs, staged, manifest)
        self._needs.discard(request.key)
        self._context.emit(Did(PHASE, request.name))


def _file_name(artifact: Artifact) -> str:
    return artifact.path.rpartition("/")[2] if isinstance(artifact, Deb) else name_of_artifact(artifact)
