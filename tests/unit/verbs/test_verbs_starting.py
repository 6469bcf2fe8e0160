"""What is said of a container that `up` finds."""

from shipway.run.model import Invocation, Limits, Network
from shipway.verbs.starting import find_other_options

MADE = Invocation(argv=("sleep", "1"), network=Network.NONE, env=(("A", "1"),), limits=Limits(memory=1 << 30))


def test_what_is_not_typed_is_as_it_is():
    assert find_other_options(MADE, Invocation(argv=("true",), tty=True)) == ()
    assert find_other_options(MADE, MADE) == ()


def test_what_is_typed_and_not_so_is_named():
    asked = Invocation(network=Network.HOST, env=(("A", "2"),), limits=MADE.limits, shm_size=1)
    assert find_other_options(MADE, asked) == ("env", "network", "shm size")
