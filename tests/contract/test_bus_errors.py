"""A data loader's worker that a bus error ends: its parent fails with a code of its own, and the cause and the remedy are named."""

import os
import subprocess
import sys

import pytest
from life_world import IMAGE, LifeWorld, Terminal, store_image

from private_engines import PRIVATE
from shipway.sandbox.deaths import open_watch

ENGINES = (
    pytest.param("native", marks=pytest.mark.needs_userns),
    pytest.param("docker", marks=[pytest.mark.needs_root, pytest.mark.needs_tool("docker", "dockerd")]),
    pytest.param("podman", marks=[pytest.mark.needs_root, pytest.mark.needs_tool("podman", "runc")]),
)
PARENT = "(kill -s BUS $(sh -c 'echo $PPID')); exit 3"
"""A process of it dies by SIGBUS, and nobody but the kernel and its parent sees that."""
LOADER = """
import mmap, os, sys
worker = os.fork()
if worker == 0:
    size = 5 << 20
    file = os.open("/dev/shm/batch", os.O_RDWR | os.O_CREAT)
    os.unlink("/dev/shm/batch")
    os.ftruncate(file, size)
    batch = mmap.mmap(file, size)
    for at in range(0, size, 4096):
        batch[at] = 1
    os._exit(0)
os.waitpid(worker, 0)
sys.exit("RuntimeError: a worker is gone")
"""
PYTORCH = "echo 'RuntimeError: unable to allocate shared memory(shm) for file </torch_8_1>: No space left on device (28)' >&2; exit 1"


def can_watch():
    """Whether the kernel tells of a bus error here."""
    watch = open_watch(lambda _: True)
    if watch is None:
        return False
    subprocess.run(["sh", "-c", "kill -s BUS $$"], check=False)
    watch.read()
    told = watch.count() > 0
    watch.close()
    return told


pytestmark = pytest.mark.skipif(
    not can_watch(), reason="the kernel tells of ended processes since Linux 6.6, and not in a container"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bus")
    store_image(folder / "layout", str(folder / "store"), ("python3",))
    return str(folder / "store")


@pytest.fixture(scope="module", params=ENGINES)
def service(request):
    if request.param == "native":
        yield request.param, {}
        return
    with PRIVATE[request.param]() as settings:
        yield request.param, settings


@pytest.fixture
def world(service, store, tmp_path):
    made = LifeWorld(tmp_path, service[0], store, service[1])
    yield made
    made.close()


def test_a_worker_of_a_container_that_is_thrown_away(world):
    done = world.call("run", "--image", IMAGE, "--shm-size", "16m", "--", "sh", "-c", PARENT, code=3)
    assert "ended a process of the command" in done.stderr
    assert "`/dev/shm` holds 16.0 MiB here" in done.stderr
    assert "--shm-size 8g" in done.stderr
    assert "num_workers=0" in done.stderr
    # Whoever got on with it needs no advice, and whoever failed for another reason no wrong one.
    done = world.call("run", "--image", IMAGE, "--", "sh", "-c", PARENT.replace("exit 3", "exit 0"))
    assert "bus error" not in done.stderr
    done = world.call("run", "--image", IMAGE, "--", "sh", "-c", "sh -c 'kill -s SEGV $$'; exit 3", code=3)
    assert "bus error" not in done.stderr


def test_a_worker_of_one_that_stays_and_of_a_command_in_it(world):
    done = world.run("front", "sh", "-c", PARENT, code=3)
    assert "ended a process of the command" in done.stderr
    assert "bus error" in world.listed("front")["reason"]

    world.background(
        "job",
        "sh",
        "-c",
        "until test -e /tmp/go; do sleep 0.05; done; " + PARENT,
        options=("--shm-size", "32m"),
    )
    done = world.call("exec", "job", "sh", "-c", PARENT, code=3)
    assert "ended a process of the command" in done.stderr
    done = world.call("exec", "job", "test", "-e", "/nothing", code=1)
    assert "bus error" not in done.stderr
    done = world.call("exec", "job", "touch", "/tmp/go", code=None)  # it may end with the container
    assert "bus error" not in done.stderr
    done = world.call("wait", "job", code=3)
    assert "`job`: a bus error (SIGBUS) ended a process of the command" in done.stderr
    assert "`/dev/shm` holds 32.0 MiB here" in world.call("ps", "-a").stdout
    assert "bus error" in world.call("inspect", "job").stdout


def test_what_pytorch_says_is_read_in_the_log(world):
    world.background("said", "sh", "-c", PYTORCH)
    done = world.call("wait", "said", code=1)
    assert "`said`: the command says that it ran out of shared memory" in done.stderr
    # The words of an earlier run are not those of the next.
    once = f"test -e /tmp/again && exit 1; echo >/tmp/again; {PYTORCH}"
    world.background("twice", "sh", "-c", once)
    world.call("wait", "twice", code=1)
    world.call("start", "twice")
    done = world.call("wait", "twice", code=1)
    assert not done.stderr


@pytest.mark.needs_userns
def test_real_files_in_memory_and_what_a_terminal_shows(store, tmp_path):
    world = LifeWorld(tmp_path, "native", store, {})
    (world.project / "loader.py").write_text(LOADER)
    library = f"/usr/lib/python3.{sys.version_info.minor}"
    words = (
        "-v",
        f"{library}:{library}:ro",
        "--shm-size",
        "4m",
        "--image",
        IMAGE,
        "--",
        "python3",
        "-I",
        "-S",
        "/work/loader.py",
    )
    done = world.call("run", *words, code=1)
    assert "a worker is gone" in done.stderr
    assert "ended a process of the command" in done.stderr
    terminal = Terminal(world.words("run", "-t", "--image", IMAGE, "--", "sh", "-c", PYTORCH), world.environ)
    terminal.expect(b"ran out of shared memory")
    assert terminal.end() == 1
    assert os.path.isdir("/dev/shm")
