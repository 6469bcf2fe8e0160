"""Containers that share the network of another, which goes with that one: how its end is noticed, kept and said.

What tells the end is a descriptor that can be read from then on: a connection to a supervisor, which closes it, or a pidfd of an
engine's process. Nobody asks again and again.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from shipway.core.events import Note
from shipway.core.text import shown
from shipway.host.readable import calling_when_readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shipway.core.events import Emit
    from shipway.run.life.loop import Loop
    from shipway.run.life.model import Container, Record

LOST = "network-lost"
"""A file in a container's folder since the container has ended whose network it shares; holds that one's name."""
EVENT = "network-lost"
"""What the journal calls it."""


def mark_lost(folder: str, name: str) -> None:
    """Keep it for whoever asks. A disk that cannot be written stops nothing."""
    with contextlib.suppress(OSError), open(f"{folder}/{LOST}", "w", encoding="utf-8") as file:
        file.write(name)


def find_lost(folder: str) -> str:
    """The name of the container that has ended, or empty."""
    try:
        with open(f"{folder}/{LOST}", encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def forget_lost(folder: str) -> None:
    """It joins anew."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{folder}/{LOST}")


def explain_lost(name: str, own: str = "") -> str:
    """What has happened, and what to do. `name`: of the other one. `own`: of the one that is left; empty: it is thrown away."""
    left = f"`{own}`" if own else "the container"
    again = f"`shipway restart {own}` joins it" if own else "start this one again, too"
    return (
        f"`{shown(name)}`, whose network {left} shares, has ended since, and the way out with it; "
        f"when `{shown(name)}` runs again, {again}"
    )


def explain_container(container: Container) -> str:
    """The same of a container as it stands; empty where it has lost nothing."""
    name = container.status.lost_network
    return explain_lost(name, name_to_restart(container.record)) if name else ""


def name_to_restart(record: Record) -> str:
    """What `restart` takes for it; empty where it is thrown away at its end."""
    return record.name if record.lasting and not record.options.rm else ""


def warner(emit: Emit, stderr: int = 2, *, tty: bool) -> Callable[[str], None]:
    """Says something while a command runs. `tty`: in a terminal, raw meanwhile, where no line begins at its left by itself."""

    def warn(text: str) -> None:
        emit(Note(text, "warning"))
        if tty and os.isatty(stderr):
            os.write(stderr, b"\r")

    return warn


@contextlib.contextmanager
def following(fd: int, loop: Loop | None, ended: Callable[[], None]) -> Iterator[None]:
    """Call `ended` once when `fd` can be read, as long as the block lasts; without a loop in a thread."""
    if loop is None:

        def end() -> bool:
            ended()
            return False

        with calling_when_readable(fd, end):
            yield
        return

    def hear(_: int) -> None:
        loop.forget(fd)
        ended()

    loop.watch(fd, hear)
    try:
        yield
    finally:
        loop.forget(fd)
