import os

import pytest

from shipway.core.errors import ExitCode, LimitError
from shipway.run import limits as room
from shipway.run.cgroups import Group, Layout, find_group, parse_memberships, parse_mounts, read_layout
from shipway.run.limits import (
    Enforcer,
    LimitPlan,
    Placement,
    Scope,
    Setting,
    enforced_limits,
    plan_limits,
    scope_command,
)
from shipway.run.model import Limits

ALL = Limits(memory=1 << 30, cpus=1.5, pids=100)
V2 = Group("/sys/fs/cgroup/job", "/sys/fs/cgroup")
OFFERED = frozenset({"memory", "cpu", "pids"})
HYBRID_CGROUP = "9:name=systemd:/\n8:pids:/\n4:memory:/api/x\n3:cpuset:/\n2:cpu,cpuacct:/\n0::/\n"
HYBRID_MOUNTS = """\
22 1 0:20 / / rw - ext4 /dev/vda rw
30 22 0:25 / /sys/fs/cgroup rw - tmpfs tmpfs rw
31 30 0:26 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
32 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 30 0:28 / /sys/fs/cgroup/with\\040space rw - cgroup cgroup rw,pids
34 30 0:29 / /sys/fs/cgroup/unified rw shared:3 - cgroup2 cgroup2 rw,nsdelegate
"""


def plan(layout, limits=ALL, uid=1000):
    return plan_limits(limits, layout, uid=uid, name="shipway-1")


def test_no_limit_needs_nothing():
    assert plan(Layout(), Limits()) == LimitPlan()


def test_a_user_manager_is_asked_first():
    layout = Layout(unified=V2, controllers=OFFERED, handed_down=OFFERED, writable=True, user_manager=True)
    assert plan(layout).scope == Scope(
        "shipway-1.scope",
        (
            ("MemoryMax", "t", "1073741824"),
            ("MemorySwapMax", "t", "0"),
            ("CPUQuotaPerSecUSec", "t", "1500000"),
            ("TasksMax", "t", "100"),
        ),
        (
            Setting("memory.max", "1073741824"),
            Setting("memory.swap.max", "0", optional=True),
            Setting("pids.max", "100"),
        ),
    )
    assert plan(layout, uid=0).scope is None, "root has no need to ask"


def test_a_manager_without_the_controller_is_not_asked():
    layout = Layout(unified=V2, controllers=frozenset({"memory", "pids"}), user_manager=True)
    assert plan(layout, Limits(memory=5)).scope
    with pytest.raises(LimitError, match="has no cgroup controller cpu"):
        plan(layout, Limits(cpus=1))


def test_a_delegated_cgroup_gets_a_child():
    layout = Layout(unified=V2, controllers=OFFERED, handed_down=OFFERED, writable=True)
    assert plan(layout).placements == (
        Placement(
            "/sys/fs/cgroup/job",
            "shipway-1",
            (
                Setting("memory.max", "1073741824"),
                Setting("memory.swap.max", "0", optional=True),
                Setting("cpu.max", "150000 100000"),
                Setting("pids.max", "100"),
            ),
        ),
    )


def test_controllers_are_handed_down_only_by_a_process_alone():
    layout = Layout(
        unified=V2, controllers=OFFERED, handed_down=frozenset({"pids"}), writable=True, alone=True
    )
    assert plan(layout).placements[0].hand_down == ("cpu", "memory")
    with pytest.raises(LimitError, match="other processes share this cgroup"):
        plan(layout._replace(alone=False))


def test_root_on_the_old_hierarchies():
    groups = tuple(
        (name, Group(f"/sys/fs/cgroup/{name}", f"/sys/fs/cgroup/{name}"))
        for name in ("memory", "cpu", "pids")
    )
    layout = Layout(unified=V2, writable=True, legacy=groups)
    made = plan(layout, uid=0)
    assert [(place.path, place.settings) for place in made.placements] == [
        (
            "/sys/fs/cgroup/cpu/shipway-1",
            (Setting("cpu.cfs_period_us", "100000"), Setting("cpu.cfs_quota_us", "150000")),
        ),
        (
            "/sys/fs/cgroup/memory/shipway-1",
            (
                Setting("memory.limit_in_bytes", "1073741824"),
                Setting("memory.memsw.limit_in_bytes", "1073741824", optional=True),
            ),
        ),
        ("/sys/fs/cgroup/pids/shipway-1", (Setting("pids.max", "100"),)),
    ]
    assert "memory.limit_in_bytes=1073741824" in "\n".join(made.describe())
    assert len(plan(layout, Limits(pids=5), uid=0).placements) == 1


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        (Layout(), "no cgroup controller cpu, memory and pids"),
        (Layout(legacy_refused=OFFERED), "cgroup v1, which only root may do"),
        (Layout(unified=V2, controllers=OFFERED), "not delegated"),
    ],
)
def test_what_cannot_be_enforced_is_refused_with_the_reason(layout, reason):
    with pytest.raises(LimitError, match=reason) as caught:
        plan(layout)
    assert (
        "a memory limit of 1.0 GiB, a limit of 1.5 CPUs and a limit of 100 processes" in caught.value.message
    )
    assert caught.value.code == ExitCode.LIMIT
    assert caught.value.hints


def test_tiny_cpu_limits_stay_above_what_the_kernel_takes():
    layout = Layout(unified=V2, controllers=OFFERED, handed_down=OFFERED, writable=True)
    assert plan(layout, Limits(cpus=0.001)).placements[0].settings == (Setting("cpu.max", "1000 100000"),)


def test_memberships_of_a_hybrid_host():
    members = parse_memberships(HYBRID_CGROUP)
    assert (members["memory"], members["cpu"], members["cpuacct"], members[""]) == ("/api/x", "/", "/", "/")


def test_mounts_of_a_hybrid_host():
    legacy, unified = parse_mounts(HYBRID_MOUNTS)
    assert legacy["cpu"] == ("/", "/sys/fs/cgroup/cpu")
    assert legacy["pids"] == ("/", "/sys/fs/cgroup/with space")
    assert unified == ("/", "/sys/fs/cgroup/unified")


@pytest.mark.parametrize(
    ("root", "path", "expected"),
    [("/", "/a/b", "a/b"), ("/docker/x", "/docker/x/job", "job"), ("/docker/x", "/", ""), ("/", "/gone", "")],
)
def test_where_we_stand_in_a_hierarchy(tmp_path, root, path, expected):
    for folder in ("a/b", "job"):
        (tmp_path / folder).mkdir(parents=True)
    group = find_group(root, str(tmp_path), path)
    assert group == Group(f"{tmp_path}/{expected}".rstrip("/"), str(tmp_path))


def make_proc(tmp_path, name="proc"):
    """A /proc/self and a cgroup v2 tree of plain files."""
    tree, proc = tmp_path / "tree", tmp_path / name
    for folder in (tree / "job", proc):
        folder.mkdir(parents=True, exist_ok=True)
    (tree / "job/cgroup.controllers").write_text("cpu memory pids\n")
    (tree / "job/cgroup.subtree_control").write_text("pids\n")
    (tree / "job/cgroup.procs").write_text(f"{os.getpid()}\n")
    (proc / "cgroup").write_text("0::/job\n")
    (proc / "mountinfo").write_text(f"34 30 0:29 / {tree} rw - cgroup2 cgroup2 rw\n")
    return tree, proc


def test_a_layout_is_read(tmp_path):
    tree, proc = make_proc(tmp_path)
    (tmp_path / "run/systemd").mkdir(parents=True)
    (tmp_path / "run/systemd/private").touch()
    assert read_layout(proc=str(proc), runtime=str(tmp_path / "run")) == Layout(
        unified=Group(f"{tree}/job", str(tree)),
        controllers=OFFERED,
        handed_down=frozenset({"pids"}),
        writable=True,
        alone=True,
        user_manager=True,
    )
    (tree / "job/cgroup.procs").write_text(f"{os.getpid()}\n1\n")
    assert not read_layout(proc=str(proc)).alone
    assert not read_layout(proc=str(proc)).user_manager


def test_the_call_to_systemd_is_exactly_this():
    scope = Scope("s.scope", (("MemoryMax", "t", "5"),), ())
    command = scope_command(scope, tool="/usr/bin/busctl", pid=42, runtime="/run/user/7")
    manager = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
    start = ("/usr/bin/busctl", "--user", "call", *manager, "StartTransientUnit", "ssa(sv)a(sa(sv))")
    assert command.argv == (
        *start,
        "s.scope",
        "fail",
        "2",
        "PIDs",
        "au",
        "1",
        "42",
        "MemoryMax",
        "t",
        "5",
        "0",
    )
    assert command.env["XDG_RUNTIME_DIR"] == "/run/user/7"


def write_busctl(tmp_path, script):
    tool = tmp_path / "bin/busctl"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    return str(tool)


def test_a_scope_is_believed_only_when_the_kernel_says_so(tmp_path, monkeypatch):
    tree, proc = make_proc(tmp_path)
    (tree / "s.scope").mkdir()
    (tree / "s.scope/memory.max").write_text("8192\n")
    tool = write_busctl(tmp_path, f"printf '0::/s.scope\\n' > {proc}/cgroup")
    monkeypatch.setattr(room, "find_tool", lambda _name: tool)
    monkeypatch.setattr(room, "read_layout", lambda **_more: read_layout(proc=str(proc)))
    Enforcer(scope=Scope("s.scope", (), (Setting("memory.max", "8200"),))).admit(42)
    with pytest.raises(LimitError, match=r"`memory\.max` says `8192`"):
        Enforcer(scope=Scope("s.scope", (), (Setting("memory.max", "20000"),))).admit(42)
    with pytest.raises(LimitError, match=r"`pids\.max` says `nothing`"):
        Enforcer(scope=Scope("s.scope", (), (Setting("pids.max", "5"),))).admit(42)


def test_a_refusing_manager_is_quoted(tmp_path, monkeypatch):
    tool = write_busctl(tmp_path, "echo 'Access denied' >&2; exit 1")
    monkeypatch.setattr(room, "find_tool", lambda _name: tool)
    with pytest.raises(LimitError, match="refused") as caught:
        Enforcer(scope=Scope("s.scope", (), ())).admit(42)
    assert "Access denied" in caught.value.detail
    monkeypatch.setattr(room, "find_tool", lambda _name: None)
    with pytest.raises(LimitError, match="busctl"):
        Enforcer(scope=Scope("s.scope", (), ())).admit(42)


def test_a_manager_that_does_not_move_us_is_not_believed(tmp_path, monkeypatch):
    _, proc = make_proc(tmp_path)
    tool = write_busctl(tmp_path, "true")
    monkeypatch.setattr(room, "find_tool", lambda _name: tool)
    monkeypatch.setattr(room, "read_layout", lambda **_more: read_layout(proc=str(proc)))
    monkeypatch.setattr(room, "_PATIENCE", 0.05)
    with pytest.raises(LimitError, match="did not move"):
        Enforcer(scope=Scope("s.scope", (), ())).admit(42)


def test_a_cgroup_that_refuses_is_named_and_left_without_trace(tmp_path, monkeypatch):
    tree, proc = make_proc(tmp_path)
    (tree / "job/cgroup.subtree_control").write_text("cpu memory pids\n")
    monkeypatch.setattr(room, "read_layout", lambda **_more: read_layout(proc=str(proc)))
    monkeypatch.setattr(room, "_kill_all", lambda _folder: None)
    manager = enforced_limits(Limits(pids=5), uid=1000, name="shipway-1", runtime="")
    with pytest.raises(LimitError, match=r"shipway-1/pids\.max"):
        manager.__enter__()
    assert not (tree / "job/shipway-1").exists()


def test_kills_are_counted_from_both_generations(tmp_path):
    for name, file in (("new", "memory.events"), ("old", "memory.oom_control")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("low 0\noom 3\noom_kill 2\n")
    assert Enforcer((f"{tmp_path}/new", f"{tmp_path}/old", f"{tmp_path}/gone")).count_memory_kills() == 4
