"""Fetching many blobs at once, into files that the caller names."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

from shipway.image.registry.client import Registry
from shipway.image.registry.model import Descriptor

_WORKERS = 4


def fetch_blobs(
    registry: Registry, wanted: Iterable[tuple[Descriptor, str]], *, workers: int = _WORKERS
) -> Generator[tuple[Descriptor, str], None, None]:
    """Fetch each descriptor's blob to its path, and yield both as they are complete and verified.

    The first failure stops the rest and is raised; unfinished files are removed.

    Raises:
        NotFound, HashMismatch, FetchError, NoSpace: as `Registry.fetch_blob`.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="pull") as pool:
        running: dict[Future[None], tuple[Descriptor, str]] = {
            pool.submit(registry.fetch_blob, it.digest, it.size, path): (it, path) for it, path in wanted
        }
        try:
            for future in as_completed(running):
                future.result()
                yield running[future]
        except BaseException:
            registry.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
