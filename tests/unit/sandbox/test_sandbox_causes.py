"""Why a host refuses, from recorded settings."""

from __future__ import annotations

import errno

import pytest

from shipway.sandbox import causes
from shipway.sandbox.causes import (
    APPARMOR,
    CLONE,
    DOCKER_MARK,
    MAXIMUM,
    MOUNTINFO,
    PODMAN_MARK,
    STATUS,
    diagnose,
    proc_is_masked,
)

FREE = "Name:\tx\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n"
DOCKER = "Name:\tx\nCapBnd:\t00000000a80425fb\nNoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1\n"
PLAIN_PROC = "23 28 0:22 / /proc rw,nosuid shared:12 - proc proc rw\n29 23 0:27 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw\n"
MASKED_PROC = (
    "571 570 0:60 / /proc rw,nosuid - proc proc rw\n580 571 0:60 /bus /proc/bus ro,nosuid - proc proc rw\n"
)


@pytest.mark.parametrize(
    ("texts", "uid", "number", "names"),
    [
        ({APPARMOR: "1\n", STATUS: FREE, MAXIMUM: "96365\n"}, 1000, errno.EACCES, ["apparmor"]),
        ({APPARMOR: "1\n", STATUS: FREE}, 0, errno.EPERM, []),
        ({APPARMOR: "0\n", STATUS: FREE}, 1000, errno.EPERM, []),
        ({CLONE: "0\n", STATUS: FREE}, 1000, errno.EPERM, ["userns-clone"]),
        ({CLONE: "0\n", APPARMOR: "1\n"}, 1000, errno.EPERM, ["apparmor", "userns-clone"]),
        ({MAXIMUM: "0\n", STATUS: FREE}, 1000, errno.ENOSPC, ["max-namespaces"]),
        ({MAXIMUM: "12\n", STATUS: FREE}, 1000, errno.ENOSPC, ["max-namespaces"]),
        (
            {STATUS: DOCKER, DOCKER_MARK: "", MOUNTINFO: MASKED_PROC},
            0,
            errno.EPERM,
            ["container", "masked-proc"],
        ),
        ({STATUS: DOCKER, PODMAN_MARK: "", MOUNTINFO: PLAIN_PROC}, 0, errno.EPERM, ["container"]),
        ({STATUS: DOCKER}, 1000, errno.EPERM, ["seccomp"]),
        ({STATUS: DOCKER}, 1000, errno.ENOSYS, ["seccomp"]),
        ({STATUS: FREE}, 1000, errno.ENOSYS, ["kernel"]),
        ({STATUS: FREE.replace("1ffffffffff", "0000000000")}, 0, errno.EPERM, ["capabilities"]),
        ({}, 1000, errno.EINVAL, []),
    ],
)
def test_cause_is_found(texts, uid, number, names):
    assert [cause.name for cause in diagnose(texts, uid=uid, number=number)] == names


def test_each_cause_says_what_to_do():
    all_causes = [value for value in vars(causes).values() if isinstance(value, causes.Diagnosis)]
    assert len(all_causes) == 8
    assert all(cause.finding and cause.remedy and not cause.remedy.endswith(".") for cause in all_causes)
    assert "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" in causes._APPARMOR.remedy


def test_masked_proc():
    assert proc_is_masked(MASKED_PROC)
    assert not proc_is_masked(PLAIN_PROC)
    assert not proc_is_masked("")


def test_this_host_can_be_read():
    assert "Seccomp" in causes.read_texts()[STATUS]
