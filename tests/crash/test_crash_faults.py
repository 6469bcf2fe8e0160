"""Every system call of a build, a collection and a repair fails once, for every reason a disk or a kernel has."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys

import pytest
from crash_faults import NAMES, WRITING, Faults
from crash_work import build, check_recovers, check_sound, collect, damage, in_child, repair

from shipway.core.errors import NoSpace, StoreError, ToolError
from shipway.host import files


def open_descriptors():
    return len(os.listdir("/proc/self/fd"))


def failing_each_call(tmp_path, work, prepare, number, check, **how):
    """Run `work` again and again, each time with another call failing; returns how many calls there are."""
    at = 0
    while True:
        at += 1
        path = str(tmp_path / str(at))
        if prepare is not None:
            prepare(path)
        before = open_descriptors()
        faults = Faults(at, number, **how)
        problem = None
        with faults.installed():
            try:
                work(path)
            except ToolError as caught:
                problem = caught
        assert open_descriptors() == before, f"descriptors leak when {faults.failed} fails"
        if not faults.failed:
            return at - 1
        if problem is not None:
            check_error(problem, number)
        check(path)
        files.remove_tree(path)
        files.remove_tree(path + ".project")


def check_error(problem, number):
    assert isinstance(problem, (StoreError, NoSpace)), problem
    assert problem.hints
    assert "`" in problem.message
    if isinstance(problem, NoSpace):
        assert number in (errno.ENOSPC, errno.EDQUOT)


def sound_then_recovers(path):
    if os.path.exists(f"{path}/format"):
        check_sound(path)
    check_recovers(path)


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.EINTR], ids=NAMES.get)
def test_a_call_of_a_build_fails(tmp_path, number):
    assert failing_each_call(tmp_path, build, None, number, sound_then_recovers) > 60


@pytest.mark.parametrize(
    ("number", "lasting"), [(errno.ENOSPC, False), (errno.EDQUOT, False), (errno.ENOSPC, True)]
)
def test_the_disk_is_full_at_any_point_of_a_build(tmp_path, number, lasting):
    counted = failing_each_call(
        tmp_path, build, None, number, sound_then_recovers, only=WRITING, lasting=lasting
    )
    assert counted > 40


def test_a_call_of_a_collection_fails(tmp_path):
    assert failing_each_call(tmp_path, collect, build, errno.EIO, sound_then_recovers) > 30


def test_the_disk_is_full_at_any_point_of_a_collection(tmp_path):
    """A full disk is when people collect, so what it needs to write must not be much; but it may be refused."""
    assert failing_each_call(tmp_path, collect, build, errno.ENOSPC, sound_then_recovers, only=WRITING) > 15


def test_a_call_of_a_repair_fails(tmp_path):
    def prepare(path):
        build(path)
        damage(path)

    def check(path):
        repair(path)
        sound_then_recovers(path)

    def quick(path):
        # One thread less to count: the checks of trees run in threads, whose order is nobody's business.
        repair(path)

    counted = failing_each_call(tmp_path, quick, prepare, errno.ENOSPC, check, only=WRITING - {"open"})
    assert counted > 15


def test_a_full_disk_is_called_full(tmp_path):
    with Faults(20, errno.ENOSPC, only=WRITING, lasting=True).installed(), pytest.raises(NoSpace) as caught:
        build(str(tmp_path / "store"))
    assert any("shipway gc" in hint for hint in caught.value.hints)


def test_too_few_descriptors(tmp_path):
    """The real limit, lowered until nothing works any more."""
    outcomes = set()
    for spare in range(14):
        path = str(tmp_path / str(spare))

        def starve(path=path, spare=spare):
            used = max(map(int, os.listdir("/proc/self/fd")))
            while os.open("/dev/null", os.O_RDONLY) <= used:
                pass
            used += 2
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (used + spare, hard))
            try:
                build(path)
            except StoreError as problem:
                os._exit(7 if "ulimit -n" in problem.hints[0] else 8)

        code = in_child(starve)
        assert code in (0, 7)
        outcomes.add(code)
        sound_then_recovers(path)
    assert outcomes == {0, 7}


TINY = """
import os, sys
sys.path[:0] = sys.argv[1:3]
from crash_work import build, check_sound, check_recovers
from shipway.core.errors import NoSpace
path, small = sys.argv[3] + "/store", None
try:
    build(path)
except NoSpace as problem:
    print("full:", problem.message)
    assert problem.hints
    if os.path.exists(path + "/format"):
        check_sound(path)
else:
    print("fits")
os.system(f"mount -o remount,size=16m,nr_inodes=0 {sys.argv[3]}")
check_recovers(path)
"""


@pytest.mark.needs_root
@pytest.mark.needs_tool("unshare", "mount")
@pytest.mark.parametrize("what", ["size", "nr_inodes"])
def test_a_really_full_disk(tmp_path, what):
    """A tmpfs of every size from too small for anything to large enough, in a mount namespace of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    here = os.path.dirname(os.path.abspath(__file__))
    paths = [here, os.path.join(os.path.dirname(here), "unit", "store")]
    outcomes = set()
    sizes = range(4096, 400_000, 32_768) if what == "size" else range(6, 120, 9)
    for size in sizes:
        # setpriv keeps CAP_SYS_RESOURCE away: root may otherwise exceed limits.
        script = f'mount -t tmpfs -o {what}={size} tmpfs {disk} && exec "$@"'
        done = subprocess.run(
            ["unshare", "-m", "sh", "-ec", script, "sh", sys.executable, "-c", TINY, *paths, str(disk)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        outcomes.add(done.stdout.split(":")[0].strip())
    assert outcomes == {"full", "fits"}
