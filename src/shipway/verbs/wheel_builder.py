"""Wheels built while locking: the base of the target, as far as it is locked by then, and the sandbox over it."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from shipway.core.digest import BlobDigest, key_of
from shipway.core.errors import BuildError, FetchError

if TYPE_CHECKING:
    from shipway.build.context import Locate
    from shipway.build.wheel_build import Built
    from shipway.core.events import Emit
    from shipway.host.http import Fetcher
    from shipway.lock.model import Lock
    from shipway.plan.model import TreeRequest
    from shipway.resolve.wheel_builder import BuiltWheel, WheelJob
    from shipway.store.store import Store

_KIND = "wheel-build"


class SandboxWheelBuilder:
    """A `WheelBuilder`. `lock` holds the OS packages and interpreters of all targets, and no wheels yet."""

    def __init__(
        self, *, lock: Lock, store: Store, fetcher: Fetcher, locate: Locate, project: str, emit: Emit
    ) -> None:
        self._lock, self._store, self._fetcher, self._locate = lock, store, fetcher, locate
        self._project, self._emit = project, emit

    def build_wheel(self, job: WheelJob) -> BuiltWheel:
        """The wheel of `job`; what was built before from the same inputs is taken from the store.

        Raises:
            BuildError: it cannot be built here, or the build failed.
            FetchError, SandboxError, NoSpace: as for any build.
        """
        from shipway.plan.model import TreeKind
        from shipway.plan.target import plan_target
        from shipway.resolve.wheel_builder import BuiltWheel

        self._require_platform(job)
        plan = plan_target(self._lock, job.request.target, job.request.platform)
        base = [tree for tree in plan.trees if tree.kind in (TreeKind.DEB, TreeKind.SYSTEM, TreeKind.PYTHON)]
        key = _key(job, base)
        known = self._store.record(_KIND, key)
        if known:
            digest = BlobDigest(str(known["sha256"]))
            path = self._store.find_blob(digest)
            if path:
                size = os.path.getsize(path)
                return BuiltWheel(filename=str(known["filename"]), path=path, sha256=digest, size=size)
        built = self._build(job, base)
        if built.needs:
            return BuiltWheel(needs=built.needs)
        path = self._keep(built)
        self._store.put_record(_KIND, key, {"filename": built.filename, "sha256": str(built.sha256)})
        return BuiltWheel(filename=built.filename, path=path, sha256=built.sha256, size=len(built.data))

    def _build(self, job: WheelJob, base: list[TreeRequest]) -> Built:
        from shipway.build.builder import build_trees
        from shipway.build.wheel_build import build_in
        from shipway.plan.target import plan_target

        plan = plan_target(self._lock, job.request.target, job.request.platform)
        trees = build_trees(
            plan,
            base,
            lock=self._lock,
            store=self._store,
            fetcher=self._fetcher,
            locate=self._locate,
            project=self._project,
            emit=self._emit,
        )
        python = self._lock.target(job.request.target, job.request.platform).python
        with (
            self._store.transaction() as tx,
            tempfile.TemporaryDirectory(dir=tx.stage("wheel").path) as scratch,
        ):
            wheels = []
            for wheel in job.requires:
                path = os.path.join(scratch, wheel.filename)
                self._fetcher.fetch(
                    self._locate(wheel), path, wheel.sha256, wheel.size or None, name=wheel.filename
                )
                wheels.append(path)
            return build_in(
                trees,
                python.executable if python else "/usr/bin/python3",
                job.files,
                wheels,
                label=f"`{job.name} {job.version}`".replace(" `", "`"),
                scratch=scratch,
                subdirectory=job.subdirectory,
                emit=self._emit,
            )

    def _keep(self, built: Built) -> str:
        """The wheel as a blob of the store."""
        with self._store.transaction() as tx:
            staged = tx.blob_staging_path(built.sha256)
            with open(staged, "wb") as file:
                file.write(built.data)
            tx.add_blob(staged, built.sha256)
            tx.commit()
        found = self._store.find_blob(built.sha256)
        if found is None:
            raise FetchError(f"`{built.filename}` vanished from the store", hints=["run the command again"])
        return found

    def _require_platform(self, job: WheelJob) -> None:
        from shipway.core.platform import platform_of_machine

        here = platform_of_machine(os.uname().machine)
        if job.request.platform != here:
            raise BuildError(
                f"`{job.name}` has no wheel for {job.request.platform}, and this machine can build for {here} only",
                hints=[
                    "ask for a version that has a wheel",
                    f"or lock on a machine of {job.request.platform}",
                ],
            )


def _key(job: WheelJob, base: list[TreeRequest]) -> str:
    """What decides the bytes of the wheel."""
    from shipway.sources.trees import tree_digest

    return key_of(
        {
            "driver": 1,
            "files": tree_digest(job.files),
            "subdirectory": job.subdirectory,
            "requires": sorted(wheel.sha256 for wheel in job.requires),
            "base": [tree.key for tree in base],
            "python": job.request.python,
        }
    )
