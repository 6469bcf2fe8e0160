"""What a bus error means: nearly always that `/dev/shm` is full (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.units import render_size

if TYPE_CHECKING:
    from shipway.run.model import RunRequest

_REMEDY = "allow more with `--shm-size 8g` (`shm-size` in the spec's `[run]`), or use fewer workers"


def explain_bus_error(request: RunRequest | None) -> str:
    """Why SIGBUS ended the command, and what to do about it, in one sentence. `request`: None where it is not known.

    A file in memory that its file system has no room for can be mapped and not written: the write is answered by SIGBUS.
    Loaders of data in several processes hand batches over in such files.
    """
    what = (
        "a bus error (SIGBUS) ended the command, mostly because `/dev/shm`, which data loaders fill, is full"
    )
    if request is None:
        return f"{what}: see `df -h /dev/shm` inside, and {_REMEDY}"
    if request.ipc_space:
        return f"{what}; it is not the container's own here: see `df -h /dev/shm`"
    return f"{what}: it holds {render_size(request.shm_size)} here; {_REMEDY}"
