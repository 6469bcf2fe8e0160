"""What every engine promises, in every mode it has. An ability that a mode lacks is named in `LOST`, and said to the user there."""

import os
import pty
import pwd
import select
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from apptainer_world import private_apptainer
from engine_world import USER, World, make_archive, make_root

from private_engines import private_docker, private_podman, wait_until
from shipway.run.model import Limits, Mount, Network, RunOptions, TmpfsMount, Ulimit

LOST = {
    "namespaces": set(),
    # PRoot answers 255 for any signal and 1 for a program that it cannot start, and its children outlive a SIGKILL of their caller.
    "proot": {
        "hostname",
        "network",
        "read-only",
        "shm",
        "pids",
        "signal codes",
        "start codes",
        "hard kill",
        "options",
    },
    # Without mounts there is no /proc, and what would be mounted is copied in and back.
    "chroot": {"hostname", "network", "read-only", "shm", "pids", "proc", "live mounts", "options"},
    # A daemon's container outlives a SIGKILL of whoever asked for it; nothing but our own engine keeps tops.
    "docker": {"hard kill", "keep"},
    "podman": {"hard kill", "keep"},
    "apptainer": {"keep", "shm", "options"},
}
"""Mode -> what it cannot promise."""


def _worlds():
    root = os.geteuid() == 0
    me = os.geteuid()
    found = [("native", "namespaces", me)]
    found += [("native", "namespaces", USER), ("native", "chroot", 0)] if root else []
    found += [("native", "proot", USER if root else me)]
    return [
        *found,
        ("docker", "docker", 0),
        ("docker", "docker", USER),
        ("podman", "podman", 0),
        *_apptainers(),
    ]


def _apptainers():
    # It knows only users whom the host knows.
    return [("apptainer", "apptainer", 0), ("apptainer", "apptainer", pwd.getpwnam("nobody").pw_uid)]


def worlds(*abilities):
    """A parameter for every world that promises `abilities`."""
    marks = {
        "proot": [pytest.mark.needs_tool("proot")],
        "namespaces": [pytest.mark.needs_userns],
        "chroot": [pytest.mark.needs_root],
        "docker": [pytest.mark.needs_root, pytest.mark.needs_tool("docker", "dockerd")],
        "podman": [pytest.mark.needs_root, pytest.mark.needs_tool("podman", "runc")],
        "apptainer": [
            pytest.mark.needs_root,
            pytest.mark.needs_network,
            pytest.mark.needs_tool("apt-get", "patchelf"),
        ],
    }
    return pytest.mark.parametrize(
        "world",
        [
            pytest.param(
                (engine, mode, uid), id=f"{engine}-{mode}-{'root' if uid == 0 else 'user'}", marks=marks[mode]
            )
            for engine, mode, uid in _worlds()
            if not LOST[mode] & set(abilities)
        ],
        indirect=True,
    )


@pytest.fixture(scope="module")
def root_tree():
    # Not below pytest's own folder, which other users cannot enter.
    with tempfile.TemporaryDirectory(prefix="shipway-contract-", dir="/var/tmp") as place:
        os.chmod(place, 0o755)
        make_root(Path(place) / "tree")
        make_archive(Path(place) / "tree")
        yield Path(place) / "tree"


@pytest.fixture(scope="module")
def docker():
    with private_docker() as settings:
        yield settings


@pytest.fixture(scope="module")
def podman():
    with private_podman() as settings:
        yield settings


@pytest.fixture(scope="module")
def apptainer(tmp_path_factory):
    base = tmp_path_factory.getbasetemp()
    with private_apptainer(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) as settings:
        yield settings


@pytest.fixture
def world(request, root_tree):
    engine = request.param[0]
    settings = {} if engine == "native" else request.getfixturevalue(engine)
    made = World(root_tree, *request.param, settings)
    yield made
    made.close()


@worlds()
def test_output_and_exit_code_are_the_childs(world):
    done = world.run("bash", "-c", "echo out; echo err >&2; exit 42")
    assert (done.returncode, done.stdout) == (42, "out\n")
    assert done.stderr.endswith("err\n")


@worlds()
def test_standard_input_is_the_callers(world):
    assert world.run("cat", stdin="hello").stdout == "hello"


@worlds("signal codes")
def test_death_by_a_signal_is_128_and_its_number(world):
    assert world.run("bash", "-c", "kill -TERM $$").returncode == 143
    assert world.run("bash", "-c", "kill -KILL $$").returncode == 137


@worlds("start codes")
def test_a_command_that_is_not_there(world):
    done = world.run("no-such-command")
    assert done.returncode == 127
    assert "`no-such-command` is not in the environment" in done.stderr


@worlds("start codes")
def test_a_command_that_is_no_program(world):
    done = world.run("/opt/data")
    assert done.returncode == 126
    assert "`/opt/data` cannot be executed" in done.stderr


@worlds()
def test_the_environment_is_ours_and_not_the_callers(world):
    environ = {"SECRET": "x", "TERM": "vt100", "PATH": "/nowhere"}
    lines = world.run("env", environ=environ, env=(("GIVEN", "a b"),)).stdout.splitlines()
    env = dict(line.split("=", 1) for line in lines)
    assert "SECRET" not in env
    assert env["PATH"] == "/opt/venv/bin:/usr/bin:/bin"
    assert (env["FROM_IMAGE"], env["GIVEN"], env["TERM"], env["LANG"], env["SHIPWAY"]) == (
        "1",
        "a b",
        "vt100",
        "C.UTF-8",
        "1",
    )


@worlds()
def test_the_caller_is_the_user_inside_by_number_and_name(world):
    try:
        name = pwd.getpwuid(world.uid).pw_name
    except KeyError:
        name = "ada"
    out = world.sh(
        'id -u; id -g; id -un; echo "$HOME $USER"; [ -O "$HOME" ] && [ -G "$HOME" ] && echo own',
        environ={"LOGNAME": "ada"},
    )
    home = "/root" if world.uid == 0 else f"/home/{name}"
    assert out.split() == [str(world.uid), str(world.gid), name, home, name, "own"]


@worlds()
def test_the_project_is_mounted_and_written_as_the_caller(world):
    (world.project / "in").write_text("from the host")
    world.project.joinpath("in").chmod(0o644)
    assert world.sh("readlink -f .; cat in; echo made > out; mkdir -p runs/1") == "/work/here\nfrom the host"
    status = (world.project / "out").stat()
    assert (world.project / "out").read_text() == "made\n"
    assert (status.st_uid, status.st_gid) == (world.uid, world.gid)
    assert sorted(os.listdir(world.project)) == ["in", "out", "runs"]


@worlds("live mounts")
def test_what_the_child_writes_is_there_at_once(world):
    running = world.start("bash", "-c", "echo x > now; while [ ! -e go ]; do sleep 0.05; done")
    wait_until((world.project / "now").exists)
    (world.project / "go").touch()
    assert running.wait(20) == 0
    running.communicate()


@worlds()
def test_a_folder_of_the_project_is_the_working_directory(world):
    (world.project / "src").mkdir()
    world.give(world.project / "src")
    assert world.sh("readlink -f .", workdir="src") == "/work/here/src\n"


@worlds()
def test_what_is_written_elsewhere_is_thrown_away(world):
    out = world.sh(
        "echo x > /opt/new 2>/dev/null || echo no; touch /tmp/a /new; rm -f /etc/hostname; cat /opt/tool"
    )
    assert "from the environment" in out
    assert world.sh("ls /new /tmp/a 2>/dev/null || echo gone").strip() == "gone"
    assert os.listdir(world.state / "runs") == []


@worlds()
def test_the_environment_itself_is_never_changed(world):
    world.run("bash", "-c", "rm -rf /opt/tool /usr/bin/cat /etc/passwd; echo > /opt/data")
    assert world.sh("cat /opt/tool /opt/data") == "from the environment\nnot a program\n"


@worlds()
def test_home_lasts_and_is_the_callers(world):
    world.sh("echo kept > ~/file; mkdir ~/.cache")
    assert world.sh("cat ~/file") == "kept\n"
    (home,) = (world.state / "homes").glob("*/home")
    assert (home / "file").stat().st_uid == world.uid
    assert home.stat().st_mode & 0o777 == 0o700


@worlds("keep")
def test_a_kept_top_comes_back_by_name(world):
    world.sh("echo 1 > /kept", keep="exp")
    assert world.sh("cat /kept", keep="exp") == "1\n"
    assert world.sh("ls /kept 2>/dev/null || echo gone", keep="other") == "gone\n"
    assert world.sh("ls /kept 2>/dev/null || echo gone") == "gone\n"


@worlds()
def test_extra_mounts(world):
    data = world.place / "data"
    data.mkdir()
    (data / "file").write_text("data")
    world.give(data)
    mounts = (Mount(str(data), "/mnt/data"),)
    assert world.sh("cat /mnt/data/file; echo x > /mnt/data/new", options=RunOptions(mounts=mounts)) == "data"
    assert (data / "new").stat().st_uid == world.uid


@worlds("read-only")
def test_read_only_mounts_cannot_be_written(world):
    data = world.place / "data"
    data.mkdir()
    world.give(data)
    done = world.run("touch", "/mnt/data/new", mounts=(Mount(str(data), "/mnt/data", read_only=True),))
    assert done.returncode != 0
    assert os.listdir(data) == []


@worlds("read-only")
def test_a_read_only_environment_leaves_project_home_and_tmp(world):
    script = "touch ~/a /tmp/b c /var/tmp/d /run/e && ! touch /opt/f 2>/dev/null && ! touch /g 2>/dev/null && echo held"
    assert world.sh(script, read_only=True) == "held\n"
    assert os.listdir(world.project) == ["c"]


@worlds()
def test_a_mount_in_the_project_never_makes_folders_there(world):
    data = world.place / "data"
    data.mkdir()
    done = world.run("true", mounts=(Mount(str(data), "/work/here/data"),))
    assert done.returncode == 125
    assert "does not exist" in done.stderr
    assert os.listdir(world.project) == []


@worlds("hostname")
def test_the_host_name_is_the_projects_or_as_asked(world):
    before = os.uname().nodename
    assert world.sh("hostname; cat /etc/hostname") == "my-project-cpu\nmy-project-cpu\n"
    assert world.sh("hostname", hostname="box") == "box\n"
    assert os.uname().nodename == before


@worlds("network")
def test_without_network_there_is_only_loopback(world):
    done = world.run(
        "bash", "-c", "ls /sys/class/net /proc/self/net/dev; cat /proc/net/dev", network=Network.NONE
    )
    names = {
        line.split(":")[0].strip() for line in done.stdout.splitlines() if ":" in line and "|" not in line
    }
    assert names - {"/sys/class/net"} == {"lo"}
    with open("/proc/net/dev") as file:
        assert world.run("cat", "/proc/net/dev").stdout.count("\n") == len(file.readlines())


@worlds()
def test_names_are_resolved_as_on_the_host(world):
    with open("/etc/resolv.conf") as file:
        assert world.sh("cat /etc/resolv.conf") == file.read()
    assert "127.0.1.1 my-project-cpu" in world.sh("cat /etc/hosts")


@worlds("shm")
def test_shared_memory_has_the_size_that_was_asked(world):
    out = world.sh("df -k --output=size,target /dev/shm", shm_size=96 << 20)
    assert out.splitlines()[1].split() == [str(96 << 10), "/dev/shm"]


@worlds("pids")
def test_processes_of_the_host_are_not_seen_and_none_outlives_the_run(world):
    mark = f"61{os.getpid()}"
    out = world.sh(f"echo /proc/[0-9]*; sleep {mark} & disown; echo $!")
    assert len(out.splitlines()[0].split()) < 6
    assert (
        mark not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    )


@worlds()
def test_nobody_gains_rights(world):
    if "proc" in LOST[world.mode]:
        assert world.run("touch", "/proc/sys/kernel/x").returncode != 0
        return
    status = world.sh("cat /proc/self/status")
    assert "NoNewPrivs:\t1" in status
    if world.mode != "proot":
        assert "CapEff:\t0000000000000000" in status
        assert "CapBnd:\t0000000000000000" in status


@worlds("signal codes")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_that_ends_the_child_is_in_our_code(world, number, code):
    running = world.start("bash", "-c", "echo ready; exec sleep 60")
    assert running.stdout.readline() == "ready\n"
    running.send_signal(number)
    assert running.wait(20) == code
    running.communicate()
    assert os.listdir(world.state / "runs") == []


@worlds()
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_reach_the_child_and_its_answer_counts(world, number):
    trap = "trap 'echo got; exit 5' TERM INT; echo ready; while :; do sleep 0.05; done"
    running = world.start("bash", "-c", trap)
    assert running.stdout.readline() == "ready\n"
    running.send_signal(number)
    assert running.stdout.readline() == "got\n"
    assert running.wait(20) == 5
    running.communicate()
    assert os.listdir(world.state / "runs") == []


@worlds("hard kill")
def test_killed_hard_the_next_run_works_and_leftovers_are_swept(world):
    from shipway.run.top.names import sweep_runs

    running = world.start("bash", "-c", "echo ready; exec sleep 5")  # Apptainer's lives on to its end
    assert running.stdout.readline() == "ready\n"
    running.kill()
    running.wait()
    running.communicate()
    assert world.sh("echo again") == "again\n"
    assert any(not name.endswith(".lock") for name in os.listdir(world.state / "runs"))
    sweep_runs(str(world.state))
    assert os.listdir(world.state / "runs") == []


@worlds()
def test_several_runs_of_one_project_at_once(world):
    shutil.rmtree(world.project)
    world.project.mkdir()
    world.give(world.project)
    script = "echo {0} > $MINE; echo ready; read -r _ < fifo{0}; cat $MINE; echo {0} > out{0}"
    for number in (1, 2):
        os.mkfifo(world.project / f"fifo{number}")
        world.give(world.project / f"fifo{number}")
    if "live mounts" in LOST[world.mode]:
        script = "echo {0} > $MINE; echo ready; sleep 0.3; cat $MINE; echo {0} > out{0}"
        for number in (1, 2):
            (world.project / f"fifo{number}").unlink()
    # Where the top belongs to root, others (and a root without capabilities) write to /tmp, which is as private.
    mine = (("MINE", "/mine" if world.engine == "native" else "/tmp/mine"),)
    running = [world.start("bash", "-c", script.format(number), env=mine) for number in (1, 2)]
    assert [one.stdout.readline() for one in running] == ["ready\n", "ready\n"]
    if "live mounts" not in LOST[world.mode]:
        for number in (1, 2):
            (world.project / f"fifo{number}").write_text("\n")
    ended = [one.communicate(timeout=30) for one in running]
    assert [out for out, _ in ended] == ["1\n", "2\n"], ended
    assert [one.returncode for one in running] == [0, 0]


@worlds("keep")
def test_one_kept_top_has_one_container(world):
    running = world.start("bash", "-c", "echo ready; exec sleep 60", keep="exp")
    assert running.stdout.readline() == "ready\n"
    done = world.run("true", keep="exp")
    assert done.returncode == 125
    assert "`exp` is in use" in done.stderr
    running.terminate()
    running.communicate()
    assert world.run("true", keep="exp").returncode == 0


@worlds()
def test_a_terminal_is_a_terminal_inside(world):
    order = world.order("bash", "-c", "[ -t 0 ] && [ -t 1 ] && echo yes", tty=True)
    outer, inner = pty.openpty()
    running = subprocess.Popen(
        order, stdin=inner, stdout=inner, stderr=inner, start_new_session=True, env=world.settings
    )
    os.close(inner)
    text = b""
    while b"yes" not in text and select.select([outer], [], [], 30)[0]:
        try:
            text += os.read(outer, 4096)
        except OSError:
            break
    assert running.wait(30) == 0
    os.close(outer)
    assert b"yes" in text


@worlds()
def test_a_shell_is_one_of_the_images(world):
    done = world.run(shell=True, stdin="echo $SHELL; exit 4\n", environ={"SHELL": "/usr/bin/fish"})
    assert (done.returncode, done.stdout) == (4, "/usr/bin/bash\n")


@worlds()
def test_what_a_mode_lacks_is_said_once(world):
    world.run("true")
    notes = [text for text in world.events if "not isolated" in text]
    assert len(notes) == (1 if world.engine == "native" and LOST[world.mode] else 0)


@worlds()
def test_limits_hold_or_are_refused(world):
    done = world.run("true", limits=Limits(pids=64))
    assert done.returncode in (0, 25)
    if done.returncode == 25:
        assert "a limit of 64 processes cannot be enforced here" in done.stderr
        return
    script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done 2>&1; echo $?"
    assert "Resource temporarily unavailable" in world.run("bash", "-c", script, limits=Limits(pids=8)).stdout


@worlds("options")
def test_limits_of_each_process_and_folders_in_memory(world):
    out = world.sh(
        "ulimit -n; ulimit -Hn; df -k --output=size,target /scratch; stat -c %a /scratch; touch /scratch/x && echo written",
        # Podman as root asks for more processes than this machine may allow, unless the number is said.
        ulimits=(Ulimit("nofile", 100, 200), Ulimit("nproc", 4000, 4000)),
        tmpfs=(TmpfsMount("/scratch", 1 << 20, 0o1777),),
    )
    assert out.split() == ["100", "200", "1K-blocks", "Mounted", "on", "1024", "/scratch", "1777", "written"]


@worlds("options")
def test_a_container_runs_on_the_cpus_that_were_named(world):
    last = max(os.sched_getaffinity(0))
    done = world.run("cat", "/proc/self/status", limits=Limits(cpuset=str(last)))
    assert done.returncode in (0, 25), done.stderr
    if done.returncode == 0:
        assert f"Cpus_allowed_list:\t{last}\n" in done.stdout
    done = world.run("true", limits=Limits(cpuset="8000"))
    assert done.returncode in (25, 125)
    assert "8000" in done.stderr


@worlds("options")
def test_processes_and_shared_memory_of_the_host_are_seen_when_asked_for(world):
    script = f"[ -d /proc/{os.getpid()} ] && echo seen; df -k --output=size /dev/shm"
    out = world.sh(script, pid_space="host", ipc_space="host").split()
    status = os.statvfs("/dev/shm")
    assert out == ["seen", "1K-blocks", str(status.f_blocks * status.f_frsize // 1024)]
    assert "seen" not in world.sh(script)


@worlds("options")
def test_another_user_is_one_or_is_refused(world):
    assert world.sh("id -u", user=str(world.uid)) == f"{world.uid}\n"
    done = world.run("bash", "-c", "id -u; id -g; echo ~", user="1234:1235")
    if world.engine == "native":
        assert done.returncode == 125
        assert f"one user, and that is you ({world.uid})" in done.stderr
    else:
        assert done.stdout.split()[:2] == ["1234", "1235"], done.stderr
        assert any("belongs to user 1234" in text for text in world.events)


@worlds("options")
def test_root_inside_is_the_caller_outside_where_nobody_has_rights(world):
    if world.engine != "native":
        return
    assert world.sh("id -u; touch made; stat -c %u made", user="root") == "0\n0\n"
    assert (world.project / "made").stat().st_uid == world.uid


@worlds("options")
def test_another_program_takes_the_place_of_the_usual_one(world):
    assert world.run("-c", "echo entered", entrypoint="bash").stdout == "entered\n"
