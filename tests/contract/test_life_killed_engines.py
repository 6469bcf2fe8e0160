"""Daemons, keepers, monitors and containers of Docker and Podman killed: what `ps` says stays true, and all is found again."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from life_world import LifeWorld
from test_engine_gone import Daemon
from test_life_killed import all_gone
from test_life_killed_random import SEED

from private_engines import call_engine, private_docker, private_podman, wait_until

pytestmark = pytest.mark.needs_root
COUNTED = 'i=0; while :; do i=$((i+1)); echo "line $i"; printf %09d $i 1<>/work/came; sleep 0.01; done'


def titled(title):
    """The processes of ours that are called so."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().rstrip(b"\0").decode("utf-8", "replace") == f"shipway: {title}":
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def count(world, name):
    """Begin a container that counts."""
    (world.project / "came").write_text("0" * 9)
    world.background(name, "sh", "-c", COUNTED)


def assert_whole(world, name, came=0):
    came = came or int((world.project / "came").read_text())
    wait_until(lambda: world.call("logs", name).stdout.count("\n") >= came)
    done = world.call("logs", name)
    lines = done.stdout.split("\n")[:-1]
    assert lines == [f"line {number}" for number in range(1, len(lines) + 1)]
    assert done.stderr == "", "what the engine's program said is none of the container's"


def identity(world, name):
    return json.loads(Path(world.listed(name)["folder"], "container.json").read_text())["engine_id"]


@pytest.mark.needs_tool("docker", "dockerd")
@pytest.mark.parametrize("live", [False, True], ids=["plain", "live-restore"])
def test_dockers_daemon_is_killed(life_store, tmp_path, live):
    name = "lively" if live else "plain"
    with private_docker() as settings:
        daemon = Daemon(settings)
        if live:
            daemon.restore_live()
        world = LifeWorld(tmp_path, "docker", life_store, settings)
        try:
            count(world, name)
            world.call("exec", "-d", "--service", "quiet", name, "sleep", "1000")
            before = int((world.project / "came").read_text())
            assert_whole(world, name, before)
            daemon.end(signal.SIGKILL)
            wait_until(lambda: not daemon.answers())
            if live:
                daemon.again.wait()
            assert "unknown: Docker does not answer" in world.call("ps").stdout
            for verb in ("stop", "exec", "wait", "start", "rm"):
                done = world.call(verb, name, *(("true",) if verb == "exec" else ()), code=None)
                assert (done.returncode, "Docker does not answer" in done.stderr) == (125, True), verb
            daemon.start()
            world.await_state(name, "running" if live else "exited")
            assert_whole(
                world, name, 0 if live else before
            )  # without, Docker keeps nothing of the time between
            if live:
                [service] = world.listed(name)["services"]
                assert (service["name"], service["running"]) == ("quiet", True)
                world.call("stop", "--time", "0", f"{name}/quiet")
                assert "sleep 1000" not in world.call("top", name).stdout
                world.call("stop", "--time", "0", name)
            (world.project / "came").write_text("0" * 9)
            world.call("start", name)
            world.call("exec", name, "true")
            world.call("rm", "--force", name)
            wait_until(lambda: not titled(name) and not titled(f"{name}/quiet"))
            assert call_engine("docker", settings, "ps", "--all", "--quiet") == ""
        finally:
            world.close()
            daemon.clean()


@pytest.mark.needs_tool("docker", "dockerd")
def test_what_is_beside_a_container_of_docker_is_killed(life_store, tmp_path):
    """The one beside a service that says nothing, so that the service goes on; the container's process; its shim."""
    with private_docker() as settings:
        world = LifeWorld(tmp_path, "docker", life_store, settings)
        try:
            count(world, "beside")
            world.call("exec", "-d", "--service", "quiet", "beside", "sleep", "1000")
            [beside] = titled("beside/quiet")
            os.kill(beside, signal.SIGKILL)
            wait_until(lambda: all_gone([beside]))
            assert world.listed("beside")["services"][0]["running"]
            world.call("stop", "--time", "0", "beside/quiet")
            assert not world.listed("beside")["services"][0]["running"]
            keepers = titled("beside")
            os.kill(keepers[0], signal.SIGKILL)
            pid = call_engine(
                "docker", settings, "inspect", "--format", "{{.State.Pid}}", identity(world, "beside")
            )
            os.kill(int(pid), signal.SIGKILL)
            world.await_state("beside", "exited")
            assert world.listed("beside")["code"] == 137
            assert_whole(world, "beside")
            world.call("rm", "beside")
            count(world, "again")
            shim = subprocess.run(
                ["pgrep", "-f", f"containerd-shim.*{identity(world, 'again')}"],
                capture_output=True, check=True,
            )  # fmt: skip
            os.kill(int(shim.stdout), signal.SIGKILL)
            world.await_state("again", "exited")
            world.call("start", "again")
            world.call("exec", "again", "true")
        finally:
            world.close()


@pytest.mark.needs_tool("docker", "dockerd")
def test_parts_of_docker_are_killed_at_random(life_store, tmp_path):
    """Each part once and one more, in an order and at moments from a seed: the list is true, and the log whole."""
    rng = random.Random(f"{SEED} docker")
    parts = ["daemon", "keeper", "shim", "command"]
    parts = rng.sample([*parts, rng.choice(parts)], len(parts) + 1)
    with private_docker() as settings:
        daemon = Daemon(settings)
        daemon.restore_live()
        world = LifeWorld(tmp_path, "docker", life_store, settings)
        try:
            for number, part in enumerate(parts):
                name = f"{part}{number}"
                count(world, name)
                moment = rng.randrange(100)
                wait_until(lambda moment=moment: int((world.project / "came").read_text()) >= moment)
                _kill_part(world, settings, daemon, part, name)
                world.await_state(name, "exited" if part in ("shim", "command") else "running")
                if part == "shim":  # which takes along what it had not handed to Docker
                    assert_whole(world, name, 1)
                else:
                    assert_whole(world, name)
                world.call("rm", "--force", name)
                wait_until(lambda name=name: not titled(name))
            assert call_engine("docker", settings, "ps", "--all", "--quiet") == ""
        finally:
            world.close()
            daemon.clean()


def _kill_part(world, settings, daemon, part, name):
    engine_id = identity(world, name)
    if part == "daemon":
        daemon.end(signal.SIGKILL)
        wait_until(lambda: not daemon.answers())
        daemon.again.wait()
        assert world.listed(name)["state"] == "unknown"
        daemon.start()
    elif part == "keeper":
        os.kill(titled(name)[0], signal.SIGKILL)
    elif part == "shim":
        found = subprocess.run(
            ["pgrep", "-f", f"containerd-shim.*{engine_id}"], capture_output=True, check=True
        )
        os.kill(int(found.stdout), signal.SIGKILL)
    else:
        pid = call_engine("docker", settings, "inspect", "--format", "{{.State.Pid}}", engine_id)
        os.kill(int(pid), signal.SIGKILL)


@pytest.mark.needs_tool("podman")
def test_podmans_monitor_is_killed(life_store, tmp_path):
    """Podman takes the container for running ever after, and cannot start it again; the list and the error say so."""
    with private_podman() as settings:
        world = LifeWorld(tmp_path, "podman", life_store, settings)
        try:
            count(world, "watched")
            wait_until(lambda: world.call("logs", "watched").stdout)
            engine_id = identity(world, "watched")
            monitor = subprocess.run(["pgrep", "-f", f"conmon.*{engine_id}"], capture_output=True, check=True)
            for pid in monitor.stdout.split():
                os.kill(int(pid), signal.SIGKILL)
            world.await_state("watched", "exited")
            one = world.listed("watched")
            assert one["reason"] == "what watched it for Podman was killed"
            assert time.time() - one["ended"] < 60
            done = world.call("start", "watched", code=125)
            assert "`shipway rm --force watched`" in done.stderr
            world.call("rm", "--force", "watched")
            wait_until(lambda: not titled("watched"))
            assert call_engine("podman", settings, "ps", "--all", "--quiet") == ""
        finally:
            world.close()
