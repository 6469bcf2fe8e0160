"""Limits on the cgroups of this machine, whatever their layout: they bite, and nothing of them is left."""

import os
import signal

import pytest

from shipway.core.errors import LimitError
from shipway.run.cgroups import read_layout
from shipway.run.limits import enforced_limits, plan_limits
from shipway.run.model import Limits

pytestmark = pytest.mark.needs_root
MIB = 1 << 20


@pytest.fixture
def enforce():
    """`enforced_limits` for root here; a machine whose cgroups nobody may change says why."""

    def start(limits):
        name = f"shipway-test-{os.getpid()}"
        try:
            plan_limits(limits, read_layout(), uid=0, name=name)
        except LimitError as error:
            pytest.skip(error.message)
        return enforced_limits(limits, uid=0, name=name, runtime="")

    return start


def run_child(enforcer, work):
    """Run `work` in a child that waits until it was admitted; returns its wait status."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(writer)
            os.read(reader, 1)
            os._exit(work() or 0)
        finally:
            os._exit(99)
    os.close(reader)
    enforcer.admit(pid)
    os.write(writer, b"x")
    os.close(writer)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def fill(size):
    def work():
        block = bytearray(size)
        for offset in range(0, size, 4096):
            block[offset] = 1

    return work


def count_forks():
    made = 0
    try:
        for _ in range(40):
            pid = os.fork()
            if pid == 0:
                signal.pause()
            made += 1
    except BlockingIOError:
        return made
    return 88


def test_too_much_memory_is_killed_and_counted(enforce):
    with enforce(Limits(memory=128 * MIB)) as enforcer:
        assert run_child(enforcer, fill(300 * MIB)) == -signal.SIGKILL
        assert enforcer.count_memory_kills() >= 1


def test_memory_within_the_limit_is_fine(enforce):
    with enforce(Limits(memory=256 * MIB)) as enforcer:
        assert run_child(enforcer, fill(32 * MIB)) == 0
        assert enforcer.count_memory_kills() == 0


def test_processes_are_counted_and_what_is_left_is_ended(enforce):
    with enforce(Limits(pids=10)) as enforcer:
        assert run_child(enforcer, count_forks) == 9, "the child itself is the tenth"
        folders = enforcer.folders
    assert not any(map(os.path.exists, folders))


def test_the_kernel_has_the_cpu_quota(enforce):
    with enforce(Limits(cpus=0.5)) as enforcer:
        (folder,) = enforcer.folders
        name = "cpu.max" if os.path.exists(f"{folder}/cpu.max") else "cpu.cfs_quota_us"
        with open(f"{folder}/{name}") as file:
            assert file.read().split()[0] == "50000"


def test_cgroups_go_when_the_run_fails_and_we_are_where_we_were(enforce):
    with open("/proc/self/cgroup") as file:
        before = file.read()
    limits = Limits(memory=256 * MIB, cpus=1, pids=50)
    folders = []

    def fail():
        with enforce(limits) as enforcer:
            folders.extend(enforcer.folders)
            assert all(map(os.path.isdir, folders))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert folders
    assert not any(map(os.path.exists, folders))
    with open("/proc/self/cgroup") as file:
        assert file.read() == before


def test_a_plain_user_is_refused_on_hierarchies_of_root(enforce):
    layout = read_layout()
    if not layout.legacy:
        pytest.skip("no cgroup v1 controllers here")
    pid = os.fork()
    if pid == 0:
        os.setgid(61234)
        os.setuid(61234)
        seen = read_layout()
        os._exit(0 if not seen.legacy and seen.legacy_refused == {name for name, _ in layout.legacy} else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
