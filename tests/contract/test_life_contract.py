"""Containers that live on, the same on every engine: made, entered, listed, heard, ended, started again, removed."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from life_world import IMAGE, LifeWorld, Terminal

from private_engines import PRIVATE, call_engine, wait_until
from shipway.core.errors import LimitError
from shipway.core.units import render_size
from shipway.run.cgroups import read_layout
from shipway.run.limits import plan_limits
from shipway.run.model import Limits

ENGINES = (
    pytest.param("native", marks=pytest.mark.needs_userns),
    pytest.param("docker", marks=[pytest.mark.needs_root, pytest.mark.needs_tool("docker", "dockerd")]),
    pytest.param("podman", marks=[pytest.mark.needs_root, pytest.mark.needs_tool("podman", "runc")]),
    pytest.param(
        "apptainer",
        marks=[
            pytest.mark.needs_root,
            pytest.mark.needs_network,
            pytest.mark.needs_tool("apt-get", "patchelf"),
        ],
    ),
)
COMMITTED: dict[str, str] = {}
"""The image that a container of any engine becomes, if the same was done in it."""
FOREVER = ("sh", "-c", "echo begun; trap 'echo told; exit 7' TERM; while true; do sleep 0.05; done")


@pytest.fixture(params=ENGINES)
def world(request, services, life_store, tmp_path):
    made = LifeWorld(tmp_path, request.param, life_store, services(request.param))
    yield made
    made.close()


def test_a_day(world):
    """Detached, listed, entered, heard, ended, started again as it was, removed."""
    made = world.background("day", *FOREVER)
    assert len(made.stdout.strip()) == 12
    one = world.listed("day")
    assert (one["state"], one["engine"], one["project"]) == ("running", world.engine, str(world.project))
    wait_until(lambda: world.call("logs", "day").stdout == "begun\n")

    done = world.call("exec", "day", "sh", "-c", "echo out; echo err >&2; cat; exit 3", stdin="typed", code=3)
    assert (done.stdout, done.stderr.endswith("err\n")) == ("out\ntyped", True)
    assert (
        world.call(
            "exec", "-e", "MINE=1", "-w", "/tmp", "day", "--", "sh", "-c", "echo $MINE $OF_IMAGE $PWD"
        ).stdout
        == "1 1 /tmp\n"
    )
    assert world.call("exec", "day", "id", "-u").stdout == f"{os.getuid()}\n"
    world.call("exec", "day", "touch", "/work/mine")
    assert (world.project / "mine").stat().st_uid == os.getuid()
    world.call("exec", "day", "sh", "-c", "echo kept >/tmp/here")

    assert world.call("stop", "day").stdout == "day\n"
    one = world.listed("day")
    assert (one["state"], one["code"]) == ("exited", 7)
    assert world.call("logs", "day").stdout == "begun\ntold\n"
    assert world.call("wait", "day", code=7).stdout == "7\n"

    world.call("start", "day")
    assert world.call("exec", "day", "cat", "/tmp/here").stdout == "kept\n"
    wait_until(lambda: world.call("logs", "day").stdout.count("begun") == 2)
    refused = world.call("rm", "day", code=125)
    assert "shipway stop day" in refused.stderr
    world.call("rm", "--force", "day")
    assert world.state("day") == "gone"
    happened = [json.loads(line)["what"] for line in world.call("events", "--json").stdout.splitlines()]
    assert [what for what in happened if what != "start"] == ["create", "die", "stop", "die", "remove"] or (
        [what for what in happened if what not in ("start", "die")] == ["create", "stop", "remove"]
    )


def test_in_the_foreground_with_a_name(world):
    done = world.run("front", "sh", "-c", "echo out; echo err >&2; cat; exit 4", code=4, stdin="in")
    assert (done.stdout, "err\n" in done.stderr) == ("out\nin", True)
    assert world.listed("front")["code"] == 4
    # It has ended, and its name is free again; it held nothing of its own.
    again = world.run("front", "true")
    assert "replaced `front`" in again.stderr


def test_what_was_written_is_not_lost_with_the_name(world):
    options = () if world.engine == "native" else ("--engine", world.engine)
    world.run(
        "mine",
        "sh",
        "-c",
        "echo mine >/tmp/x; mkdir -p /tmp/d; echo mine >/opt/own 2>/dev/null || true",
        options=options,
    )
    if os.getuid():
        pytest.skip("files of an image belong to root")
    done = world.run("mine", "true")
    world.names.append("mine-old")
    assert "`mine-old`" in done.stderr
    assert world.state("mine-old") == "exited"
    removed = world.call("rm", "mine-old")
    assert "1 file" in removed.stderr


def test_a_name_in_use_is_explained(world):
    world.background("busy", *FOREVER)
    done = world.run("busy", "true", code=125)
    assert "shipway exec busy" in done.stderr
    assert "shipway stop busy" in done.stderr


def test_a_command_that_cannot_start_leaves_nothing(world):
    world.run("none", "not-there", options=("-d",), code=127)
    assert world.state("none") == "gone"


def test_services_in_one_container(world):
    world.background("many", "sleep", "1000")
    world.call("exec", "-d", "--service", "one", "many", "sh", "-c", "echo from one; sleep 1000")
    world.call("exec", "-d", "--service", "two", "many", "sh", "-c", "exit 6")
    wait_until(lambda: [s["running"] for s in world.listed("many")["services"]] == [True, False])
    assert {s["name"]: s["code"] for s in world.listed("many")["services"]} == {"one": None, "two": 6}
    wait_until(lambda: world.call("logs", "many/one").stdout == "from one\n")
    again = world.call("exec", "-d", "--service", "one", "many", "true", code=125)
    assert "runs already" in again.stderr
    world.call("stop", "--time", "3", "many/one")
    assert not any(s["running"] for s in world.listed("many")["services"])
    assert world.state("many") == "running"
    world.call("stop", "--time", "0", "many")
    assert world.call("exec", "many", "true", code=125).stderr.count("shipway start many") == 1


def test_a_terminal_is_left_and_joined_again(world):
    terminal = Terminal(world.words("run", "--name", "shell", "--image", "life:1", "--", "sh"), world.environ)
    world.names.append("shell")
    terminal.type(b"echo I am $((40+2))\n")
    terminal.expect(b"I am 42")
    terminal.type(b"\x10\x11")
    assert terminal.end() == 0
    assert world.state("shell") == "running"
    terminal = Terminal(world.words("attach", "shell"), world.environ)
    terminal.type(b"echo again $((40+3)); exit 5\n")
    terminal.expect(b"again 43")
    assert terminal.end() == 5
    world.await_state("shell", "exited")
    assert b"I am 42" in world.call("logs", "shell").stdout.encode()


def test_exec_has_a_terminal_of_its_own(world):
    world.background("host", "sleep", "1000")
    terminal = Terminal(world.words("exec", "host", "sh"), world.environ)
    terminal.type(b"tty; stty -echo; echo size $((1+1))\n")
    assert b"/dev/pts/" in terminal.expect(b"size 2")
    terminal.type(b"exit 9\n")
    assert terminal.end() == 9


@pytest.mark.parametrize("world", ENGINES[:1], indirect=True)
def test_whoever_looks_at_a_job_may_lose_the_terminal(world):
    world.background("night", "sh", "-c", "while true; do echo tick; sleep 0.05; done")
    terminal = Terminal(world.words("attach", "night"), world.environ)
    assert b"logs -f night" in terminal.expect(b"only looks")
    terminal.expect(b"tick")
    terminal.process.send_signal(signal.SIGHUP)
    assert terminal.end() == 0
    assert world.state("night") == "running"


def test_a_command_that_is_left_goes_on(world):
    """Also when it shows more than a terminal holds."""
    world.background("host", "sleep", "1000")
    script = "echo ready; while [ ! -e /opt/go ]; do sleep 0.1; done; seq 100000; echo done > /opt/left"
    terminal = Terminal(world.words("exec", "host", "sh", "-c", script), world.environ)
    terminal.expect(b"ready")
    terminal.type(b"\x10\x11")
    assert terminal.end() == 0
    world.call("exec", "host", "touch", "/opt/go")
    wait_until(lambda: world.call("exec", "host", "cat", "/opt/left", code=None).stdout == "done\n", 60)


def test_restart_policies(world):
    world.background("tries", "sh", "-c", "echo try; exit 3", options=("--restart", "on-failure:2"))
    world.await_state("tries", "exited", 30)
    one = world.listed("tries")
    assert (one["code"], one["restarts"]) == (3, 2)
    wait_until(lambda: world.call("logs", "tries").stdout == "try\n" * 3, 60)


def test_what_is_killed_has_ended_and_stays_so(world):
    """Known to whoever looks next, and whatever its restart policy; and it starts again as it was."""
    world.background("ever", *FOREVER, options=("--restart", "always"))
    world.call("exec", "-d", "--service", "side", "ever", *FOREVER)
    world.call("kill", "ever/side")
    assert [one["running"] for one in world.listed("ever")["services"]] == [False]
    world.call("kill", "ever")
    one = world.listed("ever")
    assert (one["state"], one["code"], one["restarts"]) == ("exited", 137, 0)
    world.call("start", "ever")
    assert world.state("ever") == "running"


PYTHON_LOST = f"would remove `plan`, and with it 1 file ({render_size(os.path.getsize('/bin/true'))}) that it wrote outside mounts"
COPIED_IN = f"would copy `/etc/passwd` ({render_size(os.path.getsize('/etc/passwd'))}) to `plan:/opt/new`"
IMPOSSIBLE = (
    (("start", "plan"), 125, "`plan` runs already"),
    (("start", "plan/none"), 2, "names a service"),
    (("rm", "-f", "plan/held"), 2, "names a service"),
    (("kill", "plan/none"), 14, "no service `none`"),
    (("exec", "-d", "--service", "held", "plan", "true"), 125, "`held` runs already in `plan`"),
    (("exec", "-d", "--service", "a/b", "plan", "true"), 125, "not a name for a container"),
    (("cp", "/etc/passwd", "plan:/none/new"), 14, "the folder `/none` does not exist in `plan`"),
    (("cp", "/nothing", "plan:/opt"), 2, "`/nothing` does not exist"),
    (("cp", "/dev/null", "plan:/opt"), 2, "`/dev/null` is neither a file nor a folder"),
    (("jupyter", "--container", "plan"), 125, "`plan` has no `python`"),
    (("cp", "plan:/none", "."), 14, "`/none` does not exist in `plan`"),
    (("run", "-d", "--name", "plan", "--image", IMAGE, "--", "true"), 125, "a container `plan` runs already"),
    (("rename", "plan", "plan"), 125, "is there already"),
)


@pytest.mark.parametrize("world", ENGINES[:1], indirect=True)
def test_what_cannot_be_done_is_known_before(world):
    """With `--dry-run` and without, the same error and exit code."""
    world.background("plan", *FOREVER)
    world.call("exec", "-d", "--service", "held", "plan", *FOREVER)
    for (verb, *words), code, said in IMPOSSIBLE:
        for dry in ((), ("--dry-run",)):
            assert said in world.call(verb, *dry, *words, code=code).stderr
    assert world.state("plan") == "running"
    assert [(one["name"], one["running"]) for one in world.listed("plan")["services"]] == [("held", True)]
    world.call("stop", "plan")
    for words in (
        ("kill", "plan"),
        ("exec", "plan", "true"),
        ("cp", "plan:/opt", "."),
        ("jupyter", "--container", "plan"),
    ):
        assert "does not run" in world.call(words[0], "--dry-run", *words[1:], code=125).stderr


@pytest.mark.parametrize("world", ENGINES[:1], indirect=True)
def test_what_would_be_done(world):
    """`--dry-run` of every verb that changes something leaves all as it is."""
    world.background("plan", *FOREVER)
    world.call("exec", "plan", "cp", "/bin/true", "/bin/python")  # says of every module that it is there
    for verb, words, said in (
        ("stop", ("plan",), "would end `plan`"),
        ("restart", ("plan",), "would end `plan` and start `plan`"),
        ("kill", ("-s", "HUP", "plan"), "would send SIGHUP to `plan`"),
        ("exec", ("plan", "touch", "/tmp/a b"), "would run `touch '/tmp/a b'` in `plan`"),
        ("exec", ("-d", "plan", "sleep", "9"), "would start `sleep 9` in `plan` as the service `sleep`"),
        ("cp", ("/etc/passwd", "plan:/opt/new"), COPIED_IN),
        ("cp", ("plan:/opt/tool", "here"), "would copy `plan:/opt/tool` to `here`"),
        ("jupyter", ("--container", "plan"), "would start jupyter in `plan` as the service `jupyter`"),
        (
            "tensorboard",
            ("--container", "plan"),
            "would start tensorboard in `plan` as the service `tensorboard`",
        ),
        ("rm", ("-f", "plan"), PYTHON_LOST),
        ("rename", ("plan", "other"), "would call `plan` `other`"),
        ("down", (), "would end `plan`"),
    ):
        assert world.call(verb, "--dry-run", *words, cwd=world.project).stdout == f"{said}\n"
    assert "there is no container `none`" in world.call("stop", "plan", "none", code=14).stderr
    assert (world.state("plan"), world.state("other")) == ("running", "gone")
    world.call("exec", "plan", "test", "!", "-e", "/opt/new", "-a", "!", "-e", "/tmp/a b")
    assert world.listed("plan")["services"] == []
    assert os.listdir(world.project) == []
    assert "shipway rm --force plan" in world.call("rm", "--dry-run", "plan", code=125).stderr
    down = world.call("down", "--time", "5")
    assert (down.stdout, "kept with what they wrote: `plan`" in down.stderr) == ("plan\n", True)
    assert world.call("stop", "plan", "--dry-run").stdout == "`plan` has ended already\n"
    assert world.call("start", "plan", "--dry-run").stdout == "would start `plan`\n"
    assert "nothing of this project runs" in world.call("down").stderr
    other = world.call("down", "-t", "nowhere").stderr
    assert "nothing of that target runs; of others there are `plan`" in other


def test_a_code_outlives_its_container(world):
    """By its id, for another one may have its name by then."""
    brief = world.background(
        "brief", "sh", "-c", "while [ ! -e /tmp/end ]; do sleep 0.05; done; exit 3", options=("--rm",)
    ).stdout.strip()
    waiting = subprocess.Popen(world.words("wait", brief), env=world.environ, stdout=subprocess.PIPE)
    world.call("exec", "brief", "touch", "/tmp/end", code=None)  # it may be killed with the container
    assert (waiting.communicate(timeout=30)[0], waiting.returncode) == (b"3\n", 3)
    assert json.loads(world.call("wait", "--json", brief, code=3).stdout)["codes"] == {"brief": 3}


@pytest.mark.parametrize("world", ENGINES[1:3], indirect=True)
def test_an_end_for_memory_is_told_and_leaves_nothing(world):
    """Podman's monitor writes a file `oom` where it was started."""
    eats = ("sh", "-c", "all=$(yes | head -c 300000000)")
    done = world.call("run", "--image", IMAGE, "--memory", "20m", "--", *eats, code=137, cwd=world.project)
    assert "memory limit" in done.stderr
    assert "20.0 MiB" in done.stderr
    world.run("eats", *eats, options=("-d", "--memory", "20m"), cwd=world.project)
    world.await_state("eats", "exited")
    assert "memory limit" in world.listed("eats")["reason"]
    assert os.listdir(world.project) == []


@pytest.mark.needs_root  # only root may always limit
@pytest.mark.parametrize("world", [ENGINES[0], ENGINES[2]], indirect=True)
def test_an_end_for_memory_is_told_of_commands_inside(world):
    """Of a process of a command, and of a service."""
    try:
        plan_limits(Limits(memory=1 << 26), read_layout(), uid=0, name="none")
    except LimitError as error:
        pytest.skip(error.message)
    eats = "all=$(yes | head -c 300000000)"
    reached = "the memory limit of 64.0 MiB was reached, and the kernel killed 1 of the container's processes"
    world.background("full", "sleep", "1000", options=("--memory", "64m"))
    done = world.call("exec", "full", "sh", "-c", f"sh -c '{eats}'; exit 3", code=3)
    assert reached in done.stderr
    assert "`--memory`" in done.stderr
    world.call("exec", "-d", "--service", "eats", "full", "sh", "-c", eats)
    assert f"`full/eats`: {reached}" in world.call("wait", "full/eats", code=137).stderr


@pytest.mark.parametrize("world", ENGINES[:2], indirect=True)
def test_the_end_of_whose_network_is_shared_is_told(world):
    """In the list, in the journal, and to whoever goes in; until it joins anew."""
    world.background("first", "sleep", "1000", options=("--network", "none"))
    world.background("second", "sleep", "1000", options=("--network", "container:first"))
    world.call("stop", "--time", "1", "first")
    assert "`shipway restart second` joins it" in world.call("exec", "second", "true").stderr
    assert world.listed("second")["lost_network"] == "first"
    assert "network-lost second" in world.call("events").stdout
    if world.engine != "native":  # which only believe what the engine says of both
        return
    world.call("start", "first")
    assert "up" in (listed := world.call("ps").stdout)
    assert "without a way out since `first` ended" in listed
    for verb in ("logs", "port"):
        assert "has ended since" in world.call(verb, "second").stderr
    world.call("restart", "--time", "1", "second")
    assert not world.call("exec", "second", "true").stderr


@pytest.mark.parametrize("world", [ENGINES[0], ENGINES[2]], indirect=True)
def test_the_end_of_whose_network_is_shared_is_told_to_who_waits(world):
    world.background("first", "sleep", "1000", options=("--network", "none"))
    waits = ("sh", "-c", "echo begun; until test -e /work/go; do sleep 0.05; done")
    words = world.words("run", "--network", "container:first", "--image", IMAGE, "--", *waits)
    with subprocess.Popen(
        words, env=world.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as waiting:
        assert waiting.stdout.readline() == "begun\n"
        world.call("stop", "--time", "1", "first")
        assert "`first`, whose network the container shares, has ended" in waiting.stderr.readline()
        (world.project / "go").touch()
        assert waiting.wait(20) == 0


def test_removed_at_its_end(world):
    world.background("brief", "sh", "-c", "exit 0", options=("--rm",))
    world.await_state("brief", "gone")
    world.run("brief2", "sh", "-c", "exit 3", options=("--rm",), code=3)
    world.await_state("brief2", "gone")
    wait_until(
        lambda: "it ended with code 3 and was removed on" in world.call("wait", "brief2", code=14).stderr
    )


def test_what_goes_by_itself_is_told(world):
    if os.getuid() and world.engine != "native":
        pytest.skip("files of an image belong to root")
    done = world.run("lost", "sh", "-c", "echo x >/opt/x; echo y >/opt/y", options=("--rm",))
    assert "`lost` was removed, as `--rm` asks, and with it 2 files" in done.stderr
    assert world.state("lost") == "gone", "as soon as the command is back"
    missed = world.call("commit", "lost", "again:1", code=14)
    assert "there is no container `lost` any more" in missed.stderr
    assert "with 2 files" in missed.stderr


def test_one_that_an_engine_cannot_start_is_not_left_there(world):
    for _ in range(2):
        refused = world.run("never", "sleep", "9", options=("-d", "--gpus", "all"), code=125)
        assert "GPUs" in refused.stderr
    assert world.state("never") == "gone"
    if world.engine in PRIVATE:
        assert "has no GPUs to hand out here" in refused.stderr
        listed = [world.engine, "ps", "-aq"]
        assert subprocess.run(listed, capture_output=True, check=True, env=world.environ).stdout == b""


def test_signals_and_names(world):
    world.background("signalled", *FOREVER)
    world.call("rename", "signalled", "renamed")
    world.names.append("renamed")
    wait_until(lambda: world.call("logs", "renamed").stdout == "begun\n")
    world.call("kill", "--signal", "TERM", "renamed")
    world.await_state("renamed", "exited")
    assert world.listed("renamed")["code"] == 7
    assert world.call("exec", "signalled", "true", code=125).stderr.startswith("error: there is no container")


def test_files_are_copied_both_ways(world, tmp_path):
    world.background("copies", "sleep", "1000")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a").write_text("a\n")
    (tree / "link").symlink_to("a")
    world.call("cp", str(tree), "copies:/tmp")
    assert world.call("exec", "copies", "cat", "/tmp/tree/link").stdout == "a\n"
    world.call("cp", "copies:/tmp/tree", str(tmp_path / "back"))
    assert ((tmp_path / "back/a").read_text(), os.readlink(tmp_path / "back/link")) == ("a\n", "a")
    assert (tmp_path / "back/a").stat().st_uid == os.getuid()
    assert "`copies:/tmp/tree/a` (2 B)" in world.call("cp", "copies:/tmp/tree/a", str(tmp_path)).stderr
    missing = world.call("exec", "copies", "not-there", code=127).stderr
    assert "error: `not-there` is not in the environment" in missing
    wrong = world.call("exec", "-w", "/none", "copies", "true", code=125).stderr
    assert ("/none" in wrong, "hint: choose" in wrong, "is not in the environment" in wrong) == (
        True,
        True,
        False,
    )
    absent = world.call("cp", "copies:/tmp/nothing", str(tmp_path / "x"), code=14).stderr
    assert "`/tmp/nothing` does not exist in `copies`" in absent
    assert (
        "does not exist" in world.call("cp", "copies:/tmp/tree", str(tmp_path / "not/there"), code=2).stderr
    )


def test_use_and_processes(world):
    world.background("used", "sh", "-c", "sleep 1000")
    [usage] = json.loads(world.call("stats", "--once", "--json", "used").stdout)["containers"]
    assert usage["processes"] >= 1
    assert usage["memory"] > 0
    listed = json.loads(world.call("top", "--json", "used").stdout)["processes"]
    assert any("sleep 1000" in one["command"] for one in listed)


def test_whoever_started_it_may_go(world):
    """The caller's session ends, its process group is killed, and the container goes on."""
    words = world.words("run", "-d", "--name", "stays", "--image", "life:1", "--", *FOREVER)
    world.names.append("stays")
    terminal = Terminal(["sh", "-c", '"$@"; sleep 100', "sh", *words], world.environ)
    world.await_state("stays", "running")
    os.killpg(terminal.process.pid, signal.SIGHUP)  # `nohup` around the tests lets it pass by
    os.killpg(terminal.process.pid, signal.SIGKILL)
    terminal.process.wait(20)
    os.close(terminal.master)
    assert world.call("exec", "stays", "true").returncode == 0


def test_a_token_is_seen_by_commands_alone(world):
    """Neither the engine nor a file, an argument list or an answer of ours shows it."""
    token = "t0ken-'\"$-of-the-host\nsecond"
    world.environ["API_TOKEN"] = token
    shown = 'printf "[%s]" "$API_TOKEN"'
    world.background(
        "vault",
        "sh",
        "-c",
        f"{shown} >/tmp/seen; while true; do sleep 0.05; done",
        options=("--secret", "API_TOKEN"),
    )
    wait_until(lambda: world.call("exec", "vault", "cat", "/tmp/seen").stdout == f"[{token}]")
    assert world.call("exec", "vault", "sh", "-c", shown).stdout == f"[{token}]"
    assert world.call("exec", "-e", "API_TOKEN=mine", "vault", "sh", "-c", shown).stdout == "[mine]"
    once = world.call("run", "-e", "API_TOKEN", "--image", "life:1", "--", "sh", "-c", shown)
    assert once.stdout == f"[{token}]"

    part = b"t0ken-"
    told = [world.call(*words) for words in (("ps", "-a", "--json"), ("events", "--json"), ("logs", "vault"))]
    told.append(world.call("run", "--dry-run", "-e", "API_TOKEN", "--image", "life:1", "--", "true"))
    assert not [one for one in told if part.decode() in one.stdout + one.stderr]
    home = os.path.dirname(os.environ["XDG_STATE_HOME"])
    holding = [str(path) for path in Path(home).rglob("*") if path.is_file() and part in path.read_bytes()]
    own = [path for path in holding if path.endswith("/secrets")]
    assert len(own) == (world.engine in PRIVATE)
    # What the command itself wrote to its `/tmp` is its own affair.
    assert not [path for path in holding if path not in own and not path.endswith("/seen")]
    assert all(os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700 for path in own)
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{number}/cmdline", "rb") as file:
                assert part not in file.read()
        except (FileNotFoundError, ProcessLookupError):
            continue
    if world.engine in PRIVATE:
        known = subprocess.run(
            [world.engine, "inspect", "vault"], capture_output=True, check=True, env=world.environ
        ).stdout
        assert b"/bin/sh" in known
        assert part not in known
    # It is nowhere while nothing runs, and the next start has that of now.
    world.call("stop", "vault")
    wait_until(lambda: not any(part in Path(path).read_bytes() for path in own))
    world.environ["API_TOKEN"] = "another"
    world.call("start", "vault")
    wait_until(lambda: world.call("exec", "vault", "cat", "/tmp/seen").stdout == "[another]")
    assert world.call("exec", "vault", "sh", "-c", shown).stdout == "[another]"


def test_what_became_of_it_is_told_and_kept(world):
    """`diff` says what a container changed, `commit` makes an image of it, and that image runs."""
    script = "mkdir /opt/new; echo made > /opt/new/file; echo changed > /etc/motd; rm /bin/stat; sleep 1000"
    world.background("became", "sh", "-c", script)
    wait_until(lambda: world.call("exec", "became", "ls", "/bin/stat", code=None).returncode != 0)
    differs = json.loads(world.call("diff", "became", "--json").stdout)["files"]
    assert {("/opt/new/file", "added"), ("/bin/stat", "removed")} <= {
        (one["path"], one["what"]) for one in differs
    }
    name = f"team/{world.engine}:1"
    recipe = world.call("commit", "became", name)
    assert {"#   + opt/new/file", "#   - bin/stat"} <= set(recipe.stdout.splitlines())
    digest = recipe.stderr.split("sha256:")[1][:64]
    assert digest == COMMITTED.setdefault("digest", digest)
    again = world.call("run", name, "sh", "-c", "cat /opt/new/file; ls /bin/stat || echo gone")
    assert again.stdout == "made\ngone\n"
    assert world.call("commit", "became", "no//name", code=2).stderr


@pytest.mark.parametrize("world", ENGINES[1:3], indirect=True)
def test_a_name_of_the_engines_own_is_explained(world):
    """A container that somebody made by the engine's own words keeps its name."""
    made = world.call("job", "--name", "first", "--image", "life:1", "--", "true")
    world.names.append("first")
    image = call_engine(
        world.engine, world.environ, "inspect", "--format", "{{.Image}}", made.stdout.split()[0]
    ).strip()
    call_engine(world.engine, world.environ, "create", "--name", "theirs", image, "true")
    refused = world.call("job", "--name", "theirs", "--image", "life:1", "--", "true", code=125)
    assert "has a container `theirs` that shipway did not make" in refused.stderr
    assert world.state("theirs") == "gone"
    call_engine(world.engine, world.environ, "rm", "theirs")


@pytest.mark.parametrize("world", ENGINES[:1], indirect=True)
def test_what_goes_with_a_session_is_said(world):
    """Whoever typed into a container that is thrown away hears what went with it; what lies in mounts and `/tmp` does not."""
    script = "echo x > /opt/y; rm /bin/stat; echo x > /work/mine; echo x > /tmp/z"
    terminal = Terminal(world.words("run", "--image", "life:1", "--", "sh", "-c", script), world.environ)
    seen, code = terminal.finish()
    assert (code, "2 files (2 B) written outside mounts went with the container" in seen) == (0, True)
    quiet = Terminal(world.words("run", "--image", "life:1", "--", "true"), world.environ)
    assert quiet.finish() == ("", 0)
