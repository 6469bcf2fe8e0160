"""What several suites about containers that live on begin with."""

import contextlib
import os

import pytest
from apptainer_world import private_apptainer
from life_world import LifeWorld, store_image

from private_engines import PRIVATE


@pytest.fixture(scope="module")
def life_store(tmp_path_factory):
    """The path of a store with the image `life_world.IMAGE`."""
    folder = tmp_path_factory.mktemp("life")
    store_image(folder / "layout", str(folder / "store"))
    return str(folder / "store")


@pytest.fixture
def native(life_store, tmp_path):
    """Our own engine, with a state folder of its own, so that all containers are this test's."""
    made = LifeWorld(tmp_path, "native", life_store, {"XDG_STATE_HOME": str(tmp_path / "state")})
    yield made
    made.close()


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """What finds an engine of the module's own, by name: its variables. It is started when it is first asked for."""
    running = {}
    base = tmp_path_factory.getbasetemp()
    session = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    makers = {**PRIVATE, "apptainer": lambda: private_apptainer(session)}
    with contextlib.ExitStack() as entered:

        def get(engine):
            if engine != "native" and engine not in running:
                running[engine] = entered.enter_context(makers[engine]())
            return running.get(engine, {})

        yield get
