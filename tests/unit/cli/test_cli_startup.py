"""What is loaded when there is nothing to do. Times are measured in `bench/`; what is imported is tested here."""

from __future__ import annotations

import subprocess
import sys

import pytest


def imported(*words):
    code = f"import sys; sys.argv = ['shipway', *{list(words)!r}]; from shipway.cli.main import main; main()"
    tail = "; sys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code + tail], check=True, capture_output=True, text=True
    )
    return set(done.stderr.split())


def test_version_loads_nothing():
    modules = imported("--version")
    assert not modules & {
        "argparse",
        "dataclasses",
        "enum",
        "re",
        "typing",
        "json",
        "threading",
        "shipway.cli.app",
        "shipway.core.errors",
    }


@pytest.mark.parametrize("line", ["--help", "run --help", "completion bash"])
def test_help_loads_no_room(line):
    rooms = {name.split(".")[1] for name in imported(*line.split()) if name.startswith("shipway.")}
    assert rooms <= {"cli", "core", "verbs"}
    assert not imported(*line.split()) & {"argparse", "rich", "urllib3", "packaging"}
