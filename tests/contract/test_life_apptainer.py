"""Containers that live on in Apptainer: a plain user's, and whatever of theirs is killed. The rest is the contract's (`test_life_contract.py`)."""

import json
import os
import pwd
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from apptainer_world import private_apptainer
from life_world import IMAGE, LifeWorld
from test_life_killed import all_gone, below

from private_engines import wait_until

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.needs_network,
    pytest.mark.needs_tool("apt-get", "patchelf"),
]
ROOT, NOBODY = 0, pwd.getpwnam("nobody").pw_uid
STAYS = ("sh", "-c", "trap 'exit 7' TERM; while true; do sleep 0.05; done")


class UserWorld(LifeWorld):
    """The same for another user, whom the host knows, as Apptainer wants it."""

    def __init__(self, folder, store, settings, uid):
        super().__init__(folder, "apptainer", store, settings)
        self.uid = uid

    def words(self, verb, *words):
        if self.uid == ROOT:
            return super().words(verb, *words)
        driver = str(Path(__file__).parent / "life_driver.py")
        return [sys.executable, driver, str(self.uid), "-C", str(self.project), verb, *words]


@pytest.fixture(scope="module")
def apptainer(tmp_path_factory):
    base = tmp_path_factory.getbasetemp()
    with private_apptainer(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) as settings:
        yield settings


@pytest.fixture(params=[ROOT, NOBODY], ids=["root", "user"])
def world(request, life_store, apptainer):
    # Not below pytest's own folder, which other users cannot enter.
    with tempfile.TemporaryDirectory(prefix="shipway-life-", dir="/var/tmp") as place:
        store = shutil.copytree(life_store, f"{place}/store", symlinks=True)
        homes = {"HOME": place, "XDG_STATE_HOME": f"{place}/state", "XDG_RUNTIME_DIR": ""}
        made = UserWorld(Path(place), store, {**apptainer, **homes}, request.param)
        for path in (Path(place), *Path(place).rglob("*")):
            os.chown(path, request.param, request.param, follow_symlinks=False)
        yield made
        made.close()


def status(world):
    """Of the only container, as its files say."""
    (file,) = Path(world.environ["XDG_STATE_HOME"]).glob("shipway/containers/*/state.json")
    return json.loads(file.read_text())


def family(world):
    """The supervisor, and all that is below it."""
    pid = status(world)["pid"]
    return [pid, *below(pid)]


def find(pids, beginning):
    """The one whose command line begins so."""
    return next(one for one in pids if Path(f"/proc/{one}/cmdline").read_bytes().startswith(beginning))


def test_a_day(world):
    """What is written stays, also when the container is killed with its supervisor and what keeps the log."""
    world.background("day", *STAYS)
    script = "id -u; echo $APPTAINER_CONTAINER; echo kept >/tmp/here; echo mine >/opt/new; touch /work/mine; rm /opt/tool"
    uid, root = world.call("exec", "day", "sh", "-c", script).stdout.splitlines()
    assert (uid, root.startswith(world.environ["XDG_STATE_HOME"])) == (str(world.uid), True)
    assert (world.project / "mine").stat().st_uid == world.uid
    at_what_holds_it = "kill -9 1; kill -STOP 1; cat /proc/1/environ; cat /tmp/here"
    assert world.call("exec", "day", "sh", "-c", at_what_holds_it).stdout == "kept\n"

    killed = family(world)
    command = find(killed, b"sh\0-c\0trap")
    for pid in (find(killed, b"shipway: day: log"), killed[0]):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all_gone([command]))
    one = world.listed("day")
    assert (one["state"], one["code"]) == ("exited", 137)

    world.call("start", "day")
    assert world.call("exec", "day", "cat", "/tmp/here", "/opt/new").stdout == "kept\nmine\n"
    differs = json.loads(world.call("diff", "day", "--json").stdout)["files"]
    assert {(one["path"], one["what"]) for one in differs} == {
        ("/opt/new", "added"),
        ("/opt/tool", "removed"),
    }
    world.call("stop", "day")
    assert status(world)["code"] == 7
    assert os.listdir(Path(one["folder"]) / "run") == []


@pytest.mark.parametrize("world", [ROOT], indirect=True)
def test_whatever_of_a_container_is_killed(world):
    """Apptainer's own process, what waits in its place, and the two of ours between the supervisor and the command."""
    world.background("victim", *STAYS)
    for kind in ("apptainer", "waiting", "outside", "first"):
        killed = family(world)
        command = find(killed, b"sh\0-c\0trap")
        first = _parent(command)
        waiting = find(killed, b"/run/.shipway-")
        victims = {
            "apptainer": _parent(waiting),
            "waiting": waiting,
            "outside": _parent(first),
            "first": first,
        }
        os.kill(victims[kind], signal.SIGKILL)
        world.await_state("victim", "exited")
        assert status(world)["code"] == 137, kind
        wait_until(lambda pid=command: all_gone([pid]))
        world.call("start", "victim")
    assert world.call("exec", "victim", "true").returncode == 0


def _parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("world", [ROOT], indirect=True)
def test_what_apptainer_cannot_do_is_said_and_leaves_nothing(world):
    refused = world.run("never", "true", options=("-d", "-p", "80"), code=125)
    assert "Apptainer cannot give a container a network of its own" in refused.stderr
    program = Path(world.environ["HOME"]) / "apptainer"
    program.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo 1.4.5 && exit\necho "FATAL: no luck" >&2\nexit 255\n'
    )
    program.chmod(0o755)
    world.environ["PATH"] = f"{program.parent}:{world.environ['PATH']}"
    failed = world.run("never", "true", code=125)
    assert ("Apptainer could not make the container" in failed.stderr, "FATAL: no luck" in failed.stderr) == (
        True, True,
    )  # fmt: skip
    assert world.state("never") == "gone"
    planned = world.call("run", "--dry-run", "--name", "never", "--image", IMAGE, "--", "echo", "so").stdout
    assert ("exec --no-init --containall" in planned, "start echo so in" in planned) == (True, True)
