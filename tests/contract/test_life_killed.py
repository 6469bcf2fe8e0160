"""Supervisors, containers, keepers and callers killed at any moment: what `ps` says stays true, and nothing is left behind."""

import contextlib
import json
import os
import random
import signal
import subprocess
from pathlib import Path

import pytest
from life_world import LifeWorld

from private_engines import PRIVATE, wait_until

COUNTER = ("sh", "-c", "i=0; while true; do i=$((i+1)); echo line $i; done")


def supervisor(world, name: str) -> int:
    folder = Path(world.listed(name)["folder"])
    return json.loads((folder / "state.json").read_text())["pid"]


def sandbox(pid: int) -> list[int]:
    """The outside process below a supervisor, the first one inside, and its command; not the one that keeps the supervisor's rest."""
    return [one for child in children(pid) for one in (child, *below(child)) if below(child)]


def below(pid: int) -> list[int]:
    """Every process below `pid`."""
    return [one for child in children(pid) for one in (child, *below(child))]


def children(pid: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            found += map(int, task.read_text().split())
    return found


def all_gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() and "Z" not in _state(pid) for pid in pids)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


@pytest.mark.needs_userns
def test_a_killed_supervisor_takes_everything_with_it(native):
    native.background("victim", "sleep", "1000")
    native.call("exec", "-d", "--service", "beside", "victim", "sleep", "1001")
    pid = supervisor(native, "victim")
    family = below(pid)
    assert len(family) >= 4
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all_gone(family))
    one = native.listed("victim")
    assert (one["state"], one["code"], one["reason"]) == ("exited", 137, "its supervisor was killed")
    native.call("start", "victim")
    assert native.call("exec", "victim", "true").returncode == 0


@pytest.mark.needs_userns
@pytest.mark.parametrize("generation", [0, 1, 2])
def test_whatever_of_a_container_is_killed(native, generation):
    """Its outside process, its first process, its command."""
    native.background("victim", "sleep", "1000", options=("--restart", "no"))
    family = sandbox(supervisor(native, "victim"))
    os.kill(family[generation], signal.SIGKILL)
    native.await_state("victim", "exited")
    assert native.listed("victim")["code"] == 137
    wait_until(lambda: all_gone(family))


@pytest.mark.needs_userns
def test_a_restart_policy_outlives_kills(native):
    native.background("again", "sleep", "1000", options=("--restart", "always"))
    for _ in range(2):
        family = sandbox(supervisor(native, "again"))
        os.kill(family[-1], signal.SIGKILL)
        wait_until(lambda known=family: all_gone(known))
        native.await_state("again", "running")
    assert native.listed("again")["restarts"] == 2
    native.call("stop", "--time", "0", "again")
    assert native.state("again") == "exited"


@pytest.mark.needs_userns
def test_what_waits_to_be_started_again_is_killed_for_good(native):
    native.background("fails", "sh", "-c", "exit 1", options=("--restart", "always"))
    native.await_state("fails", "restarting")
    native.call("kill", "fails")
    assert native.state("fails") == "exited"


@pytest.mark.needs_userns
def test_no_line_of_a_log_is_torn_or_lost_by_kills(native):
    """What the log held at any moment is what it begins with after the kill, and its lines are whole but for the last."""
    for _ in range(3):
        native.background("writer", *COUNTER)
        log = Path(native.listed("writer")["log"])
        size = random.randint(100_000, 600_000)
        wait_until(lambda path=log, most=size: path.stat().st_size > most)
        before = log.read_bytes()
        os.kill(supervisor(native, "writer"), signal.SIGKILL)
        native.await_state("writer", "exited")
        after = log.read_bytes()
        assert after.startswith(before)
        lines = after.split(b"\n")[:-1]
        assert lines == [b"line %d" % number for number in range(1, len(lines) + 1)]
        assert native.call("logs", "writer").stdout.encode() == after
        native.call("rm", "writer")


@pytest.mark.needs_userns
def test_a_caller_that_is_killed_leaves_no_command(native):
    native.background("host", "sleep", "1000")
    words = native.words("exec", "host", "sleep", "4321")
    caller = subprocess.Popen(words, env=native.environ, stdin=subprocess.DEVNULL)
    running = lambda: "sleep 4321" in native.call("top", "host").stdout  # noqa: E731
    wait_until(running)
    caller.kill()
    caller.wait()
    wait_until(lambda: not running())
    assert native.state("host") == "running"


@pytest.mark.needs_userns
def test_a_start_that_is_killed_leaves_a_true_list(native):
    """Whenever `run -d` is killed, the container runs or does not, and both can be removed."""
    for number in range(6):
        name = f"early{number}"
        words = native.words("run", "-d", "--name", name, "--image", "life:1", "--", "sleep", "1000")
        native.names.append(name)
        caller = subprocess.Popen(
            words, env=native.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            caller.wait(0.03 * number)
        caller.kill()
        caller.wait()
        states = [native.state(name) for _ in range(4)]  # a supervisor on its way may need a moment
        state = states[-1]
        assert state in ("gone", "created", "running")
        if state == "running":
            assert native.call("exec", name, "true").returncode == 0
        if state != "gone":
            native.call("rm", "--force", name)
        assert native.state(name) == "gone"


@pytest.mark.needs_root
@pytest.mark.needs_tool("docker", "dockerd")
def test_keeper_and_daemon_of_docker(life_store, tmp_path):
    """A killed keeper is replaced and loses no line; without its daemon a container is unknown, not running."""
    manager = PRIVATE["docker"]()
    settings = manager.__enter__()
    try:
        world = LifeWorld(tmp_path, "docker", life_store, settings)
        world.background("kept", "sh", "-c", "for i in 1 2 3; do echo $i; done; sleep 1000")
        wait_until(lambda: world.call("logs", "kept").stdout == "1\n2\n3\n")
        lock = Path(world.listed("kept")["folder"]) / "lock"
        os.kill(int(lock.read_text()), signal.SIGKILL)
        assert world.state("kept") == "running"
        wait_until(lambda: world.call("logs", "kept").stdout == "1\n2\n3\n")
        world.call("stop", "--time", "0", "kept")
        assert world.listed("kept")["code"] in (137, 143)
        gone = LifeWorld.__new__(LifeWorld)
        gone.__dict__.update(world.__dict__)
        gone.environ = {**world.environ, "DOCKER_HOST": "unix:///nowhere"}
        assert gone.listed("kept")["state"] == "unknown"
        world.close()
    finally:
        manager.__exit__(None, None, None)
