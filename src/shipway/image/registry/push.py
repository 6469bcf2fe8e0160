"""A push: blobs in parallel, each sent only if the registry neither has it nor can take it from a repository of its own.

The manifest goes last.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from enum import StrEnum

from shipway.core.digest import Digest
from shipway.core.reference import Reference
from shipway.image.registry.client import Registry
from shipway.image.registry.model import PushBlob, Pushed, Sent

_WORKERS = 4


class _Way(StrEnum):
    PRESENT = "present"
    MOUNTED = "mounted"
    UPLOADED = "uploaded"


def push(
    registry: Registry, reference: Reference, blobs: Iterable[PushBlob], manifest: bytes, media_type: str,
    *, workers: int = _WORKERS,
) -> Pushed:  # fmt: skip
    """Send `blobs` and, when all are there, the manifest under the tag of `reference`. The first failure stops the rest.

    A registry never sees a manifest whose blobs it lacks; blobs that a failed push has sent are found there by the next one.

    Raises:
        FetchError: the registry does not do its part.
        HashMismatch: a blob's opener yields other bytes than it says.
    """
    done = send_blobs(registry, blobs, workers=workers)
    digest = registry.put_manifest(reference, manifest, media_type)
    return Pushed(
        digest=digest, sent=done.sent, uploaded=done.uploaded, mounted=done.mounted, present=done.present
    )


def send_blobs(registry: Registry, blobs: Iterable[PushBlob], *, workers: int = _WORKERS) -> Sent:
    """Have every one of `blobs` at the registry. The first failure stops the rest.

    Raises:
        FetchError, HashMismatch: as `push`.
    """
    wanted = {blob.digest: blob for blob in blobs}
    ways: dict[Digest, _Way] = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="push") as pool:
        running = {pool.submit(_send, registry, blob): blob for blob in wanted.values()}
        try:
            for future in as_completed(running):
                ways[running[future].digest] = future.result()
        except BaseException:
            registry.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise

    def taken(way: _Way) -> tuple[Digest, ...]:
        return tuple(name for name in wanted if ways[name] is way)

    return Sent(
        sent=sum(wanted[name].size for name in taken(_Way.UPLOADED)),
        uploaded=taken(_Way.UPLOADED),
        mounted=taken(_Way.MOUNTED),
        present=taken(_Way.PRESENT),
    )


def _send(registry: Registry, blob: PushBlob) -> _Way:
    if registry.has_blob(blob.digest):
        return _Way.PRESENT
    for repository in blob.mount_from:
        if registry.mount_blob(blob.digest, repository):
            return _Way.MOUNTED
    registry.push_blob(blob.digest, blob.size, blob.open, name=blob.name)
    return _Way.UPLOADED
