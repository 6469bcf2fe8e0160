import pytest
from run_values import ENVIRONMENT, GIB, HOST, TRUE

from shipway.core.errors import ExitCode, ToolError
from shipway.run.describe import describe_run
from shipway.run.model import Invocation, Limits, Mount, Network, RunOptions, Top
from shipway.run.request import choose_hostname, plan_run, render_hosts


def plan(environment=ENVIRONMENT, asked=TRUE, host=HOST):
    return plan_run(environment, asked, host, home="/state/home", bytecode="/bytecode")


def files_of(request):
    return {file.path: file.data.decode() for file in request.files}


def test_the_same_words_give_the_same_request():
    assert plan() == plan()
    assert plan() != plan(asked=TRUE._replace(keep="a"))


def test_project_and_home_are_mounted_read_write():
    request = plan()
    assert request.mounts == (
        Mount("/home/ada/my_project", "/work"),
        Mount("/state/home", "/home/ada", owned=True),
        Mount("/bytecode", "/var/cache/shipway/bytecode", owned=True),
    )
    assert request.cwd == "/work"


def test_mounts_are_sorted_parents_first_and_the_last_at_a_place_wins():
    options = RunOptions(mounts=(Mount("/a", "/data/x"), Mount("/b", "/data")))
    asked = TRUE._replace(mounts=(Mount("/c", "/data/x", read_only=True),))
    mounts = plan(ENVIRONMENT._replace(options=options), asked).mounts
    assert [(m.source, m.target) for m in mounts] == [
        ("/b", "/data"),
        ("/home/ada/my_project", "/work"),
        ("/c", "/data/x"),
        ("/state/home", "/home/ada"),
        ("/bytecode", "/var/cache/shipway/bytecode"),
    ]


@pytest.mark.parametrize("target", ["/", "/proc", "/proc/1", "/dev", "/dev/shm", "/sys/fs", "/a/../"])
def test_places_of_the_system_are_refused(target):
    with pytest.raises(ToolError, match="nothing can be mounted") as caught:
        plan(asked=TRUE._replace(mounts=(Mount("/a", target),)))
    assert caught.value.code == ExitCode.USAGE


def test_a_workdir_of_slash_is_refused_for_the_project_would_hide_everything():
    with pytest.raises(ToolError, match="nothing can be mounted at `/`"):
        plan(ENVIRONMENT._replace(workdir="/"))


@pytest.mark.parametrize(
    ("asked", "cwd"),
    [("", "/work"), ("src", "/work/src"), ("/tmp", "/tmp"), ("../x/./y", "/x/y"), ("/a//b/", "/a/b")],
)
def test_the_working_directory(asked, cwd):
    assert plan(asked=TRUE._replace(workdir=asked)).cwd == cwd


def test_the_command_is_the_lines_or_the_images():
    assert plan(asked=Invocation()).argv == ("python", "train.py")
    assert plan().argv == ("true",)


def test_no_command_at_all_means_a_shell():
    assert plan(ENVIRONMENT._replace(command=()), Invocation()).argv == ("/usr/bin/bash",)


def test_a_shell_is_the_callers_or_the_next_best():
    assert plan(asked=Invocation(shell=True)).argv == ("/usr/bin/bash",)
    assert plan(asked=Invocation(shell=True, argv=("-l",))).argv == ("/usr/bin/bash", "-l")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("My Project", "my-project"),
        ("a_b.c", "a-b-c"),
        ("---", "shipway"),
        ("x" * 80, "x" * 63),
        ("a" * 62 + "_b", "a" * 62),
    ],
)
def test_host_names_are_made_of_project_names(name, expected):
    assert choose_hostname(name) == expected
    assert choose_hostname(name, "default") == expected


def test_the_host_name_says_the_target():
    assert plan().hostname == "my-project-cpu"
    assert len(choose_hostname("x" * 70, "gpu")) == 63


def test_a_host_name_is_in_hostname_and_hosts():
    files = files_of(plan(asked=TRUE._replace(hostname="box.lan")))
    assert files["etc/hostname"] == "box.lan\n"
    assert files["etc/hosts"] == "127.0.0.1 localhost\n192.0.2.9 data\n127.0.1.1 box.lan\n"


@pytest.mark.parametrize("name", ["", "a b", "-x", "a/b", "x\ny", "x" * 65])
def test_a_bad_host_name_is_refused(name):
    if name:
        with pytest.raises(ToolError, match="not a host name"):
            plan(asked=TRUE._replace(hostname=name))


def test_hosts_that_know_the_name_stay_as_they_are():
    assert render_hosts("127.0.0.1 localhost box\n", "box") == "127.0.0.1 localhost box\n"
    assert "127.0.1.1 box" in render_hosts("127.0.0.1 localhost # box\n", "box")


def test_without_network_there_are_no_name_servers_and_no_hosts_of_the_lan():
    files = files_of(plan(asked=TRUE._replace(network=Network.NONE)))
    assert files["etc/resolv.conf"] == ""
    assert "192.0.2.9" not in files["etc/hosts"]
    assert files_of(plan())["etc/resolv.conf"] == "nameserver 192.0.2.1\n"


def test_the_hosts_time_zone_is_brought_along():
    files = {file.path: file.data for file in plan().files}
    assert files["etc/localtime"] == b"TZif2"
    assert files["etc/timezone"] == b"Europe/Berlin\n"
    assert "etc/localtime" not in files_of(plan(host=HOST._replace(localtime=b"")))


def test_shared_memory_is_half_of_what_may_be_used_unless_asked():
    assert plan().shm_size == 8 * GIB
    limited = ENVIRONMENT._replace(options=RunOptions(limits=Limits(memory=GIB)))
    assert plan(limited).shm_size == GIB // 2
    asked = TRUE._replace(shm_size=123)
    assert plan(ENVIRONMENT._replace(options=RunOptions(shm_size=456))).shm_size == 456
    assert plan(ENVIRONMENT._replace(options=RunOptions(shm_size=456)), asked).shm_size == 123


def test_limits_of_the_line_override_the_specs_one_by_one():
    environment = ENVIRONMENT._replace(options=RunOptions(limits=Limits(memory=GIB, pids=10)))
    assert plan(environment, TRUE._replace(limits=Limits(cpus=1.5, pids=5))).limits == Limits(GIB, 1.5, 5)


def test_the_top():
    assert plan().top is Top.THROWN_AWAY
    assert plan(asked=TRUE._replace(keep="exp-1")).top is Top.KEPT
    assert plan(asked=TRUE._replace(read_only=True)).top is Top.READ_ONLY
    with pytest.raises(ToolError, match="exclude each other"):
        plan(asked=TRUE._replace(read_only=True, keep="a"))


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "a b", "x.lock", "y" * 65])
def test_names_to_keep_under_are_path_components(name):
    with pytest.raises(ToolError, match="not a name to keep"):
        plan(asked=TRUE._replace(keep=name))


def test_the_description_says_sizes_and_no_values_of_variables():
    asked = TRUE._replace(env=(("TOKEN", "s3cret"),), limits=Limits(memory=GIB, cpus=2))
    text = "\n".join(describe_run(plan(asked=asked)))
    assert "512.0 MiB at /dev/shm" in text
    assert "memory 1.0 GiB and no swap, 2 CPUs" in text
    assert "ada (1000:1000 staff)" in text
    assert "TOKEN" in text
    assert "s3cret" not in text
