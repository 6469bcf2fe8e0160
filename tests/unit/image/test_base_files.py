"""Looking into stacked trees: layers, links, and that nothing leads out."""

import os

import pytest
from base_samples import files
from image_samples import add_tree

from shipway.core.errors import HostileInput, StoreError
from shipway.core.manifest import Entry, Manifest
from shipway.image.base_files import BaseFiles, files_of_trees
from shipway.image.foreign import visible, visible_places
from shipway.store.store import Store

SAMPLE = {
    "/usr/lib/a": "text",
    "/lib": "-> usr/lib",
    "/deep/up": "-> ../../../../usr/lib",
    "/abs": "-> /usr/lib/a",
    "/loop": "-> other",
    "/other": "-> loop",
    "/broken": "-> nowhere/at/all",
    "/through": "-> usr/lib/a/b",
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/usr/lib/a", "usr/lib/a"), ("usr/lib/a", "usr/lib/a"), ("/lib/a", "usr/lib/a"), ("//lib//./a", "usr/lib/a"), ("/", ""),
        ("/deep/up/a", "usr/lib/a"), ("/abs", "usr/lib/a"), ("/../../../usr/lib/a", "usr/lib/a"), ("/lib/../lib/a", "usr/lib/a"),
        ("/loop", None), ("/broken", None), ("/through", None), ("/usr/lib/a/..", None), ("/usr/lib/a/b", None), ("/none", None),
    ],
)  # fmt: skip
def test_links_are_followed_inside(path, found):
    assert files(SAMPLE).find(path) == found


def test_names_and_texts():
    held = files(SAMPLE)
    assert held.names("/lib") == ("a",)
    assert held.names("/") == ("abs", "broken", "deep", "lib", "loop", "other", "through", "usr")
    assert held.names("/usr/lib/a") == held.names("/none") == ()
    assert held.text("/abs") == held.opening("/abs") == "text"
    assert held.text("/lib") == held.text("/none") == ""
    assert held.head("/abs", 2) == b"te"


def test_a_long_chain_of_links_ends():
    chain = {f"/l{n}": f"-> l{n + 1}" for n in range(39)} | {"/l39": "text"}
    assert files(chain).find("/l0") == "l39"
    assert files({f"/l{n}": f"-> l{n + 1}" for n in range(41)} | {"/l41": "text"}).find("/l0") is None


def test_a_text_that_fills_the_memory_is_refused():
    read = files({"/a": "x"})
    endless = BaseFiles(read._places, lambda _place, size: b"x" * size)
    with pytest.raises(HostileInput, match=r"`/a` of the image has more than 3[0-9.]+ M"):
        endless.text("/a")
    assert len(endless.opening("/a")) == 1 << 16


def test_files_come_from_the_topmost_tree(tmp_path):
    store = Store.open(str(tmp_path / "store"))
    trees = [
        add_tree(store, 1, {"etc/a": b"low", "etc/only": b"kept"}),
        add_tree(store, 2, {"etc/a": b"high"}),
    ]
    held = files_of_trees(trees)
    assert (held.text("/etc/a"), held.text("/etc/only")) == ("high", "kept")
    assert held.names("/etc") == ("a", "only")
    assert held.find("/link") is None
    os.unlink(f"{trees[1].root}/etc/a")
    with pytest.raises(StoreError, match="read `etc/a` of the image"):
        held.text("/etc/a")


def test_a_link_that_was_put_into_the_store_is_not_followed(tmp_path):
    """The store was changed behind our back: the manifest says a file, the disk has a link out of it."""
    secret = tmp_path / "secret"
    secret.write_text("host")
    tree = add_tree(Store.open(str(tmp_path / "store")), 1, {"etc/a": b"text"})
    os.unlink(f"{tree.root}/etc/a")
    os.symlink(secret, f"{tree.root}/etc/a")
    with pytest.raises(StoreError, match="read `etc/a` of the image"):
        files_of_trees([tree]).text("/etc/a")


def test_places_say_the_tree():
    low = Manifest(
        [Entry("a", "f", 0o644), Entry("b", "f", 0o644), Entry("d", "d", 0o755), Entry("d/x", "f", 0o644)]
    )
    high = Manifest([Entry("a", "f", 0o600), Entry("b", "w", 0), Entry("d", "l", 0o777, target="a")])
    found = visible_places([low, high])
    assert {path: place.tree for path, place in found.items()} == {"a": 1, "d": 1}
    assert visible([low, high]) == {path: place.entry for path, place in found.items()}
