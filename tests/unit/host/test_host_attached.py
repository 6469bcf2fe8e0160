"""A program on the caller's own streams: exit codes and signals."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from shipway.core.errors import ToolError
from shipway.host.attached import run_attached

SH = shutil.which("sh")
CALLER = "import os, sys; from shipway.host.attached import run_attached; sys.exit(run_attached(sys.argv[1:], os.environ))"


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
)
def test_it_ends_as_the_program_ends(script, code):
    assert run_attached([SH, "-c", script], os.environ) == code


def test_a_program_that_cannot_be_started(tmp_path):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with pytest.raises(ToolError, match="cannot start"):
        run_attached([f"{tmp_path}/none"], os.environ)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP])
def test_what_another_process_sends_us_reaches_the_program(number):
    name = signal.Signals(number).name.removeprefix("SIG")
    script = f"trap 'echo got; exit 9' {name}; echo ready; while :; do sleep 0.05; done"
    command = [sys.executable, "-c", CALLER, SH, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
        assert running.stdout.readline() == "ready\n"
        running.send_signal(number)
        assert running.stdout.readline() == "got\n"
        assert running.wait(20) == 9


def test_what_comes_before_the_program_hears_waits_for_it(tmp_path):
    ready = tmp_path / "ready"
    script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    caller = (
        "import os, sys; from shipway.host.attached import Signals, run_attached;"
        f"signals = Signals(lambda pid: os.path.exists({str(ready)!r}));"
        "code = run_attached(sys.argv[1:], os.environ, signals); print(signals.came); sys.exit(code)"
    )
    command = [sys.executable, "-c", caller, SH, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
        assert running.stdout.readline() == "ready\n"
        running.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(0.3)
        ready.touch()
        assert running.stdout.readline() == "got\n"
        assert running.stdout.readline() == "[15]\n"
        assert running.wait(20) == 9
