"""How failures are told and which code they end with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from shipway.cli import app, commands
from shipway.cli.console import Console
from shipway.cli.failures import exit_code, redact, render_error, render_report
from shipway.core.errors import ConflictError, EngineError, ExitCode, ToolError


@pytest.fixture
def verb(monkeypatch):
    """Replaces `gc` by what the test gives."""

    def replace(what):
        monkeypatch.setitem(commands.COMMANDS, "gc", what)

    return replace


def raising(error):
    def fail(call):
        raise error

    return fail


def test_error_detail_and_hints():
    error = ToolError("cannot build `x`", hints=["look at `y`", "or at `z`"], detail="line 1\nline 2\n")
    assert render_error(error, Console(color=False)) == (
        "error: cannot build `x`\n    line 1\n    line 2\n\nhint: look at `y`\nhint: or at `z`"
    )


def test_long_output_keeps_its_end():
    text = render_error(ToolError("x", detail="\n".join(map(str, range(500)))), Console(color=False))
    assert "499" in text
    assert "(440 lines before; `-v` shows all)" in text
    assert "\n    3\n" not in text
    assert "\n    3\n" in render_error(
        ToolError("x", detail="\n".join(map(str, range(500)))), Console(color=False, verbosity=1)
    )


@pytest.mark.parametrize(
    ("error", "verb_name", "code"),
    [
        (ConflictError("x"), "lock", 13),
        (ConflictError("x"), "run", 125),
        (EngineError("x"), "shell", 125),
        (EngineError("x", code=ExitCode.COMMAND_NOT_FOUND), "run", 127),
        (EngineError("x", code=ExitCode.NOT_EXECUTABLE), "run", 126),
    ],
)
def test_codes(error, verb_name, code):
    assert exit_code(error, verb_name) == code


def test_a_tool_error_ends_with_its_code(verb, capsys):
    verb(raising(ConflictError("`a` needs `b<2`", hints=["drop one"])))
    assert app.execute(["gc"]) == 13
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: `a` needs `b<2`\n\nhint: drop one\n"


def test_interrupts(verb, capsys):
    verb(raising(KeyboardInterrupt()))
    assert app.execute(["gc"]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_sigterm_ends_with_143(verb, capsys):
    before = signal.getsignal(signal.SIGTERM)
    verb(lambda call: os.kill(os.getpid(), signal.SIGTERM))
    try:
        assert app.execute(["gc"]) == 143
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert "SIGTERM" in capsys.readouterr().err


def test_the_unexpected_writes_a_report_without_secrets(verb, capsys):
    verb(
        raising(
            RuntimeError("at https://me:hunter2@example.invalid/simple and https://token@example.invalid/")
        )
    )
    assert app.execute(["-C", "x", "gc"]) == 1
    err = capsys.readouterr().err
    path = err.split("`")[1]
    assert path.startswith(os.environ["XDG_STATE_HOME"])
    with open(path) as file:
        text = file.read()
    assert "RuntimeError" in text
    assert "Traceback" in text
    assert "hunter2" not in text + err
    assert "token" not in text + err
    assert os.stat(path).st_mode & 0o077 == 0 or os.stat(os.path.dirname(path)).st_mode & 0o077 == 0


def test_values_of_variables_and_commands_are_left_out():
    text = render_report(
        ValueError("x"),
        ["run", "-e", "KEY=hunter2", "-eA=hunter2", "--env=B=hunter2", "--", "x", "hunter2"],
        "/home/me",
    )
    assert "hunter2" not in text
    assert "run -e" in text
    assert redact("/home/me/project", "/home/me") == "~/project"


def test_a_closed_pipe_is_quiet():
    line = f"{sys.executable} -m shipway.cli.main completion bash | head -c 10; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], check=False, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout == "# bash com"


def test_full_output_is_an_error():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "shipway.cli.main", "--help"],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode != 0
    assert "No space left" in done.stderr


def test_closed_streams_do_no_harm():
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m shipway.cli.main nonsense >&- 2>&-"], check=False
    )
    assert done.returncode == 2


def test_data_need_a_standard_output():
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m shipway.cli.main completion bash >&-"],
        check=False,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        "error: there is no standard output to write to",
    )
