"""What several suites about containers that live on begin with."""

import pytest
from life_world import LifeWorld, store_image


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
