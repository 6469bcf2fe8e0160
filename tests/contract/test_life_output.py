"""What a command wrote last reaches whoever it was started for, however slowly that is read."""

import subprocess

import pytest
from life_world import IMAGE

from private_engines import wait_until

pytestmark = pytest.mark.needs_userns
MUCH = 1_800_000
"""More than sockets and the caller's pipe hold, and less than makes the command wait."""


@pytest.fixture
def world(native):
    return native


def test_the_end_of_an_output_is_not_lost_on_a_slow_reader(world):
    world.names.append("slow")
    words = world.words(
        "run", "--name", "slow", "--image", IMAGE, "--", "sh", "-c", f"head -c {MUCH} /dev/zero; exit 3"
    )
    with subprocess.Popen(words, env=world.environ, stdout=subprocess.PIPE) as process:
        world.await_state("slow", "exited")
        assert len(process.stdout.read()) == MUCH
    assert process.returncode == 3
    assert len(world.call("logs", "slow").stdout) == MUCH


def test_a_reader_that_joined_and_reads_no_more_does_not_hold_the_container(world):
    """It gets what it takes within seconds."""
    world.background("joined", "sh", "-c", f"read x; head -c {MUCH} /dev/zero", options=("-i",))
    with subprocess.Popen(
        world.words("attach", "joined"), env=world.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        reader.stdin.write(b"go\n")
        reader.stdin.flush()
        world.await_state("joined", "exited")
        wait_until(lambda: world.call("start", "joined", code=None).returncode == 0)
        reader.kill()
    assert len(world.call("logs", "joined").stdout) >= MUCH
