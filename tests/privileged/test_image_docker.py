"""Images to Docker and back, by files: the floor is Debian's 20.10 with its classic store."""

import functools
import sys
from pathlib import Path

import pytest

from private_engines import call_engine, private_docker
from shipway.core.events import silent
from shipway.core.reference import parse_reference
from shipway.image.encode import Encoding
from shipway.image.load import load_images
from shipway.image.save import pack_image, save_docker
from shipway.store.store import Store
from shipway.verbs.context import host_platform

sys.path.append(str(Path(__file__).parents[1] / "unit" / "image"))
from image_samples import own_image

pytestmark = [pytest.mark.needs_docker, pytest.mark.slow]


@pytest.fixture
def docker():
    """Docker's CLI, talking to a daemon of this test."""
    with private_docker() as settings:
        yield functools.partial(call_engine, "docker", settings)


def test_docker_loads_our_image_under_its_digest_and_saves_it_again(docker, tmp_path):
    store = Store.open()
    image = own_image(store, big=100_000)
    packed = pack_image(store, image, Encoding.NONE, silent, oci=True)
    save_docker(f"{tmp_path}/ours.tar", parse_reference("team/model:1"), packed)
    docker("load", "-i", f"{tmp_path}/ours.tar")
    assert docker("image", "inspect", "--format", "{{.Id}}", "team/model:1") == image.config_digest
    docker("save", "-o", f"{tmp_path}/theirs.tar", "team/model:1")
    other = Store.open(str(tmp_path / "other"))
    [loaded] = load_images(other, f"{tmp_path}/theirs.tar", platform=host_platform(), emit=silent)
    assert loaded.names == ("team/model:1",)
    assert loaded.image.config_digest == image.config_digest
    assert [one.diff_id for one in loaded.image.layers] == [one.diff_id for one in image.layers]
