"""What a bus error means: nearly always that `/dev/shm` is full. How it is noticed, and what is said then (pure)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from shipway.core.units import render_size

if TYPE_CHECKING:
    from shipway.run.model import RunRequest

SIGBUS_CODE = 128 + 7
"""What a shell reports of a command that SIGBUS ended."""
_ENDED = tuple(128 + number for number in (1, 2, 9, 15))
"""What a shell reports of a command that was told to end, or killed, by somebody: SIGHUP, SIGINT, SIGKILL, SIGTERM."""
_WORDS = (
    b"killed by signal: Bus error",
    b"Unexpected bus error encountered in worker",
    b"unable to allocate shared memory(shm)",
    b"insufficient shared memory (shm)",
)
"""What PyTorch says (torch/_utils, torch/csrc/DataLoader.cpp, aten/src/ATen/MapAllocator.cpp). The last versions ask for the room
before they write, so no bus error is needed."""


class Sign(StrEnum):
    """By what it was noticed."""

    COMMAND = "command"
    """SIGBUS ended the command itself."""
    PROCESS = "process"
    """It ended a process of the command, which then failed."""
    WORDS = "words"
    """A command that failed said so."""


_SAID = {
    Sign.COMMAND: "a bus error (SIGBUS) ended the command",
    Sign.PROCESS: "a bus error (SIGBUS) ended a process of the command, such as a data loader's worker",
    Sign.WORDS: "the command says that it ran out of shared memory",
}


def find_sign(code: int, bus_errors: int = 0, shown: bytes = b"") -> Sign | None:
    """The sign in how a command ended. `bus_errors`: processes that SIGBUS ended. `shown`: the last of what it wrote."""
    if code == SIGBUS_CODE:
        return Sign.COMMAND
    if code in _ENDED:
        return None
    if code and bus_errors:
        return Sign.PROCESS
    return Sign.WORDS if code and any(words in shown for words in _WORDS) else None


def explain_bus_error(request: RunRequest | None, sign: Sign = Sign.COMMAND) -> str:
    """Why it ended, and what to do about it, in one sentence. `request`: None where it is not known.

    Loaders of data in several processes hand batches over in files in memory, and a file that has no room is answered by SIGBUS.
    """
    if request is None:
        return explain_sign(sign, None)
    return explain_sign(sign, request.shm_size, shared=bool(request.ipc_space))


def explain_sign(sign: Sign, size: int | None, *, shared: bool = False) -> str:
    """The same. `size`: of `/dev/shm`, None where it is not known. `shared`: it is that of the host or of another container."""
    mostly = "" if sign is Sign.WORDS else ", mostly because `/dev/shm`, which data loaders fill, is full"
    if shared:
        return f"{_SAID[sign]}{mostly}; `/dev/shm` is not the container's own here: see `df -h /dev/shm`"
    holds = "see `df -h /dev/shm` inside" if size is None else f"`/dev/shm` holds {render_size(size)} here"
    return (
        f"{_SAID[sign]}{mostly}: {holds}; allow more with `--shm-size 8g` (`shm-size` in the spec's `[run]`), "
        "or use fewer workers (`num_workers=0` needs none)"
    )
