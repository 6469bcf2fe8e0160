"""More commands in a sandbox that runs: their streams, terminals, ends; files put in; namespaces handed out."""

import io
import os

import pytest
from sandbox_world import ENV, make_small_root, shell, system_ops

from shipway.sandbox import control, launch, process

pytestmark = pytest.mark.needs_userns


@pytest.fixture
def running(tmp_path):
    """A sandbox whose command waits for the end of its input."""
    root = make_small_root(str(tmp_path / "root"))
    reader, writer = os.pipe()
    quiet = os.open(os.devnull, os.O_RDWR)
    started = launch.start(
        shell(system_ops(root), "cat >/dev/null; exit 5", control=True), stdin=reader, stdout=quiet
    )
    os.close(reader)
    message, _ = control.receive(started.control)
    assert message[:2] == ("started", control.MAIN)
    yield started
    os.close(writer)
    assert started.wait().code == 5
    os.close(quiet)


def ask(running, *message, fds=()):
    control.send(running.control, message, fds)
    return control.receive(running.control)


def execute(running, number, *argv, **words):
    """Exit code and output of one more command."""
    reader, writer = os.pipe()
    message, _ = ask(
        running,
        "exec",
        number,
        {"argv": argv, "env": ENV, "cwd": "/", "tty": False, **words},
        fds=(0, writer, writer),
    )
    os.close(writer)
    assert message[0] == "started", message
    with open(reader, "rb") as file:
        output = file.read()
    message, _ = control.receive(running.control)
    assert message[:2] == ("ended", number)
    return os.waitstatus_to_exitcode(message[2]), output


def test_commands_have_their_own_streams_and_ends(running):
    assert execute(running, 7, "sh", "-c", "echo $0 $PPID; exit 3") == (3, b"sh 1\n")
    assert execute(running, 8, "sh", "-c", "kill -9 $$") == (-9, b"")
    assert execute(running, 9, "pwd", cwd="/tmp") == (0, b"/tmp\n")


def test_a_command_that_is_not_there_is_told(running):
    message, _ = ask(running, "exec", 1, {"argv": ("nothing-here",), "env": ENV, "tty": False}, fds=(0, 1, 2))
    assert message == ("failed", 1, "`nothing-here` is in no directory of PATH", 2)
    message, _ = ask(
        running, "exec", 2, {"argv": ("true",), "env": ENV, "cwd": "/not", "tty": False}, fds=(0, 1, 2)
    )
    assert message[0] == "failed"
    assert "working directory" in message[2]


def test_a_terminal_of_its_own(running):
    words = {
        "argv": ("sh", "-c", "tty; stty size; read line; echo got $line"),
        "env": ENV,
        "cwd": "/",
        "tty": True,
    }
    message, [master] = ask(running, "exec", 4, words, fds=(0, 1, 2))
    assert message[:2] == ("started", 4)
    os.write(master, b"hello\n")
    seen = b""
    while b"got hello" not in seen:
        seen += os.read(master, 1000)
    assert b"/dev/pts/0" in seen
    assert control.receive(running.control)[0][:2] == ("ended", 4)
    os.close(master)


def test_signals_reach_one_command(running):
    message, _ = ask(
        running, "exec", 5, {"argv": ("sleep", "100"), "env": ENV, "cwd": "/", "tty": False}, fds=(0, 1, 2)
    )
    assert message[0] == "started"
    control.send(running.control, ("signal", 5, process.SIGTERM))
    message, _ = control.receive(running.control)
    assert os.waitstatus_to_exitcode(message[2]) == -process.SIGTERM


def test_no_descriptor_of_ours_is_seen_inside(running):
    code, output = execute(running, 6, "ls", "/proc/self/fd")
    assert (code, output.split()) == (0, [b"0", b"1", b"2", b"3"])  # 3 is the folder that `ls` reads


def write(running, *changes):
    reader, writer = os.pipe()
    stream = io.BytesIO()
    for change in changes:
        data = change if isinstance(change, bytes) else _message(change)
        stream.write(data)
    os.write(writer, stream.getvalue())
    os.close(writer)
    message, _ = ask(running, "write", 20, fds=(reader,))
    os.close(reader)
    assert message[0] == "started"
    return os.waitstatus_to_exitcode(control.receive(running.control)[0][2])


def _message(value):
    reader, writer = os.pipe()
    process.send_message(writer, value)
    os.close(writer)
    with open(reader, "rb") as file:
        return file.read()


def test_files_come_and_go(running):
    done = write(
        running,
        ("folder", "opt/new", 0o750),
        ("file", "opt/new/program", 0o755, 22), b"#!/bin/sh\necho written\n"[:22],
        ("link", "opt/link", "new/program"),
        ("remove", "usr/bin/rmdir"),
        ("remove", "not/there"),
        ("end",),
    )  # fmt: skip
    assert done == 0
    assert execute(running, 2, "/opt/link") == (0, b"written\n")
    assert execute(running, 3, "sh", "-c", "[ -e /usr/bin/rmdir ] || [ -e /not ] || stat -c %a /opt/new") == (
        0,
        b"750\n",
    )


def test_a_stream_that_ends_early_is_no_success(running):
    assert write(running, ("file", "opt/half", 0o644, 100), b"only this") == 1
    assert execute(running, 2, "ls", "-A", "/opt") == (0, b"")


def test_namespaces_are_those_of_the_sandbox(running):
    message, fds = ask(running, "namespaces", 3)
    assert message == ("namespaces", 3, (*control.NAMESPACES, control.MEMORY))
    there = {name: os.readlink(f"/proc/self/fd/{fd}") for name, fd in zip(message[2], fds, strict=True)}
    for fd in fds:
        os.close(fd)
    assert there["mnt"] != os.readlink("/proc/self/ns/mnt")
    assert there["net"] == os.readlink("/proc/self/ns/net")
