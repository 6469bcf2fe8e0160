"""Where a locked wheel is on this host, looked up only as far as needed."""

import pytest

from shipway.core.digest import BlobDigest
from shipway.core.errors import FetchError, NotFound
from shipway.host.http import Fetcher, Limits, NotOffered
from shipway.host.indexes import read_indexes
from shipway.lock.model import Wheel
from shipway.resolve.wheel_locations import WheelLocator
from shipway.testing.file_server import Behaviour
from shipway.testing.package_index import PackageIndex

QUICK = Limits(rounds=1, pause=0.01)


class Memory(dict):
    def record(self, kind, key):
        return self.get((kind, key))

    def put_record(self, kind, key, value):
        self[kind, key] = value


@pytest.fixture
def index():
    with PackageIndex() as running:
        running.add_wheel("lib", "1.0")
        yield running


@pytest.fixture
def make(index, tmp_path):
    def go(memory=None, **more):
        environ = {
            "HOME": str(tmp_path),
            "SHIPWAY_INDEX_DEFAULT": index.simple_url,
            "XDG_CONFIG_HOME": str(tmp_path),
            **more,
        }
        fetcher = Fetcher(environ=environ, limits=QUICK)
        return fetcher, WheelLocator(read_indexes(environ), fetcher, memory)

    return go


def wheel(server, name="lib", version="1.0", alias="default", source=""):
    filename = f"{name}-{version}-py3-none-any.whl"
    page = server.pages.get(f"/files/{filename}")
    body = page.body if page else b""
    return Wheel(
        name=name,
        version=version,
        filename=filename,
        sha256=BlobDigest.of(body),
        size=len(body),
        index=alias,
        source=source,
    )


def fetch(make, artifact, tmp_path, memory=None, **more):
    fetcher, locator = make(memory, **more)
    return fetcher.fetch(locator.locate(artifact), str(tmp_path / "f"), artifact.sha256, artifact.size)


@pytest.mark.parametrize("json_api", [True, False])
def test_found_on_the_page_of_its_project(make, tmp_path, json_api):
    with PackageIndex(json_api=json_api, hashes=False) as other:
        other.add_wheel("lib", "1.0")
        got = fetch(make, wheel(other), tmp_path, SHIPWAY_INDEX_DEFAULT=other.simple_url)
        assert got.url == other.url + "/files/lib-1.0-py3-none-any.whl"


def test_second_time_no_page_is_asked_for(index, make, tmp_path):
    memory = Memory()
    fetch(make, wheel(index), tmp_path, memory)
    fetch(make, wheel(index), tmp_path, memory)
    assert len(index.asked("/simple/lib/")) == 1


def test_remembered_place_that_is_stale(index, make, tmp_path):
    memory = Memory()
    _, locator = make(memory)
    locator.remember(wheel(index), index.url + "/moved/away.whl")
    assert fetch(make, wheel(index), tmp_path, memory).url.endswith("/files/lib-1.0-py3-none-any.whl")


def test_second_address_of_an_alias(index, make, tmp_path):
    with PackageIndex() as empty:
        got = fetch(
            make, wheel(index), tmp_path, SHIPWAY_INDEX_DEFAULT=f"{empty.simple_url} {index.simple_url}"
        )
    assert got.url.startswith(index.url)


def test_index_that_dropped_it_and_another_that_has_the_bytes(index, make, tmp_path):
    artifact = wheel(index)
    with PackageIndex() as other:
        other.add_wheel("lib", "1.0")
        index.remove_file("lib", artifact.filename)
        got = fetch(make, artifact, tmp_path, PIP_EXTRA_INDEX_URL=other.simple_url)
        assert got.url.startswith(other.url)


def test_nowhere(index, make, tmp_path):
    with pytest.raises(NotOffered):
        fetch(make, wheel(index, "gone", "1.0"), tmp_path)


def test_index_that_is_broken_is_not_taken_for_empty(index, make, tmp_path):
    index.order("/simple/lib/", Behaviour.ERROR)
    with pytest.raises(FetchError, match="500") as caught:
        fetch(make, wheel(index), tmp_path)
    assert not isinstance(caught.value, NotOffered)


def test_unknown_alias(index, make):
    with pytest.raises(NotFound, match="corp"):
        list(make()[1].locate(wheel(index, alias="corp")))


def test_built_wheels_have_no_place(index, make):
    assert list(make()[1].locate(wheel(index, alias="", source="sdist:lib=1.0"))) == []


def test_credentials_go_to_the_index_and_not_to_another_host(index, make, tmp_path):
    with PackageIndex(auth=("u", "p")) as private:
        private.add_wheel("lib", "1.0")
        memory = Memory()
        address = private.simple_url.replace("://", "://u:p@")
        for _ in range(2):
            fetch(make, wheel(private), tmp_path, memory, SHIPWAY_INDEX_DEFAULT=address)
    assert "u:p" not in repr(memory)
