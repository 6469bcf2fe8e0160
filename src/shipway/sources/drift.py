"""Whether the folders that a lock built wheels from are still what they were."""

from __future__ import annotations

import os

from shipway.lock.model import Lock
from shipway.sources.trees import read_folder, tree_digest


def find_source_drift(lock: Lock, project: str) -> tuple[str, ...]:
    """A sentence for each local project of `lock` below the folder `project` whose sources changed; empty: none did.

    Reads the folders, and nothing when the lock has no local projects.

    Raises:
        SpecError: a folder is gone.
    """
    return tuple(
        f"the sources of `{source.name}` in `{source.path}` changed"
        for source in lock.sources
        if source.kind == "local"
        and tree_digest(read_folder(os.path.join(project, source.path))) != source.sha256
    )
