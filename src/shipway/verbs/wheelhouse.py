"""Who builds wheels while a spec is locked: the target's own OS packages and interpreter, in the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipway.build.builder import build_trees
from shipway.build.wheel_build import bring_wheel, build_in
from shipway.core.digest import BlobDigest, key_of
from shipway.core.errors import BuildError
from shipway.plan.model import TreeKind
from shipway.plan.target import plan_target
from shipway.resolve.wheel_builder import BuiltWheel
from shipway.sources.trees import tree_digest
from shipway.verbs.context import host_platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.build.context import Locate
    from shipway.core.events import Emit
    from shipway.host.http import Fetcher
    from shipway.lock.model import Lock
    from shipway.resolve.wheel_builder import WheelJob
    from shipway.store.store import Store
    from shipway.store.tree import Tree

_RECORD = "wheel-build"
_BASE = (TreeKind.BASE, TreeKind.DEB, TreeKind.SYSTEM, TreeKind.PYTHON)


class Wheelhouse:
    """Builds by what `lock` holds so far: OS packages and interpreters, made when the first wheel is asked for."""

    def __init__(
        self, lock: Lock, *, store: Store, fetcher: Fetcher, locate: Locate, project: str, emit: Emit
    ) -> None:
        self._lock, self._store, self._fetcher = lock, store, fetcher
        self._locate, self._project, self._emit = locate, project, emit
        self._trees: dict[tuple[str, str], list[Tree]] = {}

    def build_wheel(self, job: WheelJob) -> BuiltWheel:
        """The wheel of `job`.

        Raises:
            BuildError: the build failed, or its platform is not this machine's.
            SandboxError: the host refuses.
        """
        target, platform = job.request.target, job.request.platform
        if platform != host_platform():
            raise BuildError(
                f"`{job.name}` must be built from its sources, and nothing for {platform} can be built on this machine",
                hints=["lock on such a machine", "ask for a version that has a wheel"],
            )
        python = self._lock.target(target, platform).python
        if python is None:
            raise BuildError(
                f"target `{target}` has no interpreter to build `{job.name}` with",
                hints=["run `shipway lock`"],
            )
        trees = self._base(target, platform)
        key = key_of(_inputs(job, python.executable, trees)).hex
        known = self._remembered(key)
        if known is not None:
            return known
        with self._store.transaction() as tx:
            scratch = tx.stage(job.name).path
            built = build_in(
                trees,
                python.executable,
                job.files,
                [
                    bring_wheel(
                        wheel,
                        scratch,
                        known=self._store.find_blob(wheel.sha256),
                        fetcher=self._fetcher,
                        locate=self._locate,
                    )
                    for wheel in job.requires
                ],
                label=f"`{job.name} {job.version}`" if job.version else f"`{job.name}`",
                scratch=scratch,
                subdirectory=job.subdirectory,
                emit=self._emit,
            )
            if built.needs:
                return BuiltWheel(needs=built.needs)
            tx.put_record(
                _RECORD, key, {"filename": built.filename, "sha256": built.sha256, "size": len(built.data)}
            )
            staged = tx.blob_staging_path(built.sha256)
            with open(staged, "wb") as stream:
                stream.write(built.data)
            tx.add_blob(staged, built.sha256)
            tx.commit()
        path = self._store.find_blob(built.sha256) or ""
        return BuiltWheel(filename=built.filename, path=path, sha256=built.sha256, size=len(built.data))

    def _remembered(self, key: str) -> BuiltWheel | None:
        """What the same build gave before, if its wheel is still there."""
        record = self._store.record(_RECORD, key)
        path = self._store.find_blob(BlobDigest(record["sha256"])) if record else None
        if record is None or path is None:
            return None
        return BuiltWheel(
            filename=record["filename"], path=path, sha256=BlobDigest(record["sha256"]), size=record["size"]
        )

    def _base(self, target: str, platform: str) -> Sequence[Tree]:
        if (target, platform) not in self._trees:
            plan = plan_target(self._lock, target, platform)
            requests = [request for request in plan.trees if request.kind in _BASE]
            self._trees[target, platform] = build_trees(
                plan,
                requests,
                lock=self._lock,
                store=self._store,
                fetcher=self._fetcher,
                locate=self._locate,
                project=self._project,
                emit=self._emit,
            ).trees
        return self._trees[target, platform]


def _inputs(job: WheelJob, executable: str, trees: Sequence[Tree]) -> dict[str, Any]:
    """Everything that decides the result of a build."""
    return {
        "wheel-build": 1,
        "files": tree_digest(job.files),
        "subdirectory": job.subdirectory,
        "requires": sorted(wheel.sha256 for wheel in job.requires),
        "executable": executable,
        "trees": [tree.key for tree in trees],
    }
