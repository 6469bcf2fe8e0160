"""Requests and results as values: what travels as JSON comes back the same, what is wrong is named."""

from __future__ import annotations

import json
import pickle

import pytest

from shipway.sandbox import (
    Attribute,
    Bind,
    Dev,
    Device,
    MakeDir,
    Overlay,
    Owner,
    Proc,
    Request,
    Result,
    SandboxFailure,
    Symlink,
    Tmpfs,
    WriteFile,
    parse_op,
    parse_request,
)

OPS = [
    Overlay(("/a", "/b:,\\ c"), "/upper", "/work", volatile=True),
    Overlay(["/a"], None, target="/deep", scratch_size=5),
    Bind("/home", "/home/me", read_only=True, optional=True, devices=True, recursive=False),
    Tmpfs("/tmp", 1024, 0o700),
    Proc(),
    Dev(shm_size=1 << 30),
    Symlink("../x", "/etc/y"),
    WriteFile("/etc/z", bytes(range(256)), 0o600),
    MakeDir("/var/q", 0o711),
]


def full_request() -> Request:
    return Request(
        OPS, ["a", "b"], env={"A": "1"}, cwd="/x", host_uid_as="root", network="none", hostname="h", pid_namespace=False, ipc=False,
        uts=False, no_new_privs=False, drop_caps=False, suppress_chown=True, suppress_sync=True, seccomp_terminal=False,
        rlimits={"nofile": (1, -1)}, tty=True, umask=0o77, keep_fds=[7], forward_signals=False, mode="chroot", merged_root="/m", control=True, relay=False, join={"user": 3},
    )  # fmt: skip


@pytest.mark.parametrize("op", OPS, ids=lambda op: type(op).__name__)
def test_operation_survives_json(op):
    assert parse_op(json.loads(json.dumps(op.to_json()))) == op


def test_request_survives_json_and_pickle():
    request = full_request()
    assert parse_request(json.loads(json.dumps(request.to_json()))) == request
    assert pickle.loads(pickle.dumps(request)) == request
    plain = Request([], ["x"])
    assert all(getattr(request, name) != getattr(plain, name) for name in Request.__slots__), (
        "every field is tested"
    )


def test_values_differ_by_field_and_by_type():
    assert Symlink("a", "/b") != Symlink("a", "/c")
    assert Proc("/proc") != MakeDir("/proc")
    assert hash(Proc()) == hash(Proc())


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"op": "Mount"}, "unknown operation `Mount`"),
        ({"op": ["Bind"]}, "unknown operation"),
        ({}, "unknown operation"),
        ({"op": "Proc", "where": "/x"}, "no field `where`"),
        ({"op": "Bind", "source": "/a"}, "`Bind`"),
    ],
)
def test_wrong_operation_is_named(value, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_op(value)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"argv": []}, "argv is empty"),
        ({"argv": ["x"], "cwd": "relative"}, "`relative` is not an absolute path"),
        ({"argv": ["x"], "ops": [{"op": "Proc", "target": "proc"}]}, "`proc` is not"),
        ({"argv": ["x"], "ops": [{"op": "Proc", "target": "/a\0b"}]}, "is not an absolute"),
        ({"argv": ["x"], "network": "bridge"}, "network is `bridge`, must be one of host, none"),
        ({"argv": ["x"], "mode": "vm"}, "mode is `vm`"),
        ({"argv": ["x"], "host_uid_as": "0"}, "host_uid_as is `0`"),
        ({"argv": ["x"], "colour": 1}, "unknown field `colour`"),
    ],
)
def test_wrong_request_is_named(fields, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_request(fields)


def test_plan_is_text_for_people():
    assert full_request().describe() == [
        "overlay /: 2 lowers, upper /upper",
        "overlay /deep: 1 lowers, read-only",
        "bind /home -> /home/me (read-only)",
        "tmpfs /tmp",
        "proc /proc",
        "dev /dev",
        "symlink /etc/y -> ../x",
        "write /etc/z (256 bytes)",
        "makedir /var/q",
        "exec a b in /x",
    ]


def test_merged_tree_stands_for_the_root_overlay_alone():
    assert full_request().mounted_ops()[:2] == (Bind("/m", "/", recursive=False), OPS[1])
    assert full_request().replace(merged_root=None).mounted_ops() == tuple(OPS)


def test_result_as_json():
    result = Result(
        137, 9, mode="chroot", note="n", message="m", ownership=[Owner("/a", 1, -1)],
        xattrs=[Attribute("/b", "security.capability", b"\1\2")], devices=[Device("/c", 0o20666, 259)],
    )  # fmt: skip
    assert json.loads(json.dumps(result.to_json())) == {
        "code": 137, "signal": 9, "mode": "chroot", "note": "n", "message": "m", "ownership": [["/a", 1, -1]],
        "xattrs": [["/b", "security.capability", "0102"]], "devices": [["/c", 0o20666, 259]],
    }  # fmt: skip


def test_failure_travels_between_processes():
    failure = pickle.loads(pickle.dumps(SandboxFailure("why", step="s", errno=1, hints=("do",))))
    assert (failure.message, failure.step, failure.errno, failure.hints) == ("why", "s", 1, ("do",))
