"""What `debug` shares with the container that it looks into, and what it says of kernels and hosts that forbid or lack it."""

import os
import subprocess

import pytest

from shipway.core.errors import ExitCode, ToolError
from shipway.core.events import silent
from shipway.run.life.model import Container, Record, State, Status
from shipway.run.model import Environment, Invocation, LifeOptions, Network
from shipway.verbs import debug
from shipway.verbs.context import Task


def _container(engine="native", user="", network=None):
    environment = Environment("/home/ada/digits", "digits", "default", (), (), (), "/work")
    record = Record(
        "0" * 12, "far", engine, environment, Invocation(user=user, network=network), LifeOptions(), 1.0
    )
    return Container(record, Status(State.RUNNING), "/nowhere")


def test_it_is_beside_the_container_on_the_same_engine():
    words = debug.beside(_container(user="root"), ("htop",))
    assert (words.pid, words.ipc) == ("container:far", "container:far")
    assert words.network == "host"  # which is its network too, and joined by anybody
    assert (words.argv, words.engine, words.user) == (("htop",), "native", "root")
    assert words.mounts == ("/home/ada/digits:/work",)
    assert words.workdir == "/work"
    assert debug.beside(_container("docker"), ()).ipc == ""
    assert debug.beside(_container("docker"), ()).shell
    assert debug.beside(_container(network=Network.BRIDGE), ()).network == "container:far"


@pytest.mark.parametrize(("scope", "said"), [("0\n", False), ("", False), ("1\n", True), ("3\n", True)])
def test_kernels_that_forbid_joining_are_named(scope, said):
    assert ("ptrace_scope" in debug.describe_ptrace(scope)) is said


def test_the_hosts_own_program_looks_at_gpus(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nexit 6\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    task = Task(directory=str(tmp_path), emit=silent)
    assert debug.run_debug(_container(), ("nvidia-smi", "-L"), task, tty=False) == 6
    assert (tmp_path / "asked").read_text() == "-L\n"


def test_a_machine_without_the_driver_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr("shipway.host.proc.find_tool", lambda _: None)
    task = Task(directory=str(tmp_path), emit=silent)
    with pytest.raises(ToolError, match="no `nvidia-smi`") as caught:
        debug.run_debug(_container(), ("nvidia-smi",), task, tty=False)
    assert caught.value.code == ExitCode.NOT_FOUND


def test_gdb_is_told_where_the_files_of_a_process_are():
    """The script that stands before gdb, with `echo` in its place."""
    script = debug.GDB.replace("/usr/bin/gdb", "echo")
    for words in (["-batch", "-p", "7"], ["--pid=7"], ["-p", "7", "-ex", "bt"]):
        done = subprocess.run(["sh", "-c", script, "gdb", *words], capture_output=True, text=True, check=True)
        assert done.stdout == f"-iex set sysroot /proc/7/root {' '.join(words)}\n"
    done = subprocess.run(
        ["sh", "-c", script, "gdb", "--args", "ls"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "--args ls\n"
