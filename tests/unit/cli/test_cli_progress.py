"""Events as lines, with a clock that the test moves."""

from __future__ import annotations

import io
import json
import sys
import threading

import pytest

from shipway.cli.console import Console
from shipway.cli.progress import (
    BarProgress,
    JsonProgress,
    PlainProgress,
    Progress,
    open_progress,
    render_duration,
)
from shipway.core.events import Began, Did, Ended, Moved, Note


class Clock:
    def __init__(self):
        self.time = 100.0

    def __call__(self):
        return self.time


@pytest.fixture
def said(capsys):
    def lines():
        return capsys.readouterr().err.splitlines()

    return lines


def test_plain_lines_begin_beat_and_end(said):
    clock = Clock()
    progress = PlainProgress(Console(color=False), clock, heartbeat=10)
    progress(Began("fetch", 4, 40 << 20))
    clock.time += 0.5
    progress(Moved("fetch", "numpy 2.1.0", 1 << 20))
    clock.time += 0.5
    progress(Moved("fetch", "numpy 2.1.0", 9 << 20))
    clock.time += 5
    progress(Moved("fetch", "scipy 1.11", 5 << 20))
    clock.time += 5
    progress(Moved("fetch", "numpy 2.1.0", 5 << 20))
    progress(Did("fetch", "numpy 2.1.0"))
    clock.time += 9
    progress(Ended("fetch"))
    progress.close()
    assert said() == [
        "fetch: 0/4, 10.0 MiB of 40.0 MiB, 10.0 MiB/s, 3.0 s left (numpy 2.1.0)",
        "fetch: 0/4, 20.0 MiB of 40.0 MiB, 1.8 MiB/s, 11 s left (numpy 2.1.0)",
        "fetch: 1 done, 20.0 MiB, 20 s",
    ]


def test_the_heart_beats_when_nothing_is_reported(said):
    clock = Clock()
    progress = PlainProgress(Console(color=False), clock, heartbeat=10)
    progress(Began("configure", 1))
    clock.time += 11
    progress.tick(clock())
    assert "configure: 0/1, 11 s so far" in said()
    progress.close()


def test_a_phase_that_nobody_announced_is_over_when_nothing_moves(said):
    clock = Clock()
    progress = PlainProgress(Console(color=False), clock)
    progress(Moved("index", "Packages.xz", 5 << 20))
    clock.time += 1
    progress(Moved("index", "Packages.xz", 5 << 20))
    clock.time += 30
    progress.tick(clock())
    progress(Began("unpack", 1))
    assert list(progress.phases) == ["unpack"]
    progress.close()
    assert said() == ["index: 0 done, 10.0 MiB, 10.0 MiB/s, 1.0 s so far (Packages.xz)"]


def test_the_beat_comes_by_itself():
    """The thread speaks without any event; the test waits on what it says."""
    spoke = threading.Event()
    console = Console(color=False)
    console.writer = lambda line: "so far" in line and spoke.set()
    progress = PlainProgress(console, heartbeat=0.01)
    progress(Began("configure", 1))
    assert spoke.wait(20)
    progress.close()
    assert not any(thread.name == "heartbeat" for thread in threading.enumerate())


def test_a_phase_that_did_nothing_at_once_says_nothing(said):
    progress = PlainProgress(Console(color=False), Clock())
    progress(Began("layers", 3))
    progress(Did("layers", "a"))
    progress(Ended("layers"))
    progress.close()
    assert said() == []


def test_names_from_outside_are_made_safe(said):
    clock = Clock()
    progress = PlainProgress(Console(color=False), clock)
    progress(Began("fetch", 1))
    clock.time += 11
    progress(Did("fetch", "evil\x1b[2J"))
    progress.close()
    assert "\x1b" not in "".join(said())


def test_json_lines(said):
    progress = JsonProgress(Console(color=False), Clock())
    progress(Note("hello", "warning"))
    progress(Began("fetch", 2, 30))
    progress(Moved("fetch", "a", 10))
    assert [json.loads(line) for line in said()] == [
        {"event": "note", "text": "hello", "level": "warning"},
        {"event": "began", "phase": "fetch", "items": 2, "size": 30},
        {"event": "moved", "phase": "fetch", "name": "a", "bytes": 10},
    ]


def test_quiet_keeps_warnings(said):
    console = Console(color=False, verbosity=-1)
    progress = Progress(console, Clock())
    progress(Began("fetch", 2))
    progress(Note("for your information"))
    progress(Note("something is amiss", "warning"))
    progress(Ended("fetch"))
    assert said() == ["warning: something is amiss"]


def test_bars_leave_one_line_for_each_phase(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    clock = Clock()
    progress = BarProgress(Console(color=False), clock)
    progress(Began("fetch", 2, 2000))
    progress(Moved("fetch", "a", 1500))
    progress(Note("in between"))
    clock.time += 3
    progress(Did("fetch", "a"))
    progress(Ended("fetch"))
    progress.close()
    assert "in between" in stream.getvalue()
    assert "fetch: 1 done, 1.5 KiB, 3.0 s" in stream.getvalue()


def test_bars_say_how_long_a_silent_phase_takes(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    clock = Clock()
    progress = BarProgress(Console(color=False), clock)
    progress(Began("resolve", 2))
    clock.time += 7
    [task] = progress.bars.tasks
    assert str(task.fields["status"]) == "0/2, 7.0 s so far"
    progress.close()


def test_events_of_many_threads_are_counted(said):
    clock = Clock()
    progress = PlainProgress(Console(color=False), clock)
    progress(Began("fetch", 800))
    threads = [
        threading.Thread(target=lambda: [progress(Did("fetch", "x")) for _ in range(100)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clock.time += 2
    progress(Ended("fetch"))
    progress.close()
    assert said()[-1].startswith("fetch: 800 done")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12, "12 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations(seconds, text):
    assert render_duration(seconds) == text


@pytest.mark.parametrize("kind", ["plain", "tty", "json", "quiet"])
def test_every_kind_takes_a_whole_run(kind, said):
    progress = open_progress(kind, Console(color=False))
    for event in (
        Began("fetch", 1, 5),
        Moved("fetch", "a", 5),
        Did("fetch", "a"),
        Ended("fetch"),
        Did("late", "b"),
        Note("n"),
    ):
        progress(event)
    progress.close()
    assert said() or kind == "quiet"
