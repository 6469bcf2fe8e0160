import os
from dataclasses import replace

import pytest
from image_samples import add_tree, layer, own_image, tree_key, write_layout

from shipway.core.errors import StoreError
from shipway.core.events import silent
from shipway.image.load import load_images
from shipway.image.names import find_name, list_names, put_name, remove_name
from shipway.store.store import Store

DAY = 86400.0


class Clock:
    def __init__(self):
        self.moment = 1_800_000_000.0

    def __call__(self):
        return self.moment


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    return Store.open(str(tmp_path / "store"), now=clock)


def collect(store, clock):
    clock.moment += DAY * 400
    return store.collect()


def test_a_name_keeps_an_image_through_collection_until_it_is_removed(store, clock):
    image = own_image(store)
    put_name(store, "team/model:1", image)
    put_name(store, "team/model:2", image)
    collect(store, clock)
    assert store.find_tree(tree_key(1))
    assert remove_name(store, "team/model:1")
    collect(store, clock)
    assert store.find_tree(tree_key(1))
    assert find_name(store, "team/model:1") is None
    assert remove_name(store, "team/model:2")
    assert not remove_name(store, "team/model:2")
    collect(store, clock)
    assert store.find_tree(tree_key(1)) is None
    assert os.listdir(f"{store.path}/images-v1") == []
    assert store.pins() == []


def test_blobs_of_others_are_kept_too(store, clock, tmp_path):
    write_layout(tmp_path / "in", layer(("a", b"a")))
    [loaded] = load_images(store, str(tmp_path / "in"), platform="linux/amd64", emit=silent)
    put_name(store, "x:1", loaded.image)
    collect(store, clock)
    assert store.find_blob(loaded.image.layers[0].blob)
    remove_name(store, "x:1")
    collect(store, clock)
    assert store.find_blob(loaded.image.layers[0].blob) is None


def test_a_name_that_moves_frees_what_it_meant(store, clock):
    image = own_image(store)
    other = add_tree(store, 9, {"other": b"9"})
    moved = replace(
        image, layers=(replace(image.layers[0], trees=(other.key,)), image.layers[1]), manifest=b"{}"
    )
    put_name(store, "x:1", image)
    put_name(store, "x:1", moved)
    assert find_name(store, "x:1") == moved
    assert len(store.pins()) == 1
    collect(store, clock)
    assert store.find_tree(tree_key(9))
    assert store.find_tree(tree_key(1)) is None


def test_at_every_crash_what_the_record_names_is_pinned(store, monkeypatch):
    from shipway.host import files

    image = own_image(store)
    other = replace(image, manifest=b"{}", layers=image.layers[1:])
    put_name(store, "x:1", image)

    class Crash(BaseException):
        pass

    steps = []
    monkeypatch.setattr(files, "step", steps.append)
    put_name(store, "y:1", other)
    for number in range(len(steps)):
        put_name(store, "x:1", image)
        left = [number]

        def step(name, left=left):
            if left[0] == 0:
                raise Crash(name)
            left[0] -= 1

        monkeypatch.setattr(files, "step", step)
        with pytest.raises(Crash):
            put_name(store, "x:1", other)
        monkeypatch.setattr(files, "step", lambda name: None)
        found = find_name(store, "x:1")
        pinned = {key for pin in store.pins() if pin.target == found.digest for key in pin.keys}
        assert {key for one in found.layers for key in one.trees} <= pinned


def test_names_are_listed_in_order_and_kept_whole(store):
    image = own_image(store)
    for name in ("b:1", "a:2", "a:1"):
        put_name(store, name, image)
    assert [one.name for one in list_names(store)] == ["a:1", "a:2", "b:1"]
    assert all(one.image == image for one in list_names(store))


def test_no_image_was_ever_named(store):
    assert list_names(store) == []
    assert find_name(store, "a:1") is None


def test_a_damaged_record_is_told(store):
    put_name(store, "a:1", own_image(store))
    [folder] = os.listdir(f"{store.path}/images-v1")
    with open(f"{store.path}/images-v1/{folder}/record", "r+b") as file:
        file.write(b"xxxxx")
    with pytest.raises(StoreError, match="cannot be read"):
        find_name(store, "a:1")
