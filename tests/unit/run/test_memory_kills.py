"""Kills for memory: found in the container's own cgroup of either version, and never claimed where nothing was counted."""

import pytest

from shipway.run.memory_kills import (
    Count,
    Meter,
    explain_between,
    explain_engine,
    find_group,
    find_kill,
    read_count,
    suspect_limit,
)

MIB = 1 << 20
V2 = {"memory.events": "low 0\nhigh 0\nmax 31\noom 2\noom_kill 3\n", "memory.max": f"{20 * MIB}\n"}
V1 = {
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    "memory.limit_in_bytes": f"{20 * MIB}\n",
    "memory.max_usage_in_bytes": f"{20 * MIB - 4096}\n",
}


def make(folder, files):
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return str(folder)


def make_proc(base, mounts, members):
    (base / "self").mkdir(parents=True)
    (base / "42").mkdir()
    (base / "self/mountinfo").write_text(mounts)
    (base / "42/cgroup").write_text(members)
    return str(base)


def test_both_versions_are_read(tmp_path):
    assert read_count(make(tmp_path / "two", V2)) == Count(3, 20 * MIB, ooms=2)
    assert read_count(make(tmp_path / "one", V1)) == Count(3, 20 * MIB, peak=20 * MIB - 4096)
    free = {**V1, "memory.limit_in_bytes": "9223372036854771712\n"}
    assert read_count(make(tmp_path / "free", free)).limit is None
    assert read_count(make(tmp_path / "max", {**V2, "memory.max": "max\n"})).limit is None
    assert read_count(make(tmp_path / "old", {"memory.oom_control": "under_oom 0\n"})) is None
    assert read_count(f"{tmp_path}/gone") is None


def test_the_group_is_that_of_the_container(tmp_path):
    """Also where its process is further down; a process of the same number elsewhere is none of ours."""
    mount = tmp_path / "cgroup"
    mounts = f"30 1 0:26 / {mount} rw - cgroup2 cgroup2 rw\n"
    group = make(mount / "user.slice/libpod-c0ffee.scope", V2)
    proc = make_proc(tmp_path / "proc", mounts, "0::/user.slice/libpod-c0ffee.scope/container\n")
    assert find_group(42, "c0ffee", proc=proc) == group
    assert find_group(42, "beef", proc=proc) == ""
    assert find_group(42, "", proc=proc) == ""
    assert find_group(43, "c0ffee", proc=proc) == ""


def test_the_older_hierarchy_counts_where_both_are_mounted(tmp_path):
    one, two = tmp_path / "memory", tmp_path / "unified"
    mounts = (
        f"30 1 0:26 / {two} rw - cgroup2 cgroup2 rw\n31 1 0:27 /docker {one} rw - cgroup cgroup rw,memory\n"
    )
    group = make(one / "c0ffee", V1)
    (two / "docker/c0ffee").mkdir(parents=True)
    members = "4:memory:/docker/c0ffee\n0::/docker/c0ffee\n"
    assert find_group(42, "c0ffee", proc=make_proc(tmp_path / "proc", mounts, members)) == group
    # What lies outside the part that is mounted here cannot be read, and no other group is taken for it.
    other = make_proc(tmp_path / "other", mounts, "4:memory:/lxc/c0ffee\n0::/../lxc/c0ffee\n")
    assert find_group(42, "c0ffee", proc=other) == ""


@pytest.mark.parametrize(
    ("code", "before", "after", "said"),
    [
        (137, Count(1, 20 * MIB, 1), Count(2, 20 * MIB, 2), "the memory limit of 20.0 MiB was reached"),
        (3, Count(1, 20 * MIB, 1), Count(3, 20 * MIB, 2), "killed 2 of the container's processes"),
        (137, Count(0, 20 * MIB, peak=5), Count(1, 20 * MIB, peak=20 * MIB), "the memory limit of 20.0 MiB"),
        (137, Count(0, 20 * MIB, 0), Count(1, 20 * MIB, 0), "this machine, or whatever else limits"),
        (
            137,
            Count(0, 20 * MIB, peak=5),
            Count(1, 20 * MIB, peak=9),
            "this machine, or whatever else limits",
        ),
        (137, Count(0, None, 0), Count(1, None, 0), "this machine, or whatever else limits"),
        (137, None, None, "perhaps for reaching the memory limit of 64.0 MiB"),
        (137, Count(0, 20 * MIB, 0), None, "perhaps for reaching the memory limit of 64.0 MiB"),
    ],
)
def test_what_is_said(code, before, after, said):
    assert said in explain_between(code, before, after, 64 * MIB)


def test_what_is_not_said():
    """Of who got on, of a kill by somebody, and of a limit that nobody set."""
    assert explain_between(0, Count(0, MIB, 0), Count(1, MIB, 1), MIB) == ""
    assert explain_between(137, Count(1, MIB, 1), Count(1, MIB, 1), MIB) == ""
    assert explain_between(137, None, None, None) == ""
    assert suspect_limit(1, MIB) == ""
    assert "limit" not in explain_engine(None)
    assert "its memory limit is 1.0 MiB" in explain_engine(MIB)


def test_a_meter_counts_from_its_making(tmp_path):
    folder = make(tmp_path / "group", V2)
    meter = Meter(folder, None)
    assert meter.explain(137) == ""
    (tmp_path / "group/memory.events").write_text("oom 3\noom_kill 4\n")
    assert "killed 1 of" in meter.explain(137)


def test_the_file_of_a_monitor_counts_for_one_start(tmp_path):
    assert not find_kill(str(tmp_path), 0.0)
    (tmp_path / "oom").touch()
    assert find_kill(str(tmp_path), 1.0)
    assert not find_kill(str(tmp_path), 4e9)
