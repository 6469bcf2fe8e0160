"""Each rung of the mount ladder does the same, and a mount that is not what was asked for is noticed."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile

import pytest
from sandbox_world import PLAIN_UID, become_user, in_child

from shipway.sandbox import SandboxFailure, mounts, syscalls
from shipway.sandbox.overlay import RUNGS, Layers, mount_overlay, verify_overlay
from shipway.sandbox.probe import _enter_mountns, _enter_userns

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_userns]

DIRECTORY = syscalls.O_PATH | os.O_DIRECTORY


@pytest.fixture
def place():
    path = tempfile.mkdtemp(prefix="sandbox-overlay-")
    os.chown(path, PLAIN_UID, PLAIN_UID)
    yield path
    shutil.rmtree(path)


@pytest.fixture(params=["root", "user namespace", "user"])
def steps(request):
    """How to be allowed to mount, and whether that is a user namespace."""
    return {
        "root": ([_enter_mountns], False),
        "user namespace": ([_enter_userns], True),
        "user": ([become_user(), _enter_userns], True),
    }[request.param]


def layers_in(place: str, count: int, *, userxattr: bool, name: str = "lower") -> tuple[Layers, int]:
    """`count` lowers, each with a file of its number, under an upper; made by the caller of this."""
    fd = os.open(place, DIRECTORY)
    mounts.attach(mounts.new_tmpfs("64m", 0o755), fd)
    os.close(fd)
    lowers = []
    for number in range(count):
        os.makedirs(f"{place}/{name}{number}/all")
        with open(f"{place}/{name}{number}/all/{number}", "w") as file:
            file.write(str(number))
        with open(f"{place}/{name}{number}/top", "w") as file:
            file.write(str(number))
        lowers.append(os.open(f"{place}/{name}{number}", DIRECTORY))
    for directory in ("upper", "work", "root", "names"):
        os.mkdir(f"{place}/{directory}")
    return Layers(
        lowers,
        os.open(f"{place}/upper", DIRECTORY),
        os.open(f"{place}/work", DIRECTORY),
        volatile=True,
        userxattr=userxattr,
    ), os.open(f"{place}/root", DIRECTORY)


@pytest.mark.parametrize("count", [1, 40, 500])
@pytest.mark.parametrize("rung", RUNGS)
def test_every_rung_mounts_the_same(place, steps, rung, count):
    def attempt():
        layers, root = layers_in(place, count, userxattr=steps[1])
        RUNGS[rung](layers, root, f"{place}/names")
        made = os.open(f"{place}/root", DIRECTORY)
        verify_overlay(made, layers)
        with open(f"{place}/root/top") as file:
            top = file.read()
        shutil.rmtree(f"{place}/root/all")
        os.mkdir(f"{place}/root/all")
        return (
            top,
            os.listdir(f"{place}/root/all"),
            os.listdir(f"{place}/names"),
            os.statvfs(f"{place}/root").f_flag & 6,
        )

    assert in_child(attempt, *steps[0]) == ("0", [], [], 6)


def test_cut_mount_is_noticed(place):
    """mount(2) takes a long string, mounts fewer layers and calls it success: the check sees it."""

    def attempt():
        layers, root = layers_in(place, 300, userxattr=True, name="a-name-so-long-that-the-page-is-full-")
        text = "userxattr,lowerdir="
        used = 0
        for number in range(300):
            text += f"{place}/a-name-so-long-that-the-page-is-full-{number}" + ":"
            used += 1
            if len(text) > 4200:
                break
        # Let the cut fall exactly behind a whole name, as luck may have it.
        whole = text[:4095].rpartition(":")[0]
        padded = (
            "userxattr," + "," * (4095 - len(whole)) + whole.removeprefix("userxattr,") + text[len(whole) :]
        )
        syscalls.mount("shipway", f"/proc/self/fd/{root}", "overlay", 0, padded.encode())
        made = os.open(f"{place}/root", DIRECTORY)
        wanted = Layers(layers.lowers[:used], None, None, volatile=False, userxattr=True)
        try:
            verify_overlay(made, wanted)
        except SandboxFailure as failure:
            return failure.message
        return "not noticed"

    message = in_child(attempt, _enter_userns)
    assert "lower directories without an error" in message, message


def test_read_only_where_writing_was_asked_is_noticed(place):
    def attempt():
        layers, root = layers_in(place, 3, userxattr=True)
        lowers_only = Layers(layers.lowers, None, None, volatile=False, userxattr=True)
        mount_overlay(lowers_only, root, f"{place}/names")
        made = os.open(f"{place}/root", DIRECTORY)
        verify_overlay(made, lowers_only)
        with pytest.raises(SandboxFailure, match="read-only though an upper directory was given"):
            verify_overlay(made, layers)
        return True

    assert in_child(attempt, _enter_userns)


def test_ladder_goes_on_where_a_rung_is_missing(place, monkeypatch):
    tried = []

    def missing(*arguments):
        tried.append("missing")
        raise OSError(errno.EINVAL, "not in this kernel", "rung")

    rungs = dict(RUNGS)
    for name in list(rungs)[:2]:
        monkeypatch.setitem(RUNGS, name, missing)

    def attempt():
        layers, root = layers_in(place, 3, userxattr=True)
        return mount_overlay(layers, root, f"{place}/names"), len(tried)

    assert in_child(attempt, _enter_userns) == ("mount(2)", 2)


def test_refusal_tells_every_answer(place):
    def attempt():
        layers, root = layers_in(place, 2, userxattr=True)
        broken = Layers(
            layers.lowers, os.open("/proc", DIRECTORY), layers.work, volatile=False, userxattr=True
        )
        mount_overlay(broken, root, f"{place}/names")

    with pytest.raises(SandboxFailure, match="fsconfig descriptors: ") as caught:
        in_child(attempt, _enter_userns)
    assert caught.value.message.startswith("the kernel refuses the overlay mount")
