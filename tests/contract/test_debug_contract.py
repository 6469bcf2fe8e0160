"""Tools beside a container that Docker runs: they see its processes, join them, and leave it as it is.

Our own engine's are in `test_tools_contract.py`.
"""

import pytest
from life_world import LifeWorld, Terminal, store_image

from private_engines import PRIVATE

pytestmark = [pytest.mark.needs_network, pytest.mark.needs_root, pytest.mark.needs_tool("docker", "dockerd")]


@pytest.fixture
def world(tmp_path):
    store = str(tmp_path / "store")
    store_image(tmp_path / "layout", store)
    with PRIVATE["docker"]() as settings:
        made = LifeWorld(tmp_path, "docker", store, settings)
        yield made
        made.close()


def test_tools_join_the_processes_of_a_container(world):
    world.background("far", "sh", "-c", "trap 'exit 0' TERM; sleep 999 & wait")
    pid = world.call("debug", "far", "pgrep", "-n", "sleep").stdout.strip()
    assert pid.isdecimal(), pid
    traced = world.call("debug", "far", "--", "timeout", "-s", "INT", "1", "strace", "-p", pid, code=None)
    assert f"Process {pid} attached" in traced.stderr
    stack = world.call("debug", "far", "gdb", "-batch", "-p", pid, "-ex", "info sharedlibrary").stdout
    assert f"/proc/{pid}/root/" in stack
    _check_screen(world)
    assert world.state("far") == "running"
    world.call("debug", "far", "sh", "-c", "exit 9", code=9)
    world.call("stop", "far")
    assert "does not run" in world.call("debug", "far", "ps", code=None).stderr


def _check_screen(world):
    terminal = Terminal(world.words("debug", "far", "htop"), world.environ)
    terminal.expect(b"sleep 999", 60)
    terminal.type(b"q")
    assert terminal.end() == 0
