"""Which way a host gets, from its features alone."""

from __future__ import annotations

import pytest

from shipway.sandbox import Bind, Overlay, Request, SandboxFailure, choose_mode, modes
from shipway.sandbox.probe import PROBES, Features


def features(*lacking: str) -> Features:
    assert set(lacking) <= set(PROBES)
    return Features({name: f"{name} refused" if name in lacking else "" for name in PROBES})


NO_NAMESPACES = ("userns", "pidns", "netns", "overlay_userns", "fresh_proc")


@pytest.mark.parametrize(
    ("lacking", "uid", "mode", "merged"),
    [
        ((), 0, "namespaces", False),
        ((), 1000, "namespaces", False),
        (("overlay_userns",), 1000, "namespaces", True),
        (NO_NAMESPACES, 0, "mounts", False),
        ((*NO_NAMESPACES, "overlay"), 0, "mounts", True),
        ((*NO_NAMESPACES, "mount", "overlay"), 0, "chroot", True),
        ((*NO_NAMESPACES, "mount", "overlay", "chroot"), 0, "proot", True),
        (NO_NAMESPACES, 1000, "proot", True),
    ],
)
def test_best_way(lacking, uid, mode, merged):
    choice = choose_mode(features(*lacking), uid=uid)
    assert (choice.mode, choice.needs_merged_root) == (mode, merged)
    assert bool(choice.reason) == bool(lacking)


def test_no_way_left():
    with pytest.raises(SandboxFailure, match="userns refused; PRoot: proot refused"):
        choose_mode(features(*NO_NAMESPACES, "proot"), uid=1000)


@pytest.mark.parametrize(
    ("uid", "proot", "fields", "expected"),
    [
        (1000, "/p", {}, ["namespaces"]),
        (0, "/p", {}, ["namespaces", "mounts"]),
        (0, "/p", {"merged_root": "/m"}, ["namespaces", "mounts", "chroot"]),
        (1000, "/p", {"merged_root": "/m"}, ["namespaces", "proot"]),
        (1000, None, {"merged_root": "/m"}, ["namespaces"]),
        (0, "/p", {"merged_root": "/m", "write": True}, ["namespaces", "mounts", "proot", "chroot"]),
        (0, None, {"merged_root": "/m", "write": True}, ["namespaces", "mounts", "chroot"]),
        (0, "/p", {"mode": "chroot", "merged_root": "/m"}, ["chroot"]),
    ],
)
def test_ways_to_try(monkeypatch, uid, proot, fields, expected):
    monkeypatch.setattr(modes.os, "geteuid", lambda: uid)
    monkeypatch.setattr(modes, "find_proot", lambda: proot)
    write = Bind("/a", "/a", read_only=not fields.pop("write", False))
    assert modes.plan_modes(Request([Overlay(["/x"]), write], ["true"], **fields)) == expected


def test_features_have_reasons():
    found = features("proot")
    assert not found.ok("proot")
    assert found.reasons()["userns"] == ""
