"""Options of a run, decided: together with the spec's, in words, and in the words of engines."""

import os

import pytest
from run_values import ENVIRONMENT, GIB, HOST, IMAGE, TRUE

from shipway.core.errors import EngineError, ExitCode, LimitError, ToolError
from shipway.run import native_can
from shipway.run.accounts import choose_account, choose_groups, choose_user
from shipway.run.apptainer import require_doable
from shipway.run.bus_error import explain_bus_error
from shipway.run.cgroups import Group, Layout
from shipway.run.combined import combine_limits, find_near_misses, is_one_off
from shipway.run.describe import describe_limits, describe_run
from shipway.run.inside import find_start_fault
from shipway.run.limit_settings import weight_of
from shipway.run.limits import Enforcer, LimitPlan, Setting, enforced_limits, plan_limits
from shipway.run.model import LifeOptions, Limits, Mount, Network, Port, RunOptions, TmpfsMount, Ulimit
from shipway.run.native import plan_sandbox
from shipway.run.native_can import require_possible
from shipway.run.oci.command import render_create, render_run, wanted_limits
from shipway.run.oci.docker import DOCKER
from shipway.run.oci.engine import require_start
from shipway.run.oci.podman import podman_for
from shipway.run.request import plan_run
from shipway.run.top.names import TopFolders
from shipway.sandbox.model import Bind, Proc, Tmpfs

CALLER = choose_account(HOST, IMAGE)


def plan(environment=ENVIRONMENT, **asked):
    return plan_run(environment, TRUE._replace(**asked), HOST, home="/state/home", bytecode="/state/bytecode")


def with_options(**options):
    return ENVIRONMENT._replace(options=RunOptions(**options))


def words(engine=DOCKER, **asked):
    return render_run(plan(**asked), engine, image="i")


def test_the_sum_of_memory_and_swap_is_told_as_what_it_allows():
    assert describe_limits(Limits(memory=GIB)) == "memory 1.0 GiB and no swap"
    assert describe_limits(Limits(memory=GIB, memory_swap=GIB)) == "memory 1.0 GiB and no swap"
    assert describe_limits(Limits(memory=GIB, memory_swap=3 * GIB)) == "memory 1.0 GiB and 2.0 GiB of swap"
    assert describe_limits(Limits(memory=GIB, memory_swap=-1)) == "memory 1.0 GiB and all the swap there is"
    text = "\n".join(
        describe_run(plan(limits=Limits(memory=GIB, memory_swap=3 * GIB, cpuset="0-1", cpu_shares=5)))
    )
    assert "2.0 GiB of swap, only CPUs 0-1, weight 5" in text


def test_sums_that_cannot_be_are_refused_in_words():
    for limits, said in (
        (Limits(memory_swap=GIB), "there is no limit of memory"),
        (Limits(memory=2 * GIB, memory_swap=GIB), "cannot hold 2.0 GiB of memory"),
    ):
        with pytest.raises(ToolError, match=said) as caught:
            combine_limits(limits, Limits())
        assert caught.value.code == ExitCode.USAGE
        assert "swap" in caught.value.hints[0]


def test_another_limit_of_memory_sets_the_spec_s_sum_aside():
    spec = Limits(memory=GIB, memory_swap=2 * GIB, cpuset="0", pids=5)
    assert combine_limits(Limits(memory=4 * GIB), spec) == Limits(4 * GIB, None, 5, "0", None, None)
    assert combine_limits(Limits(cpuset="1"), spec) == spec._replace(cpuset="1")


def test_ports_mean_a_network_of_its_own():
    port = Port(80, 8080)
    assert plan().network is Network.HOST
    assert plan(ports=(port,)).network is Network.BRIDGE
    assert plan(with_options(ports=(port,))).ports == (port,)
    same = plan(ports=(Port(80, 80),), network=Network.HOST)
    assert (same.ports, same.network) == ((), Network.HOST)
    assert "does nothing for 80" in same.notes[-1]
    for asked, said in (
        ({"ports": (port,), "network": Network.HOST}, "cannot be 8080"),
        ({"ports": (port,), "network": Network.NONE}, "no ports"),
        ({"ports": (port,), "beside": "dp"}, "that of `dp`"),
        ({"ports": (port, Port(81, 8080))}, "cannot be both 80 and 81"),
    ):
        with pytest.raises(ToolError, match=said):
            plan(**asked)


def test_a_mount_one_character_beside_the_working_directory_is_told():
    notes = plan(
        with_options(), mounts=(Mount("/here", "/docker_practice"),), workdir="/docker-practice"
    ).notes
    assert "`/docker_practice`" in notes[-1]
    assert "`/docker-practice`" in notes[-1]
    assert find_near_misses([Mount("/a", "/docker_practice")], "/docker-practice/src")
    assert not find_near_misses([Mount("/a", "/docker-practice"), Mount("/b", "/data")], "/docker-practice")


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("/ab", "/ac", True),
        ("/ab", "/abc", True),
        ("/abc", "/bc", True),
        ("/ab", "/ba", True),
        ("/ab", "/ab", False),
        ("/ab", "/cd", False),
        ("/ab", "/abcd", False),
    ],
)
def test_one_off(one, other, near):
    assert is_one_off(one, other) is near
    assert is_one_off(other, one) is near


def test_folders_in_memory_have_places_of_their_own():
    asked = plan(tmpfs=(TmpfsMount("/b/c"), TmpfsMount("/b", 5)))
    assert [one.target for one in asked.tmpfs] == ["/b", "/b/c"]
    for target in ("/dev/shm", "/proc/x", "/work"):
        with pytest.raises(ToolError) as caught:
            plan(tmpfs=(TmpfsMount(target),))
        assert caught.value.hints
    with pytest.raises(ToolError, match="not the container's"):
        plan(ipc_space="host", shm_size=5)


def test_an_entry_point_takes_the_usual_command_away():
    assert plan(entrypoint="python", argv=("x.py",)).argv == ("python", "x.py")
    assert plan(entrypoint="bash", argv=()).argv == ("bash",)
    assert plan(entrypoint="", argv=("x",)).argv == ("x",)
    with pytest.raises(ToolError, match="sets the usual command aside"):
        plan(entrypoint="", argv=())


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("1000", CALLER),
        ("ada", CALLER),
        ("1000:1000", CALLER),
        ("ada:users", CALLER._replace(gid=100, group="users")),
        ("0", CALLER._replace(uid=0, gid=0, name="root", group="root", home="/root", shell="/usr/bin/bash")),
        ("nobody", CALLER._replace(uid=65534, gid=65534, name="nobody", group="nogroup", home="/nonexistent",
                                   shell="/usr/bin/bash")),
        ("77:88", CALLER._replace(uid=77, gid=88, name="user", group="user", home="/", shell="/usr/bin/bash")),
    ],
)  # fmt: skip
def test_users_are_found_by_number_and_name(text, who):
    assert choose_user(text, CALLER, HOST, IMAGE) == who


def test_users_and_groups_that_are_not_there():
    with pytest.raises(ToolError, match="user `eve`"):
        choose_user("eve", CALLER, HOST, IMAGE)
    host = HOST._replace(groups=(("docker", 999),))
    assert choose_groups(("docker", "5", "users"), host, IMAGE) == (999, 5, 100)
    with pytest.raises(ToolError, match="group `dokcer`"):
        choose_groups(("dokcer",), host, IMAGE)


def test_another_user_has_no_home_of_the_caller_s():
    assert plan().user == ""
    assert plan(user="1000").user == ""
    other = plan(user="77")
    assert (other.user, other.account.uid) == ("77", 77)
    assert "/state/home" not in [mount.source for mount in other.mounts]
    assert "/state/home" in [mount.source for mount in plan(user="root").mounts]


def test_docker_gets_every_option_in_its_own_words():
    line = words(
        ports=(Port(80, 8080), Port(53, 0, "::1", "udp")),
        pid_space="host",
        ipc_space="container:dp",
        groups=("5",),
        limits=Limits(GIB, None, None, "0-1", 512, -1),
        ulimits=(Ulimit("memlock", -1, -1),),
        tmpfs=(TmpfsMount("/scratch", 1024, 0o700), TmpfsMount("/tmp")),
        gpus='"device=0,1"',
    )
    for word in (
        "--network=bridge",
        "--publish=127.0.0.1:8080:80/tcp",
        "--publish=[::1]::53/udp",
        "--pid=host",
        "--ipc=container:dp",
        "--group-add=5",
        "--memory-swap=-1",
        "--cpuset-cpus=0-1",
        "--cpu-shares=512",
        "--ulimit=memlock=-1:-1",
        "--tmpfs=/scratch:exec,mode=700,size=1024",
        "--tmpfs=/tmp:exec,mode=1777",
        '--gpus="device=0,1"',
    ):
        assert word in line
    text = " ".join(line)
    assert "--shm-size" not in text
    assert "--init" not in line, "which is for a container with processes of its own"
    assert "target=/tmp," not in text
    assert "resolv.conf" not in text, "the network's name servers are the engine's"


def test_a_network_of_another_brings_its_host_name():
    line = words(beside="dp")
    assert "--network=container:dp" in line
    assert not any(word.startswith("--hostname") for word in line)


def test_ids_beside_another_container_are_mapped_as_there():
    """What belongs to one user namespace cannot be joined from another."""
    for asked in ({"beside": "dp"}, {"pid_space": "container:dp"}, {"ipc_space": "container:dp"}):
        line = words(podman_for(1000), **asked)
        assert "--userns=container:dp" in line
        assert "--userns=keep-id" not in line
        assert not any(word.startswith("--userns") for word in words(podman_for(0), **asked))


def test_podman_names_devices_and_maps_root_to_the_caller():
    line = words(podman_for(1000), gpus='"device=0,1"', ports=(Port(80),), user="root")
    assert {"--device=nvidia.com/gpu=0", "--device=nvidia.com/gpu=1"} <= set(line)
    assert not any(word.startswith("--network") for word in line), (
        "its own choice differs with and without root"
    )
    assert "--userns=keep-id" not in line
    assert "--user=0:0" in line
    assert any("source=/state/home" in word for word in line)
    assert not any("source=/state/home" in word for word in words(user="root")), "files would be root's"


def test_engines_are_asked_whether_they_can():
    limits = Limits(GIB, 1, 5, "0", 2, 2 * GIB)
    assert wanted_limits(plan(limits=limits)) == ("memory", "cpu", "pids", "cpuset", "shares", "swap")
    assert wanted_limits(plan(limits=Limits(GIB, memory_swap=GIB))) == ("memory",)


@pytest.mark.parametrize(
    "asked",
    [
        {"ports": (Port(80),)},
        {"pid_space": "host"},
        {"ipc_space": "host"},
        {"user": "root"},
        {"groups": ("5",)},
        {"ulimits": (Ulimit("core", 0, 0),)},
        {"tmpfs": (TmpfsMount("/x"),)},
        {"gpus": "all"},
    ],
)
def test_what_apptainer_has_not_is_refused_by_name(asked):
    with pytest.raises(EngineError, match="Apptainer cannot") as caught:
        require_doable(plan(**asked))
    assert caught.value.hints


def test_the_native_sandbox_has_what_was_asked_for():
    folders = TopFolders("/run")
    request = plan(
        pid_space="host",
        ipc_space="host",
        user="root",
        ulimits=(Ulimit("nofile", 1, 2),),
        mounts=(Mount("/a", "/x/y"),),
        tmpfs=(TmpfsMount("/x", 5, 0o700),),
    )
    sandbox = plan_sandbox(request, folders)
    assert (sandbox.pid_namespace, sandbox.ipc, sandbox.host_uid_as) == (False, False, "root")
    assert sandbox.rlimits == {"nofile": (1, 2)}
    assert Proc(host=True) in sandbox.ops
    assert Bind("/dev/shm", "/dev/shm") in sandbox.ops
    assert sandbox.ops.index(Tmpfs("/x", 5, 0o700)) < sandbox.ops.index(Bind("/a", "/x/y"))
    plain = plan_sandbox(plan(), folders)
    assert (plain.pid_namespace, plain.ipc, plain.host_uid_as, plain.rlimits) == (True, True, "self", {})


def test_the_native_engine_says_what_it_cannot(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(os, "getgid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: [1000, 100])
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(native_can, "_may_raise", lambda: False)
    for asked, said in (
        ({"gpus": "all"}, "no GPUs yet"),
        ({"user": "77"}, "one user, and that is you"),
        ({"user": "ada:users"}, "one group, and that is yours"),
        ({"groups": ("999",)}, "not in group 999"),
        ({"ulimits": (Ulimit("memlock", -1, -1),)}, "memlock=-1` is above what you may have: 4096"),
        ({"ulimits": (Ulimit("nofile", 5, 9999),)}, "nofile=5:9999"),
    ):
        with pytest.raises(EngineError, match=said) as caught:
            require_possible(plan(**asked))
        assert caught.value.hints
    require_possible(plan(user="root", groups=("100",), ulimits=(Ulimit("nofile", 5, 4096),)))
    monkeypatch.setattr(native_can, "_may_raise", lambda: True)
    require_possible(plan(ulimits=(Ulimit("memlock", -1, -1),)))


def test_a_bus_error_is_told_with_size_and_remedy():
    text = explain_bus_error(plan(shm_size=64 << 20))
    assert "64.0 MiB" in text
    assert "--shm-size 8g" in text
    assert "not the container's own" in explain_bus_error(plan(ipc_space="host"))
    assert "df -h /dev/shm" in explain_bus_error(None)


V2 = Group("/sys/fs/cgroup/job", "/sys/fs/cgroup")
EVERY = frozenset({"memory", "cpu", "pids", "cpuset"})


def test_weights_swap_and_cpus_in_both_versions_of_cgroups():
    limits = Limits(GIB, None, None, "0-1", 1024, 3 * GIB)
    delegated = Layout(unified=V2, controllers=EVERY, handed_down=EVERY, writable=True)
    (place,) = plan_limits(limits, delegated, uid=1000, name="n").placements
    assert place.settings == (
        Setting("memory.max", str(GIB)),
        Setting("memory.swap.max", str(2 * GIB)),
        Setting("cpu.weight", "39"),
        Setting("cpuset.cpus", "0-1"),
    )
    legacy = tuple((name, Group(f"/c/{name}", f"/c/{name}")) for name in EVERY)
    places = plan_limits(limits, Layout(legacy=legacy), uid=0, name="n").placements
    assert {place.parent: place.settings for place in places} == {
        "/c/cpu": (Setting("cpu.shares", "1024"),),
        "/c/cpuset": (Setting("cpuset.mems", ""), Setting("cpuset.cpus", "0-1")),
        "/c/memory": (
            Setting("memory.limit_in_bytes", str(GIB)),
            Setting("memory.memsw.limit_in_bytes", str(3 * GIB)),
        ),
    }
    manager = delegated._replace(user_manager=True)
    scope = plan_limits(limits._replace(memory_swap=-1), manager, uid=1000, name="n").scope
    assert ("MemorySwapMax", "t", "18446744073709551615") in scope.properties
    assert ("CPUWeight", "t", "39") in scope.properties
    assert ("AllowedCPUs", "ay", "1", "3") in scope.properties
    assert Setting("memory.swap.max", "max", optional=True) in scope.checks


def test_weights_keep_their_ends():
    assert [weight_of(2), weight_of(1024), weight_of(262144)] == [1, 39, 10000]


def test_without_a_cgroup_cpus_are_an_affinity_and_that_is_said():
    without = Layout(
        unified=V2, controllers=EVERY - {"cpuset"}, handed_down=EVERY - {"cpuset"}, writable=True
    )
    assert plan_limits(Limits(cpuset="0"), Layout(), uid=1000, name="n") == LimitPlan(affinity="0")
    both = plan_limits(Limits(pids=5, cpuset="0"), without, uid=1000, name="n")
    assert both.affinity == "0"
    assert both.placements[0].settings == (Setting("pids.max", "5"),)
    assert "could choose others" in Enforcer(affinity="0").notes[0]
    assert Enforcer().notes == ()
    with pytest.raises(LimitError, match="a limit of 5 processes cannot"):
        plan_limits(Limits(pids=5, cpuset="0"), Layout(), uid=1000, name="n")


def test_cpus_that_are_not_here_are_refused():
    with (
        pytest.raises(LimitError, match="no CPU 8000") as caught,
        enforced_limits(Limits(cpuset="8000"), uid=1000, name="n", runtime=""),
    ):
        pass
    assert "choose among" in caught.value.hints[0]


def test_a_folder_to_start_in_that_podman_would_not_make(tmp_path):
    (tmp_path / "there").mkdir()
    request = plan(ENVIRONMENT._replace(lowers=(str(tmp_path),)), workdir="/there")
    assert find_start_fault(request) is None
    assert find_start_fault(request._replace(cwd="/work/sub")) is None, "which is the caller's own"
    assert find_start_fault(request._replace(cwd="/")) is None
    assert "`-w /work`" in find_start_fault(request._replace(cwd="/not/there")).hints[0]
    with pytest.raises(EngineError, match="makes none"):
        require_start(request._replace(cwd="/not"), podman_for(0))
    require_start(request._replace(cwd="/not"), DOCKER)


def test_a_name_that_docker_does_not_take():
    with pytest.raises(EngineError, match="two characters"):
        render_create(plan(), DOCKER, LifeOptions("d"), identity="i", image="i", folder="f")
    assert "--name=d" in render_create(
        plan(), podman_for(0), LifeOptions("d"), identity="i", image="i", folder="f"
    )
