"""Signals, terminals, zombies, and what is left when somebody is killed."""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import signal
import struct
import tempfile
import termios
import time

import pytest
from sandbox_world import (
    deadline,
    in_child,
    make_small_root,
    python_script,
    request,
    shell,
    system_ops,
    write_all,
)

from shipway.sandbox import Bind, run, run_captured, start

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_userns]


@pytest.fixture(scope="module")
def root():
    base = tempfile.mkdtemp(prefix="sandbox-life-")
    yield make_small_root(f"{base}/root")
    shutil.rmtree(base)


class Child:
    """A forked caller that runs a request, its output in a pipe."""

    def __init__(self, wanted, **streams):
        self.reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            code = 99
            try:
                os.close(self.reader)
                code = run(wanted, stdout=writer, **streams).code
            finally:
                os._exit(code)
        os.close(writer)

    def read_until(self, text: bytes) -> bytes:
        got = b""
        with deadline(20):
            while text not in got:
                chunk = os.read(self.reader, 4096)
                assert chunk, got
                got += chunk
        return got

    def rest(self) -> bytes:
        got = b""
        with deadline(20):
            while chunk := os.read(self.reader, 4096):
                got += chunk
        return got

    def wait(self) -> int:
        with deadline(20):
            _, status = os.waitpid(self.pid, 0)
        os.close(self.reader)
        return os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGQUIT,
        signal.SIGWINCH,
    ],
)
def test_signals_reach_the_command(root, number):
    script = f"trap 'echo caught; exit 7' {int(number)}; echo ready; while :; do sleep 0.01; done"
    child = Child(shell(system_ops(root), script))
    child.read_until(b"ready")
    os.kill(child.pid, number)
    child.read_until(b"caught")
    assert child.wait() == 7


def test_untrapped_signal_ends_it_with_its_number(root):
    child = Child(shell(system_ops(root), "echo ready; exec sleep 1000"))
    child.read_until(b"ready")
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait() == 128 + signal.SIGTERM


def test_interrupt_reaches_the_whole_pipeline(root):
    """As a terminal would send it: the shell, and the program it waits for."""
    child = Child(
        shell(
            system_ops(root),
            "trap 'echo shell' INT; (trap 'echo inner; exit 0' INT; echo ready; sleep 1000 & wait); echo end",
        )
    )
    child.read_until(b"ready")
    os.kill(child.pid, signal.SIGINT)
    assert {b"inner", b"shell", b"end"} <= set(child.rest().split())
    assert child.wait() == 0


def test_stop_and_continue(root):
    child = Child(shell(system_ops(root), "echo $$; while :; do echo tick; sleep 0.01; done"))
    child.read_until(b"tick")
    os.kill(child.pid, signal.SIGTSTP)
    with deadline(20):
        _, status = os.waitpid(child.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), "the caller stops as its job should"
    poll = select.poll()
    poll.register(child.reader, select.POLLIN)
    with deadline(20):  # what was written before the stop arrives, then nothing more does
        while poll.poll(200):
            os.read(child.reader, 65536)
    os.kill(child.pid, signal.SIGCONT)
    child.read_until(b"tick")
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize("victim", ["caller", "outside"])
def test_killing_above_kills_everything_below(root, victim):
    """SIGKILL cannot be caught; what is inside dies with whoever is killed, and the pipe that all hold comes to its end."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        wanted = shell(
            system_ops(root), f"(sleep 1000 &) ; echo ready >&{writer}; sleep 1000", keep_fds=[writer]
        ).replace(argv=("bash", "-c", f"(sleep 1000 &) ; echo ready >&{writer}; sleep 1000"))
        running = start(wanted)
        os.write(tell, str(running.pid).encode())
        try:
            running.wait()
        finally:
            os._exit(0)
    os.close(writer)
    with deadline(20):
        assert os.read(reader, 100) == b"ready\n"
        outside = int(os.read(told, 100))
        os.kill(pid if victim == "caller" else outside, signal.SIGKILL)
        assert os.read(reader, 100) == b"", "somebody still holds the pipe"
        os.waitpid(pid, 0)
    for fd in (reader, told, tell):
        os.close(fd)


def test_exception_in_the_caller_ends_it(root):
    """An interrupt without forwarding: the sandbox is gone before the exception leaves."""
    folder = tempfile.mkdtemp()
    fifo = f"{folder}/fifo"
    os.mkfifo(fifo)

    def interrupted():
        signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            run(shell(system_ops(root, Bind(folder, "/f")), "sleep 1000 > /f/fifo", forward_signals=False))
        except KeyboardInterrupt:
            return True
        return False

    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    assert in_child(interrupted)
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    assert poll.poll(5000), "no writer is left"
    os.close(reader)
    shutil.rmtree(folder)


def test_orphans_are_reaped_and_ended(root):
    script = "for i in 1 2 3 4 5; do (sh -c 'exit 3' &) ; done; (sleep 1000 &); until [ \"$(echo /proc/[0-9]*/stat | wc -w)\" -le 4 ]; do :; done; cat /proc/[0-9]*/stat"
    script = script.replace("| wc -w", "").replace(
        '"$(echo /proc/[0-9]*/stat )" -le 4', "$(set -- /proc/[0-9]*/stat; echo $#) -le 4"
    )
    with deadline(30):
        done = in_child(lambda: run_captured(shell(system_ops(root), script)))
    assert b" Z " not in done.stdout


def test_daemon_left_behind_does_not_hold_the_end(root):
    with deadline(20):
        done = in_child(lambda: run_captured(shell(system_ops(root), "sleep 1000 & echo done")))
    assert (done.result.code, done.stdout) == (0, b"done\n")


class Terminal:
    """A terminal whose other side a forked caller has as its own."""

    def __init__(self, wanted, size=(33, 101)):
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        self.slave = slave
        self.modes = termios.tcgetattr(slave)
        self.pid = os.fork()
        if self.pid == 0:
            code = 99
            try:
                os.close(self.master)
                os.setsid()
                fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
                for number in (0, 1, 2):
                    os.dup2(slave, number)
                code = run(wanted).code
            finally:
                os._exit(code)

    def read_until(self, text: bytes) -> bytes:
        got = b""
        with deadline(20):
            while text not in got:
                try:
                    got += os.read(self.master, 4096)
                except TimeoutError as error:
                    raise AssertionError(got) from error
        return got

    def type(self, text: bytes) -> None:
        write_all(self.master, text)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait(self) -> int:
        with deadline(20):
            _, status = os.waitpid(self.pid, 0)
        assert termios.tcgetattr(self.slave) == self.modes, "the terminal is as it was"
        os.close(self.master)
        os.close(self.slave)
        return os.waitstatus_to_exitcode(status)


def test_terminal_of_its_own(root):
    terminal = Terminal(
        shell(
            system_ops(root), "tty; stty size; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; exit 9", tty=True
        )
    )
    got = terminal.read_until(b"all")
    assert b"/dev/pts/0" in got
    assert b"33 101" in got
    assert terminal.wait() == 9


def test_typing_and_interrupting(root):
    terminal = Terminal(
        shell(
            system_ops(root),
            "trap 'echo INT; exit 5' INT; echo ready; read line; echo got:$line; while :; do sleep 0.01; done",
            tty=True,
        )
    )
    terminal.read_until(b"ready")
    terminal.type(b"hello\r")
    terminal.read_until(b"got:hello")
    terminal.type(b"\x03")
    terminal.read_until(b"INT")
    assert terminal.wait() == 5


def test_window_size_follows(root):
    terminal = Terminal(
        shell(
            system_ops(root),
            "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.01; done",
            tty=True,
        )
    )
    terminal.read_until(b"ready")
    terminal.resize(44, 155)
    terminal.read_until(b"44 155")
    assert terminal.wait() == 0


def test_job_control(root):
    terminal = Terminal(
        request(system_ops(root), "bash", "--norc", "-i", tty=True, env={"PATH": "/usr/bin", "PS1": "$ "})
    )
    got = terminal.read_until(b"$ ")
    assert b"no job control" not in got
    terminal.type(b"sleep 1000\r")
    terminal.read_until(b"sleep 1000")
    end = time.monotonic() + 20
    got = b""
    while b"Stopped" not in got and time.monotonic() < end:
        terminal.type(b"\x1a")  # until bash has given the terminal to its child
        poll = select.poll()
        poll.register(terminal.master, select.POLLIN)
        while poll.poll(100):
            got += os.read(terminal.master, 4096)
    assert b"Stopped" in got, got
    terminal.type(b"exit 3\r")
    terminal.read_until(b"stopped jobs")
    terminal.type(b"exit 3\r")
    assert terminal.wait() == 3


def test_large_output_is_complete(root):
    terminal = Terminal(
        shell(
            system_ops(root),
            "i=0; while [ $i -lt 20000 ]; do echo line$i; i=$((i+1)); done; echo THE-END",
            tty=True,
        )
    )
    got = terminal.read_until(b"THE-END")
    assert got.count(b"line") == 20000
    assert terminal.wait() == 0


def test_killed_caller_of_a_terminal_ends_the_sandbox(root):
    terminal = Terminal(
        shell(system_ops(root), "trap '' HUP; echo ready; while :; do sleep 0.01; done", tty=True)
    )
    terminal.read_until(b"ready")
    os.kill(terminal.pid, signal.SIGTERM)
    os.kill(terminal.pid, signal.SIGHUP)
    assert terminal.wait() == 128 + signal.SIGTERM


def test_no_terminal_of_the_caller_inside(root):
    """Without one of its own the command has no controlling terminal, whatever its streams are."""
    terminal = Terminal(shell(system_ops(root), "echo x > /dev/tty || echo none"))
    terminal.read_until(b"none")
    assert terminal.wait() == 0


def test_terminal_injection_with_the_callers_terminal_as_stream():
    script = """
import fcntl
try:
    fcntl.ioctl(0, 0x5412, b'x')
except OSError as error:
    print('errno', error.errno)
"""
    terminal = Terminal(python_script(script))
    terminal.read_until(b"errno 1")
    assert terminal.wait() == 0
