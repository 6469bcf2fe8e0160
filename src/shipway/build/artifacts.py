"""Artifacts on their way into the store: what is missing is fetched in parallel, and each is handed on as it completes."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from shipway.core.digest import BlobDigest
from shipway.core.errors import FetchError, Vanished
from shipway.core.events import Began, Ended
from shipway.host.http import NotOffered
from shipway.lock.model import BaseLayer, DataFile, Deb, PythonLock

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from shipway.build.context import Artifact, BuildContext

PHASE = "fetch"
_WORKERS = 12
"""Requests are short and latency rules; the transfer itself is bounded by the line."""


def digest_of_artifact(artifact: Artifact) -> BlobDigest:
    """What `artifact` must hash to."""
    if artifact.sha256 is None:
        raise FetchError(
            f"`{name_of_artifact(artifact)}` has no digest in the lock", hints=["run `shipway lock`"]
        )
    return artifact.sha256


def name_of_artifact(artifact: Artifact) -> str:
    """`artifact` for people."""
    if isinstance(artifact, PythonLock):
        return artifact.filename
    if isinstance(artifact, Deb):
        return f"{artifact.name} {artifact.version}"
    if isinstance(artifact, BaseLayer):
        return f"base layer {artifact.diff_id.hex[:12]}"
    if isinstance(artifact, DataFile):
        return artifact.path
    return artifact.filename or artifact.id


def fetch_artifacts(artifacts: Sequence[Artifact], context: BuildContext) -> Generator[tuple[Artifact, str]]:
    """Each of `artifacts` with the path of its verified bytes: first those at hand, then as they arrive.

    .debs are asked for first, and big artifacts before small ones.

    Raises:
        Vanished: some are offered nowhere; names all of them, after everything else was fetched.
        FetchError, HashMismatch, OfflineError, NoSpace: as `Fetcher.fetch`.
    """
    missing = []
    for artifact in artifacts:
        path = context.store.find_blob(digest_of_artifact(artifact))
        if path is None:
            missing.append(artifact)
        else:
            yield artifact, path
    if missing:
        context.emit(Began(PHASE, items=len(missing), size=sum(one.size for one in missing)))
        yield from _fetch_missing(missing, context)
        context.emit(Ended(PHASE))


def _fetch_missing(missing: list[Artifact], context: BuildContext) -> Generator[tuple[Artifact, str]]:
    gone: list[str] = []
    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="fetch")
    try:
        ordered = sorted(missing, key=lambda artifact: (not isinstance(artifact, Deb), -artifact.size))
        running: dict[Future[str], Artifact] = {pool.submit(_fetch, one, context): one for one in ordered}
        for future in as_completed(running):
            artifact = running[future]
            try:
                yield artifact, future.result()
            except NotOffered:
                gone.append(name_of_artifact(artifact))
    except BaseException:
        # Whoever waits for Ctrl-C to work should not wait for a big wheel.
        context.fetcher.stop()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    if gone:
        raise vanished(gone)


def _fetch(artifact: Artifact, context: BuildContext) -> str:
    digest = digest_of_artifact(artifact)
    path = context.tx.blob_staging_path(digest)
    name = name_of_artifact(artifact)
    context.fetcher.fetch(
        context.locate(artifact), path, digest, artifact.size or None, phase=PHASE, name=name
    )
    return context.tx.add_blob(path, digest)


def vanished(names: list[str]) -> Vanished:
    """The error for artifacts of these names that nobody offers."""
    listed = ", ".join(f"`{name}`" for name in sorted(names))
    return Vanished(
        f"no mirror, index, cache or snapshot has {listed} any more",
        names=sorted(names),
        hints=[
            "run `shipway lock --repair`: it replaces only what vanished",
            "or add `--repair` to this command",
        ],
    )
