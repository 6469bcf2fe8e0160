"""What a bus error means: nearly always that `/dev/shm` is full (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.units import render_size

if TYPE_CHECKING:
    from shipway.run.model import RunRequest


def explain_bus_error(request: RunRequest) -> str:
    """Why SIGBUS ended the command, and what to do about it, in one sentence.

    A file in memory that its file system has no room for can be mapped and not written: the write is answered by SIGBUS.
    Loaders of data in several processes hand batches over in such files.
    """
    if request.ipc_space:
        return (
            "a bus error (SIGBUS) ended the command: memory that was mapped could not be had. `/dev/shm` is not the "
            "container's own here; see how full it is with `df /dev/shm`"
        )
    size = render_size(request.shm_size)
    return (
        f"a bus error (SIGBUS) ended the command. Its usual cause is a full `/dev/shm`, which data loaders fill: it holds {size} "
        "here. Allow more with `--shm-size 8g` (`shm-size` in the spec's `[run]`), or use fewer workers"
    )
