"""Running something in an environment at build time for its answer alone: what it writes is thrown away."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.build.merge import merge_trees
from shipway.build.sandboxed import Job, needs_merged_root, run_over
from shipway.core.events import Emit, silent
from shipway.host import files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.sandbox.launch import Captured
    from shipway.store.tree import Tree


def run_inside(trees: Sequence[Tree], job: Job, scratch: str, *, emit: Emit = silent) -> Captured:
    """Run `job` over `trees` (bottom first). `scratch`: a folder that may be filled; what is made there is gone afterwards.

    Raises:
        SandboxError: the host refuses.
        NoSpace: the disk is full.
    """
    place = os.path.join(scratch, "inside")
    upper, work, merged = (os.path.join(place, name) for name in ("upper", "work", "merged"))
    with files.translating_disk_errors(f"run `{job.argv[0]}` in the environment"):
        for folder in (place, upper):
            os.mkdir(folder)
        stacked = [(tree.root, tree.manifest()) for tree in trees]
        try:
            if needs_merged_root():
                os.mkdir(merged)
                merge_trees(stacked, merged)
                return run_over(stacked, upper, work, job, merged=merged, emit=emit)
            return run_over(stacked, upper, work, job, emit=emit)
        finally:
            files.remove_tree(place)
