"""Whether the folders that a lock built wheels from are still what they were."""

from __future__ import annotations

import os
from collections.abc import Callable

from shipway.lock.model import Lock, Source
from shipway.sources.trees import read_folder, tree_digest
from shipway.sources.values import SourceFile

Accept = Callable[[Source, tuple[SourceFile, ...]], bool]


def find_source_drift(lock: Lock, project: str, accept: Accept | None = None) -> tuple[str, ...]:
    """A sentence for each local project of `lock` below the folder `project` whose sources changed; empty: none did.

    Reads the folders, and nothing when the lock has no local projects. `accept`: says of changed sources that they do.

    Raises:
        SpecError: a folder is gone.
    """
    drift = []
    for source in lock.sources:
        if source.kind != "local":
            continue
        files = read_folder(os.path.join(project, source.path))
        if tree_digest(files) != source.sha256 and not (accept and accept(source, files)):
            drift.append(f"the sources of `{source.name}` in `{source.path}` changed")
    return tuple(drift)
