"""Many containers at once: each that was started is there and answers, a name is given once, and nothing is left of them."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from life_world import IMAGE

from private_engines import wait_until
from shipway.run.life import client
from shipway.run.life.records import find_named
from shipway.verbs.containers import Named
from shipway.verbs.ending import remove, stop

pytestmark = pytest.mark.needs_userns
MANY = 12
AT_ONCE = 6


@pytest.fixture
def world(native):
    return native


def processes(world) -> list[int]:
    """Supervisors, sandboxes and commands of this test: what works below its folder, or was started there."""
    mark = str(world.project.parent).encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            mounts = (entry / "mountinfo").read_bytes()
            parent = os.readlink(entry / "ns/mnt") != os.readlink("/proc/self/ns/mnt")
        except OSError:
            continue
        if parent and mark in mounts:
            found.append(int(entry.name))
    return found


def test_all_that_were_started_at_once_are_there_and_none_is_left(world):
    names = [f"many-{number}" for number in range(MANY)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ids = [
            done.stdout.strip()
            for done in pool.map(lambda name: world.background(name, "sleep", "1000"), names)
        ]
    assert len(set(ids)) == MANY
    listed = json.loads(world.call("ps", "--json").stdout)["containers"]
    assert {(one["name"], one["id"], one["state"]) for one in listed} == {
        (name, identity, "running") for name, identity in zip(names, ids, strict=True)
    }
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = list(
            pool.map(lambda name: world.call("exec", name, "sh", "-c", f"echo in {name}").stdout, names)
        )
    assert told == [f"in {name}\n" for name in names]
    assert processes(world)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda name: world.call("rm", "-f", name), names[: MANY // 2]))
    world.call("rm", "-f", *names[MANY // 2 :])
    assert json.loads(world.call("ps", "-a", "--json").stdout)["containers"] == []
    assert {path.name for path in (world.project.parent / "state/shipway/containers").iterdir()} <= {
        "by-name",
        ".names.lock",
    }
    assert not list((world.project.parent / "state/shipway/containers/by-name").iterdir())
    wait_until(lambda: not processes(world))


def at_once(world, verb: str, *words: str) -> list[tuple[int, str, str]]:
    """The same command four times: codes, outputs and messages."""
    racers = [
        subprocess.Popen(
            world.words(verb, *words),
            env=world.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    told = [racer.communicate() for racer in racers]
    return [(racer.returncode, *pair) for racer, pair in zip(racers, told, strict=True)]


def test_a_name_that_many_ask_for_at_once_is_given_once(world):
    world.names.append("wanted")
    told = at_once(world, "run", "--name", "wanted", "--image", IMAGE, "-d", "--", "sleep", "1000")
    [winner] = [out.strip() for code, out, _ in told if code == 0]
    losers = [message for code, _, message in told if code != 0]
    assert all("being started by another" in text or "runs already" in text for text in losers), losers
    listed = json.loads(world.call("ps", "-a", "--json").stdout)["containers"]
    assert [(one["name"], one["id"], one["state"]) for one in listed] == [("wanted", winner, "running")]


def stop_now(container, told):
    stop(Named(container), 0.0, told)


def remove_now(container, told):
    remove(container, force=True, emit=told)


@pytest.mark.parametrize(("end", "states"), [(stop_now, ["exited"]), (remove_now, [])])
def test_what_another_command_is_starting_is_ended_when_it_runs(world, monkeypatch, end, states):
    """And never left behind, running in a folder that is no longer there."""
    state = f"{world.project.parent}/state/shipway"
    monkeypatch.setenv("XDG_STATE_HOME", os.path.dirname(state))
    for name in ("early-1", "early-2", "early-3"):
        world.names.append(name)
        words = world.words("run", "--name", name, "--image", IMAGE, "-d", "--", "sleep", "1000")
        starter = subprocess.Popen(words, env=world.environ, stdout=subprocess.DEVNULL)
        wait_until(lambda: find_named(state, name))  # noqa: B023 - called at once
        told = []
        end(client.find_container(state, name), told.append)
        assert starter.wait(20) == 0
        assert "is being started by another command" in told[0].text
        listed = json.loads(world.call("ps", "-a", "--json").stdout)["containers"]
        assert [one["state"] for one in listed if one["name"] == name] == states
        wait_until(lambda: not processes(world))


def test_one_that_many_start_again_at_once_runs_once(world):
    world.background("again", "sleep", "1000")
    world.call("stop", "again")
    told = at_once(world, "start", "again")
    assert [code for code, _, _ in told].count(0) == 1, told
    assert world.call("exec", "again", "true").returncode == 0
    assert world.state("again") == "running"
