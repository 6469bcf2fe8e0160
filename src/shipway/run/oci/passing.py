"""Signals for a container whose engine's program does not pass them on yet.

Podman's begins to only after it has started the container: a signal that comes before ends the program, with the exit code 0, and
the container runs on.
"""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

from shipway.core.events import Note
from shipway.host.attached import Signals
from shipway.host.files import read_kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.core.events import Emit
    from shipway.run.oci.program import Program

_CAUGHT = (signal.SIGCONT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
"""A program in Go catches nearly all signals from its first moment; these only where it asks for all of them (`os/signal`)."""
_NOT_PASSED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
"""What ends the program where it is not passed on."""


def passed_signals(*, tty: bool) -> Signals:
    """Signals that wait until the program of an engine passes them on; with a terminal Docker's never does."""
    return Signals() if tty else Signals(passes_on)


def passes_on(pid: int) -> bool:
    """Whether the process catches all signals, as the program of an engine does that passes them on."""
    said = re.search(r"^SigCgt:\s*(\w+)", read_kernel(f"/proc/{pid}/status"), re.MULTILINE)
    if said is None:  # it has ended
        return True
    caught = int(said[1], 16)
    return all(caught >> (number - 1) & 1 for number in _CAUGHT)


def end_left_behind(program: Program, identity: str, came: Sequence[int], code: int, emit: Emit) -> int:
    """The exit code of the container `identity`, whose program has ended with `code` after the signals `came`.

    If the program ended of one and left the container running, the container gets it from us, and is waited for.
    """
    numbers = [number for number in came if number in _NOT_PASSED]
    if not numbers or not identity:
        return code
    state = program.ask("container", "inspect", "--format", "{{.State.Status}}", identity).text.strip()
    if state != "running":
        return code
    title = program.dialect.title
    emit(
        Note(f"{title}'s program ended before it had passed the signal on, and its output with it", "warning")
    )
    program.ask("kill", "--signal", str(numbers[-1]), identity)
    waited = program.ask("wait", identity)
    told = waited.text.strip()
    return int(told) if waited.code == 0 and told.isdigit() else 128 + numbers[-1]
