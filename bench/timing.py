"""Times whole commands in turn and compares medians."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

_PAUSE = 1.0
"""Seconds before every command, after a sync: nobody pays for what the one before left to write or an engine to clean up."""


@dataclass
class Contestant:
    """One command, with what has to happen in front of every round (not timed)."""

    name: str
    argv: list[str]
    before: list[list[str]] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    cwd: str | None = None


@dataclass
class Timed:
    """What a contestant needed."""

    name: str
    seconds: list[float]
    peak: int
    """Bytes of memory of its largest process, over all rounds."""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


class CommandFailed(Exception):
    """A contestant did not end with 0."""


def time_in_turn(contestants: list[Contestant], rounds: int) -> tuple[list[Timed], list[str]]:
    """Each contestant `rounds` times, one after the other in every round; and why some were left out. The first must work."""
    timed = [Timed(one.name, [], 0) for one in contestants]
    left_out: dict[str, str] = {}
    for _ in range(rounds):
        for one, result in zip(contestants, timed, strict=True):
            if one.name in left_out:
                continue
            try:
                _one_round(one, result)
            except CommandFailed as error:
                if one is contestants[0]:
                    raise
                left_out[one.name] = str(error)
    return [result for result in timed if result.name not in left_out], list(left_out.values())


def _one_round(one: Contestant, result: Timed) -> None:
    for command in one.before:
        _run(command, one)
    os.sync()
    time.sleep(_PAUSE)
    started = time.perf_counter()
    peak = _run(one.argv, one)
    result.seconds.append(time.perf_counter() - started)
    result.peak = max(result.peak, peak)


def _run(argv: list[str], one: Contestant) -> int:
    """Run to the end; the peak memory of it and its children in bytes."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            argv,
            env={**os.environ, **one.env},
            cwd=one.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            tail = output.read().decode("utf-8", "replace")[-2000:]
            raise CommandFailed(f"{one.name}: {' '.join(argv)} ended with {process.returncode}\n{tail}")
    return usage.ru_maxrss * 1024


def human(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
