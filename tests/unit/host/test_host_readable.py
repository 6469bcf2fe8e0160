import os

import pytest

from private_engines import wait_until
from shipway.host.readable import calling_when_readable


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


def test_called_for_each_until_it_says_enough(pipe):
    heard = []

    def hear():
        heard.append(os.read(pipe[0], 1))
        return len(heard) < 2

    with calling_when_readable(pipe[0], hear):
        for _ in range(2):
            os.write(pipe[1], b"x")
        wait_until(lambda: len(heard) == 2)
        os.write(pipe[1], b"y")
    assert heard == [b"x", b"x"]
    assert os.read(pipe[0], 1) == b"y"


def test_not_called_after_the_block(pipe):
    heard = []
    with calling_when_readable(pipe[0], lambda: heard.append(1)):
        pass
    os.write(pipe[1], b"x")
    assert heard == []
    assert os.read(pipe[0], 1) == b"x"
