"""What the environment means for a run."""

from __future__ import annotations

import pytest

from shipway.cli.environment import read_settings
from shipway.cli.parser import UsageError, parse_arguments


def settings(environ, line="build", *, terminal=True):
    return read_settings(environ, parse_arguments(line.split()), terminal=terminal)


@pytest.mark.parametrize(
    ("environ", "terminal", "progress", "color"),
    [
        ({"TERM": "xterm"}, True, "tty", True),
        ({"TERM": "xterm"}, False, "plain", False),
        ({"TERM": "dumb"}, True, "plain", False),
        ({}, True, "plain", False),
        ({"TERM": "xterm", "CI": "true"}, True, "plain", True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, "tty", False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, "tty", True),
        ({"FORCE_COLOR": "1"}, False, "plain", True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, "plain", False),
        ({"CLICOLOR_FORCE": "0"}, False, "plain", False),
        ({"SHIPWAY_PROGRESS": "json", "TERM": "xterm"}, True, "json", True),
    ],
)
def test_progress_and_color(environ, terminal, progress, color):
    found = settings(environ, terminal=terminal)
    assert (found.progress, found.color) == (progress, color)


def test_an_option_beats_its_variable():
    environ = {"SHIPWAY_PROGRESS": "json", "SHIPWAY_TARGET": "gpu"}
    found = settings(environ, "build --progress plain -t cpu")
    assert (found.progress, found.target) == ("plain", "cpu")
    assert settings(environ).target == "gpu"


def test_offline_is_a_flag():
    assert settings({"SHIPWAY_OFFLINE": "1"}).offline
    assert not settings({"SHIPWAY_OFFLINE": "0"}).offline
    assert settings({}, "build --offline").offline


def test_a_wrong_variable_is_named():
    with pytest.raises(UsageError, match="SHIPWAY_PROGRESS"):
        settings({"SHIPWAY_PROGRESS": "loud"})
