"""Locks between processes: who waits, for how long, and what the message says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from shipway.core.errors import StoreError
from shipway.host import lock as lock_module
from shipway.host.lock import FileLock, describe_holders, find_holders, is_locked, lock_timeout

HOLDER = """
import sys
from shipway.host.lock import FileLock
lock = FileLock(sys.argv[1], shared=sys.argv[2] == "shared")
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "lock")


@pytest.fixture
def hold(path):
    running = []

    def start(how="exclusive"):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, path, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        running.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@pytest.fixture
def clock(monkeypatch):
    """Time passes only by waiting."""

    class Clock:
        time = 0.0

        def pause(self, seconds):
            self.time += seconds

    clock = Clock()
    monkeypatch.setattr(lock_module, "monotonic", lambda: clock.time)
    monkeypatch.setattr(lock_module, "_pause", clock.pause)
    return clock


def test_exclusive_excludes_and_ends(path):
    with FileLock(path):
        assert not FileLock(path).try_acquire()
        assert not FileLock(path, shared=True).try_acquire()
        assert is_locked(path)
    assert not is_locked(path)
    assert FileLock(path).try_acquire()


def test_shared_ones_share(path):
    with FileLock(path, shared=True), FileLock(path, shared=True, timeout=0):
        assert not FileLock(path).try_acquire()


def test_a_killed_holder_leaves_no_lock(path, hold):
    process = hold()
    assert is_locked(path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert FileLock(path).try_acquire()


@pytest.mark.parametrize("how", ["exclusive", "shared"])
def test_time_out_names_lock_holder_and_variable(path, hold, clock, how):
    process = hold(how)
    with pytest.raises(StoreError) as caught:
        FileLock(path, timeout=7).acquire()
    assert path in caught.value.message
    assert f"process {process.pid} (" in caught.value.message
    assert "7 seconds" in caught.value.message
    assert any("SHIPWAY_LOCK_TIMEOUT" in hint for hint in caught.value.hints)
    assert clock.time == pytest.approx(7)


def test_the_time_limit_comes_from_the_environment(monkeypatch, path, hold, clock):
    hold()
    monkeypatch.setenv("SHIPWAY_LOCK_TIMEOUT", "3")
    with pytest.raises(StoreError, match="3 seconds"):
        FileLock(path).acquire()
    monkeypatch.setenv("SHIPWAY_LOCK_TIMEOUT", "soon")
    with pytest.raises(StoreError, match="no number of seconds: `soon`"):
        lock_timeout()
    monkeypatch.delenv("SHIPWAY_LOCK_TIMEOUT")
    assert lock_timeout() == 600


def test_who_waits_says_so_once(path, hold, clock):
    process = hold()
    said = []
    with pytest.raises(StoreError):
        FileLock(path, timeout=30, emit=said.append).acquire()
    assert len(said) == 1
    assert f"process {process.pid}" in said[0].text


def test_what_is_done_between_tries_can_end_the_wait(path, hold, clock):
    hold()
    answers = iter([False, False, True])
    lock = FileLock(path)
    assert lock.acquire(lambda: next(answers)) is False
    assert lock.fd == -1


def test_a_waiting_process_gets_the_lock_when_the_holder_ends(path, hold, monkeypatch):
    process = hold()
    monkeypatch.setattr(lock_module, "_pause", lambda _: (process.stdin.close(), process.wait()))
    with FileLock(path, timeout=60):
        assert is_locked(path)


def test_a_removed_lock_file_is_not_held_twice(path, monkeypatch):
    first = FileLock(path, remove=True)
    first.acquire()
    real = os.open
    opened = []

    def open_then_lose(name, *args, **kwargs):
        fd = real(name, *args, **kwargs)
        if name == path and not opened:
            opened.append(fd)
            # The holder ends between our open and our flock.
            first.release()
        return fd

    monkeypatch.setattr(os, "open", open_then_lose)
    second = FileLock(path, remove=True)
    assert second.try_acquire()
    assert os.path.samestat(os.fstat(second.fd), os.stat(path))
    assert not FileLock(path).try_acquire()
    second.release()
    assert not os.path.exists(path)


def test_a_shared_lock_needs_no_right_to_write(path):
    with open(path, "wb"):
        pass
    with FileLock(path, shared=True) as lock:
        assert os.get_inheritable(lock.fd) is False
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(lock.fd, b"x")


def test_a_lock_survives_exec_only_where_it_is_passed_on(path):
    lock = FileLock(path, shared=True)
    lock.acquire()
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[lock.fd])
    lock.release()
    assert is_locked(path)
    child.stdin.close()
    child.wait()
    assert not is_locked(path)


def test_holders(path):
    assert find_holders(path) == []
    assert not is_locked(path)
    assert describe_holders(path) == "a process that this one cannot see"
    with FileLock(path):
        assert find_holders(path) == [os.getpid()]
    with open(path, "w") as file:
        file.write("1\n")
    assert find_holders(path) == [1]


def test_a_lock_is_never_taken_through_a_link(path, tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    os.symlink(tmp_path / "victim", path)
    with pytest.raises(OSError, match="symbolic link"):
        FileLock(path).try_acquire()
    assert (tmp_path / "victim").read_bytes() == b"precious"
