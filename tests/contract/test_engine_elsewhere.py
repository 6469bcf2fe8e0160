"""Engines that are reached by other ways than their usual socket: hosts, contexts and connections, by TCP, ssh and from apart."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from engine_world import World, make_archive, make_root
from service_ways import forwarded, secure_shell

from private_engines import call_engine, private_docker, private_podman, wait_until
from shipway.core.errors import ExitCode

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.needs_tool("docker", "dockerd", "podman", "runc", "ssh", "sshd", "unshare"),
]
UNREACHED = "does not reach this machine's loopback, so the image is loaded"


@pytest.fixture(scope="module")
def root_tree():
    with tempfile.TemporaryDirectory(prefix="shipway-contract-", dir="/var/tmp") as place:
        os.chmod(place, 0o755)
        make_root(Path(place) / "tree")
        make_archive(Path(place) / "tree")
        yield Path(place) / "tree"


@pytest.fixture(scope="module")
def docker():
    with private_docker() as settings:
        yield settings


@pytest.fixture
def world(root_tree):
    """Makes worlds of this test."""
    made = []

    def make(engine, settings):
        made.append(World(root_tree, engine, engine, 0, settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def socket_of(settings):
    return settings["DOCKER_HOST"].removeprefix("unix://")


def works(world):
    """One container to its end, with what crosses: streams, exit code, the project's files and their owner."""
    (world.project / "in").write_text("given\n")
    done = world.run("bash", "-c", "cat; cat in; echo made > out; exit 7", stdin="typed\n")
    assert (done.returncode, done.stdout) == (7, "typed\ngiven\n"), done.stderr
    assert (world.project / "out").read_text() == "made\n"
    return [text for text in world.events if "loaded" in text]


def context(settings, tmp_path, place):
    """The variables of somebody whose Docker context `there` means `place`."""
    config = {"DOCKER_CONFIG": str(tmp_path / "config")}
    call_engine("docker", config, "context", "create", "there", "--docker", f"host={place}")
    return config


def test_a_host_by_tcp(docker, world):
    with forwarded(socket_of(docker)) as address:
        assert works(world("docker", {**docker, "DOCKER_HOST": f"tcp://{address}"})) == []


@pytest.mark.parametrize("way", ["variable", "use"])
def test_a_context_on_this_machine(docker, world, tmp_path, way):
    settings = context(docker, tmp_path, docker["DOCKER_HOST"])
    if way == "use":
        call_engine("docker", settings, "context", "use", "there")
    else:
        settings["DOCKER_CONTEXT"] = "there"
    assert works(world("docker", settings)) == []


def test_a_context_that_is_not_there(docker, world, tmp_path):
    settings = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "nowhere"}
    done = world("docker", settings).run("true")
    assert done.returncode == ExitCode.ENGINE
    assert "Docker knows no context `nowhere`" in done.stderr


def test_another_machine_by_ssh(docker, world, tmp_path):
    """Docker's program asks `ssh` for `docker system dial-stdio` over there."""
    with secure_shell(tmp_path, {"DOCKER_HOST": docker["DOCKER_HOST"]}) as (port, path):
        settings = context(docker, tmp_path, f"ssh://root@127.0.0.1:{port}")
        assert works(world("docker", {**settings, "DOCKER_CONTEXT": "there", "PATH": path})) == []


def test_a_machine_that_does_not_answer_by_ssh(docker, world, tmp_path):
    with secure_shell(tmp_path, {"DOCKER_HOST": "unix:///nowhere/s"}) as (port, path):
        settings = {"DOCKER_HOST": f"ssh://root@127.0.0.1:{port}", "PATH": path}
        done = world("docker", settings).run("true")
    assert done.returncode == ExitCode.ENGINE
    assert "Docker does not answer" in done.stderr


def test_a_daemon_with_a_network_of_its_own(world):
    """As in a virtual machine: its loopback is not ours, which nothing but trying shows."""
    with private_docker("unshare", "--net") as settings:
        here = world("docker", settings)
        assert works(here) == [f"Docker {UNREACHED}"]
        assert works(here) == [], "the second time it is there"


@pytest.fixture
def service():
    """Podman as a service, and the variables of its storage."""
    with private_podman() as settings:
        place = f"{os.path.dirname(settings['CONTAINERS_CONF'])}/s"
        command = ["podman", "system", "service", "--time=0", f"unix://{place}"]
        running = subprocess.Popen(command, env={**os.environ, **settings})
        wait_until(lambda: os.path.exists(place))
        yield settings, place, running
        running.terminate()
        running.wait(20)


def test_podman_as_a_service(service, world):
    settings, place, _ = service
    assert works(world("podman", {**settings, "CONTAINER_HOST": f"unix://{place}"})) == []


def test_podman_by_tcp_loads(service, world):
    settings, place, _ = service
    with forwarded(place) as address:
        there = world("podman", {**settings, "CONTAINER_HOST": f"tcp://{address}"})
        assert works(there) == []


def test_a_connection_of_podman(service, world, monkeypatch):
    settings, place, _ = service
    call_engine("podman", settings, "system", "connection", "add", "there", f"unix://{place}")
    assert works(world("podman", {**settings, "CONTAINER_CONNECTION": "there"})) == []


def test_a_podman_service_that_ends_while_a_container_runs(service, world):
    settings, place, running = service
    there = world("podman", {**settings, "CONTAINER_HOST": f"unix://{place}"})
    container = there.start("bash", "-c", "echo ready; while [ ! -e go ]; do sleep 0.05; done")
    assert container.stdout.readline() == "ready\n"
    running.kill()
    _, talk = container.communicate(timeout=60)
    assert container.returncode == ExitCode.ENGINE
    assert "Podman went away while the container ran" in talk
    (there.project / "go").touch()
    wait_until(lambda: not call_engine("podman", settings, "ps", "--quiet"))
