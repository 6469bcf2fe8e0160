"""Other programs: what they get, how they end, what a failure says."""

from __future__ import annotations

import os
import signal
import subprocess
import threading

import pytest

from shipway.core.errors import BuildError, ToolError
from shipway.host import proc
from shipway.host.proc import Command, base_environment, describe_end, find_tool, run, run_checked


def shell(script, **more):
    return Command(argv=("/bin/sh", "-c", script), **more)


def test_output_code_and_input():
    done = run(shell("cat; echo err >&2; exit 3", stdin=b"given"))
    assert (done.code, done.stdout, done.stderr, done.text) == (3, b"given", b"err\n", "given")


def test_stdin_is_closed_unless_given():
    assert run(shell("readlink /proc/self/fd/0")).text == "/dev/null\n"


def test_the_environment_is_stated(monkeypatch):
    monkeypatch.setenv("SECRET", "1")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    assert "SECRET" not in run(shell("env")).text
    assert run(shell('echo "$LANG $LC_ALL"')).text == "C.UTF-8 C.UTF-8\n"
    assert run(Command(argv=("/usr/bin/env",), env={"A": "b"})).text == "A=b\n"
    monkeypatch.delenv("PATH")
    assert base_environment()["PATH"] == proc.DEFAULT_PATH


def test_output_can_go_to_a_descriptor(tmp_path):
    with open(tmp_path / "out", "wb") as file:
        assert run(shell("echo x"), stdout=file.fileno()).stdout == b""
    assert (tmp_path / "out").read_bytes() == b"x\n"


def test_a_failure_has_the_end_the_last_lines_and_the_line_to_repeat(tmp_path):
    command = shell("for i in $(seq 100); do echo line $i >&2; done; exit 4", cwd=str(tmp_path))
    with pytest.raises(BuildError) as caught:
        run_checked(command, error=BuildError, what="the script of `x` failed")
    assert caught.value.message == "the script of `x` failed: exit code 4"
    assert caught.value.detail.splitlines()[0] == "line 71"
    assert caught.value.detail.splitlines()[-1] == "line 100"
    assert f"cd {tmp_path} && /bin/sh -c 'for i" in caught.value.hints[0]


def test_the_line_to_repeat_never_holds_the_environment():
    command = Command(argv=("/bin/false",), env={"TOKEN": "hunter2"})
    with pytest.raises(ToolError) as caught:
        run_checked(command)
    assert "hunter2" not in repr(caught.value) + caught.value.hints[0] + repr(command)


def test_signals_have_names():
    assert run(shell("kill -TERM $$")).code == -signal.SIGTERM
    assert describe_end(-9) == "ended by SIGKILL"
    assert describe_end(-200) == "ended by signal 200"
    assert describe_end(2) == "exit code 2"


def test_a_missing_program_or_folder_is_named(tmp_path):
    with pytest.raises(ToolError, match="`/no/such/tool` does not exist"):
        run(Command(argv=("/no/such/tool",)))
    with pytest.raises(ToolError, match=f"`{tmp_path}/gone` does not exist"):
        run(Command(argv=("/bin/true",), cwd=str(tmp_path / "gone")))
    with pytest.raises(ToolError, match="Permission denied"):
        run(Command(argv=(str(tmp_path),)))
    with pytest.raises(ValueError, match="needs a program"):
        Command(argv=())


def test_the_whole_group_ends_when_the_time_is_up(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # The grandchild holds the fifo open; reading ends when it is gone.
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(ToolError, match=r"did not end within 0\.2 seconds"):
        run(shell(f"sleep 1000 > {fifo} & wait"), timeout=0.2)
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_the_whole_group_ends_on_interrupt_even_when_it_ignores_the_request(tmp_path, monkeypatch):
    monkeypatch.setattr(proc, "_GRACE", 0.05)
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    started = []
    begun = threading.Event()
    real = subprocess.Popen

    def remember(*args, **more):
        started.append(real(*args, **more))
        begun.set()
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", remember)
    main = threading.main_thread().ident

    def interrupt():
        with open(ready, "rb") as file:
            file.read()
        begun.wait(60)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(shell(f"trap '' TERM INT; echo > {ready}; while :; do sleep 0.05; done"))
    thread.join()
    assert started[0].returncode == -signal.SIGKILL


def test_tools_are_found_by_absolute_paths_only(tmp_path, monkeypatch):
    tool = tmp_path / "mytool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", ":.")
    assert find_tool("mytool") is None
    monkeypatch.setenv("PATH", f".:{tmp_path}")
    assert find_tool("mytool") == str(tool)
    assert find_tool("sh", path="/nowhere") is None
    monkeypatch.delenv("PATH")
    assert find_tool("sh") in ("/bin/sh", "/usr/bin/sh")
