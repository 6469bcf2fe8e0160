"""Kills at random, from a seed: what `ps` says is what /proc says, no line is lost, nothing and no port is left behind."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from test_life_killed import all_gone, below, children, sandbox, supervisor

from private_engines import wait_until

SEED = int(os.environ.get("SHIPWAY_TEST_SEED", "4"))
FLOOD = (
    'i=0; while :; do i=$((i+1)); echo "line $i"; echo "error $i" >&2; printf %09d $i 1<>/work/$1; done',
    'i=0; while :; do i=$((i+1)); echo "line $i"; printf %09d $i 1<>/work/$1; sleep 0.00$((i%3)); done',
)
"""A command's and a service's: how far it came stands in a file of the project, written after the line."""


def numbers(text, kind):
    """Of the lines of a kind that are whole."""
    return [int(line.split()[1]) for line in text.split("\n")[:-1] if line.startswith(kind)]


def assert_whole(world, log, came, kinds=("line",)):
    """Every line that was written is there once, in order, untorn."""
    done = world.call("logs", log)
    for kind, text in zip(kinds, (done.stdout, done.stderr), strict=False):
        found = numbers(text, kind)
        assert len(found) >= came, (log, kind)
        assert found == list(range(1, len(found) + 1)), (log, kind)


def flood(world, name):
    for place in ("main", "beside"):
        (world.project / place).write_text("0" * 9)
    world.background(name, "sh", "-c", FLOOD[0], "sh", "main")
    world.call("exec", "-d", "--service", "beside", name, "sh", "-c", FLOOD[1], "sh", "beside")


@pytest.mark.needs_userns
@pytest.mark.parametrize("kind", ["supervisor", "outside", "init", "command", "log", "client"])
def test_a_flood_of_lines(native, kind):
    """Whatever is killed: both logs hold all that was written, and nothing runs that `ps` says has ended."""
    rng = random.Random(f"{SEED} {kind}")
    flood(native, "flood")
    client = subprocess.Popen(
        native.words("logs", "-f", "flood"), env=native.environ, stdout=subprocess.DEVNULL
    )
    pid = supervisor(native, "flood")
    outside, init, *inside = sandbox(pid)
    log = next(one for one in children(pid) if one != outside)
    family = [pid, *below(pid)]
    moment = rng.randrange(300)
    wait_until(lambda: int((native.project / "beside").read_text()) >= moment)
    victims = {"supervisor": pid, "outside": outside, "init": init, "command": inside[0], "log": log}
    os.kill(victims.get(kind, client.pid), signal.SIGKILL)
    if kind in ("log", "client"):
        assert native.state("flood") == "running"
        wait_until(lambda: len(children(pid)) == 2)  # what keeps the rest of the log is there again
        os.kill(pid, signal.SIGKILL)
        family += below(pid)
    wait_until(lambda: all_gone(family))
    one = native.listed("flood")
    assert (one["state"], one["code"]) == ("exited", 137)
    assert_whole(native, "flood", int((native.project / "main").read_text()), ("line", "error"))
    assert_whole(native, "flood/beside", int((native.project / "beside").read_text()))
    client.kill()
    client.wait()
    ended = [one for one in native.call("events", "--json").stdout.splitlines() if '"die"' in one]
    assert len(ended) == 1


@pytest.mark.needs_userns
def test_verbs_that_are_killed_are_finished_by_a_second_try(native, tmp_path):
    rng = random.Random(SEED)
    native.names.append("other")
    for verb in rng.sample(["run", "stop", "start", "restart", "rm", "rename"], 6):
        native.call("rm", "--force", "one", code=None)
        if verb != "run":
            native.background("one", "sleep", "1000")
        if verb == "start":
            native.call("stop", "--time", "0", "one")
        words = {
            "run": ("run", "-d", "--name", "one", "--image", "life:1", "--", "sleep", "1000"),
            "rm": ("rm", "--force", "one"),
            "rename": ("rename", "one", "other"),
        }.get(verb, (verb, "one"))
        caller = subprocess.Popen(
            native.words(*words), env=native.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            caller.wait(rng.random() * 0.4)
        caller.kill()
        caller.wait()
        native.state("one")  # can be read
        native.call(*words, code=None)
        name = "other" if verb == "rename" else "one"
        wanted = {"stop": "exited", "rm": "gone"}.get(verb, "running")
        native.await_state(name, wanted)
        if wanted == "running":
            native.call("exec", name, "true")
        native.call("rm", "--force", name, code=None)
    state = Path(native.environ["XDG_STATE_HOME"]) / "shipway/containers"
    (state / "0123456789ab").mkdir()
    native.call("gc")
    assert [path.name for path in state.iterdir() if path.is_dir()] == ["by-name"]
    assert list((state / "by-name").iterdir()) == []


@pytest.mark.needs_userns
def test_after_a_reboot_no_number_is_taken_for_a_process_of_ours(native):
    """All is gone, and the number that was the supervisor's is another's by now."""
    native.background("early", "sleep", "1000", options=("--restart", "always"))
    folder = Path(native.listed("early")["folder"])
    pid = supervisor(native, "early")
    family = [pid, *below(pid)]
    for one in family:  # the one that writes down the end, too
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    wait_until(lambda: all_gone(family))
    with subprocess.Popen(["sleep", "1000"]) as stranger:
        status = {"state": "running", "pid": stranger.pid, "started": 1.0}
        (folder / "state.json").write_text(json.dumps(status))
        (folder / "lock").write_text(f"{stranger.pid}\n")
        assert native.state("early") == "exited"
        native.call("stop", "early")
        native.call("kill", "early", code=125)
        native.call("top", "early", code=125)
        native.call("start", "early")
        assert native.state("early") == "running"
        native.call("rm", "--force", "early")
        assert stranger.poll() is None
        stranger.kill()


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def guard_of(pid):
    [found] = [one for one in children(pid) if "shipway-net" in Path(f"/proc/{one}/comm").read_text()]
    return found


@pytest.mark.needs_userns
@pytest.mark.needs_tun
@pytest.mark.needs_tool("pasta", "slirp4netns")
def test_a_network_is_connected_again_and_goes_with_its_supervisor(native):
    native.background("served", "sleep", "1000", options=("-p", "80"))
    [port] = [one["host"] for one in native.listed("served")["ports"]]
    pid = supervisor(native, "served")
    for which in ("keeper", "guard"):
        wait_until(lambda: listens(port))
        guard = guard_of(pid)
        os.kill(guard if which == "guard" else children(guard)[0], signal.SIGKILL)
        wait_until(lambda old=guard: all_gone([old]) and listens(port))
    wait_until(lambda: native.listed("served")["ports"])
    assert f"127.0.0.1:{port}->80/tcp" in native.call("ps").stdout
    family = [pid, *below(pid)]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all_gone(family))
    assert not listens(port)
    assert native.listed("served")["ports"] == []


@pytest.mark.needs_root
@pytest.mark.needs_userns
def test_a_full_disk_stops_no_command_and_what_was_lost_is_said(native, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", state], check=True)
    native.environ = {**native.environ, "XDG_STATE_HOME": str(state)}
    script = 'i=0; while :; do i=$((i+1)); echo "line $i of some length"; [ $((i%500)) = 0 ] && echo $i >/work/came; done'
    came = native.project / "came"
    try:
        native.background("full", "sh", "-c", script)
        wait_until(lambda: os.statvfs(state).f_bavail == 0)
        before = int(came.read_text() or 0)
        wait_until(lambda: int(came.read_text() or 0) > before + 1000)
        assert native.state("full") == "running"
        native.call("exec", "full", "true")
        native.call("run", "-d", "--name", "more", "--image", "life:1", "--", "true", code=None)
        native.call("stop", "--time", "0", "full")
        one = native.listed("full")
        assert (one["state"], one["code"]) == ("exited", 143)
        assert "bytes) of its output are not in its log" in one["reason"]
        subprocess.run(["mount", "-o", "remount,size=16m", state], check=True)
        native.call("start", "full")
        native.call("stop", "--time", "0", "full")
        assert "of output were lost: the log could not be written]" in native.call("logs", "full").stderr
        native.call("rm", "full")
        native.names.clear()
    finally:
        native.close()
        subprocess.run(["umount", "--lazy", state], check=True)
