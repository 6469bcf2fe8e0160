"""Signals that come before an engine's program passes them on, and containers whose end Podman has not written down yet."""

import json
import os
import signal
import subprocess
import sys

import pytest

from shipway.run.life.model import State
from shipway.run.life.oci_status import UNWATCHED, inspect_containers
from shipway.run.oci.passing import end_left_behind, passed_signals, passes_on
from shipway.run.oci.podman import PODMAN
from shipway.run.oci.program import Program

CATCHES = """
import signal, sys
for number in (signal.SIGCONT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
    print("no", flush=True); sys.stdin.readline()
    signal.signal(number, print)
print("yes", flush=True); sys.stdin.readline()
"""


@pytest.fixture
def podman(tmp_path):
    """Make a `podman` that runs a shell script and notes how it was called."""

    def install(script):
        path = tmp_path / "podman"
        path.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/said\n{script}\n')
        path.chmod(0o755)
        return Program(PODMAN, str(path))

    return install


def test_a_program_passes_signals_on_when_it_catches_all_of_them():
    with subprocess.Popen(
        [sys.executable, "-c", CATCHES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as running:
        for _ in range(4):
            assert running.stdout.readline() == "no\n"
            assert not passes_on(running.pid)
            running.stdin.write("\n")
        assert running.stdout.readline() == "yes\n"
        assert passes_on(running.pid)
        running.stdin.write("\n")
    assert passes_on(running.pid), "it has ended: nothing to wait for"


def test_with_a_terminal_no_signal_waits():
    assert passed_signals(tty=True).hears(os.getpid())
    assert not passed_signals(tty=False).hears(os.getpid())


RUNNING = 'case "$1" in container) echo running;; wait) echo 5;; esac'


def test_a_container_left_behind_gets_the_signal_and_is_waited_for(podman, tmp_path):
    told = []
    assert end_left_behind(podman(RUNNING), "abc", [signal.SIGTERM], 0, told.append) == 5
    assert (tmp_path / "said").read_text().splitlines()[1:] == ["kill --signal 15 abc", "wait abc"]
    assert "before it had passed the signal on" in told[0].text


def test_one_that_the_engine_has_forgotten_ended_by_the_signal(podman):
    program = podman('case "$1" in container) echo running;; wait) exit 125;; esac')
    assert end_left_behind(program, "abc", [signal.SIGINT], 0, [].append) == 130


@pytest.mark.parametrize(
    ("identity", "came", "state"),
    [
        ("abc", [], "running"),
        ("abc", [signal.SIGUSR1], "running"),
        ("", [15], "running"),
        ("abc", [15], "exited"),
    ],
)
def test_nothing_is_done_to_others(podman, tmp_path, identity, came, state):
    program = podman(f'case "$1" in container) echo {state};; *) exit 1;; esac')
    assert end_left_behind(program, identity, came, 7, [].append) == 7
    said = (tmp_path / "said").read_text() if (tmp_path / "said").exists() else ""
    assert "kill" not in said


GONE = 2**22 + 1
"""No process: above the kernel's limit."""


def inspected(status, pid, monitor, code=0):
    state = {"Status": status, "Pid": pid, "ConmonPid": monitor, "ExitCode": code}
    return json.dumps([{"Id": "abc", "State": state}])


def answers(*texts):
    """A script that prints one text for each call, and the last for all others."""
    cases = [f"{number}) echo '{text}';;" for number, text in enumerate(texts[:-1], 1)]
    return f"case $(wc -l < $(dirname $0)/said) in {' '.join(cases)} *) echo '{texts[-1]}';; esac"


@pytest.fixture(autouse=True)
def local(monkeypatch):
    for name in ("CONTAINER_HOST", "CONTAINER_CONNECTION"):
        monkeypatch.delenv(name, raising=False)


def test_an_end_that_the_monitor_is_about_to_tell_is_waited_for(podman):
    """Without this its exit code was lost: it was taken for one whose monitor was killed."""
    dead = inspected("running", GONE, os.getpid())
    found = inspect_containers(podman(answers(dead, dead, inspected("exited", 0, 0, 3))), ["abc"])
    assert (found["abc"].state, found["abc"].code, found["abc"].reason) == (State.EXITED, 3, "")


def test_an_end_that_the_monitor_told_while_we_asked(podman):
    dead = inspected("running", GONE, GONE)
    found = inspect_containers(podman(answers(dead, inspected("exited", 0, 0, 3))), ["abc"])
    assert (found["abc"].state, found["abc"].code) == (State.EXITED, 3)


def test_one_whose_monitor_was_killed_is_over(podman):
    found = inspect_containers(podman(answers(inspected("running", GONE, GONE))), ["abc"])
    assert (found["abc"].state, found["abc"].code, found["abc"].reason) == (State.EXITED, 137, UNWATCHED)


def test_a_monitor_that_says_nothing_is_not_waited_for_without_end(podman, monkeypatch):
    monkeypatch.setattr("shipway.run.life.oci_status._MONITOR_PATIENCE", 0.1)
    found = inspect_containers(podman(answers(inspected("running", GONE, os.getpid()))), ["abc"])
    assert found["abc"].state is State.RUNNING


def test_one_that_runs_is_asked_for_once(podman, tmp_path):
    found = inspect_containers(podman(answers(inspected("running", os.getpid(), GONE))), ["abc"])
    assert found["abc"].state is State.RUNNING
    assert len((tmp_path / "said").read_text().splitlines()) == 1
