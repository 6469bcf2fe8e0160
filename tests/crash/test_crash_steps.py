"""The writer vanishes before each of its steps; then at random moments; then again and again in one store."""

from __future__ import annotations

import os
import random
import signal

import pytest
from crash_work import build, check_recovers, check_sound, collect, damage, in_child, repair, stopped_at

from shipway.host import files

FEWEST_STEPS = 20
"""So that a lost `step` call does not let these tests pass by testing nothing."""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "store")


def before_each_step(tmp_path, work, prepare, check):
    for number in range(10_000):
        path = str(tmp_path / str(number))
        if prepare is not None:
            assert in_child(lambda: prepare(path)) == 0  # noqa: B023
        if not stopped_at(number, lambda: work(path)):  # noqa: B023
            return number
        check(path)
        files.remove_tree(path)
        files.remove_tree(path + ".project")
    pytest.fail("the work never ends")


def sound_then_recovers(path):
    check_sound(path)
    check_recovers(path)


def test_a_build_that_makes_the_store(tmp_path):
    assert before_each_step(tmp_path, build, None, sound_then_recovers) > FEWEST_STEPS


def test_a_collection(tmp_path):
    assert before_each_step(tmp_path, collect, build, sound_then_recovers) > 8


def test_a_repair(tmp_path):
    def prepare(path):
        build(path)
        damage(path)

    def check(path):
        # What was not reached yet is still damaged; a second repair finishes.
        repair(path)
        sound_then_recovers(path)

    assert before_each_step(tmp_path, repair, prepare, check) > FEWEST_STEPS


def test_crash_after_crash_in_one_store(path):
    """Twenty crashes without a recovery between them, then everything is well."""
    choose = random.Random(20261122)
    for _ in range(20):
        stopped_at(choose.randrange(30), lambda: choose.choice([build, collect])(path))
        if os.path.exists(f"{path}/format"):
            check_sound(path)
    check_recovers(path)


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_moments(path, seed):
    """SIGKILL comes some time after a random step, wherever the process is by then."""
    choose = random.Random(seed)
    for _ in range(10):
        reading, writing = os.pipe()

        def work(reading=reading, writing=writing):
            os.close(reading)
            files.on_step = lambda _name: os.write(writing, b"s")
            while True:
                build(path)
                collect(path)

        pid = os.fork()
        if pid == 0:
            try:
                work()
            finally:
                os._exit(1)
        os.close(writing)
        for _ in range(choose.randrange(1, 60)):
            assert os.read(reading, 1) == b"s", "the writer failed by itself"
        os.kill(pid, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        os.close(reading)
        if os.path.exists(f"{path}/format"):
            check_sound(path)
    check_recovers(path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_before_each_step(tmp_path, number):
    def work(path, step):
        left = iter(range(step, -1, -1))

        def stop(_name):
            if next(left, -1) == 0:
                os.kill(os.getpid(), number)

        files.on_step = stop
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            build(path)
        except KeyboardInterrupt:
            os._exit(130)

    for step in range(0, 10_000, 3):
        path = str(tmp_path / str(step))
        code = in_child(lambda: work(path, step))  # noqa: B023
        if code == 0:
            break
        assert code == (130 if number == signal.SIGINT else -signal.SIGTERM)
        check_sound(path)
        check_recovers(path)
    assert step > FEWEST_STEPS
