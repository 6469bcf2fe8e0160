"""What containers use, measured over a moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from shipway.host.dirs import state_dir
from shipway.run.life import client
from shipway.run.life.lives import life_of
from shipway.run.life.processes import Process
from shipway.verbs.containers import find_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.run.life.model import Container
    from shipway.verbs.context import Task


__all__ = ["Process", "Usage", "list_processes", "measure"]


class Usage(NamedTuple):
    """Of one container."""

    container: Container
    cpu: float
    """Processors' worth, 1.0 being one."""
    memory: int
    """Bytes in memory, what processes share counted for each."""
    processes: int
    threads: int


def measure(names: Sequence[str], task: Task, *, seconds: float) -> tuple[Usage, ...]:
    """Those of `names`, or all that run, over so many seconds.

    Raises:
        NotFound: there is no container of such a name.
    """
    found = [find_named(name, task).container for name in names]
    chosen = [one for one in found or client.list_containers(state_dir()) if one.running]
    before = {one.id: _processor_time(one) for one in chosen}
    began = time.monotonic()
    time.sleep(seconds)
    return tuple(_usage(one, before[one.id], began) for one in chosen)


def list_processes(container: Container) -> tuple[Process, ...]:
    """What runs in a container.

    Raises:
        EngineError: it does not run.
    """
    client.require_running(container)
    return life_of(container.engine).processes(container)


def _processor_time(container: Container) -> dict[int, float]:
    return {one.pid: one.cpu for one in life_of(container.engine).processes(container)}


def _usage(container: Container, before: dict[int, float], began: float) -> Usage:
    now = life_of(container.engine).processes(container)
    spent = sum(max(0.0, one.cpu - before.get(one.pid, 0.0)) for one in now)
    return Usage(
        container,
        cpu=spent / max(time.monotonic() - began, 1e-6),
        memory=sum(one.memory for one in now),
        processes=len(now),
        threads=sum(one.threads for one in now),
    )
