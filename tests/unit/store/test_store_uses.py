"""Uses keep trees; marks of readiness are fast and never outlive what they speak of; pins; facts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from store_samples import age, fill, key, leftovers

from shipway.core.digest import LockDigest
from shipway.core.errors import StoreError
from shipway.host import files
from shipway.host.lock import FileLock
from shipway.store import Store
from shipway.store.store import Store as StoreClass

LOCK = LockDigest("sha256:" + "0" * 64)
MANY = range(12)


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"))


def keys(numbers):
    return [key(number) for number in numbers]


def test_a_use_gives_trees_in_order_and_says_what_is_missing(store):
    fill(store, *MANY)
    with store.use([key(3), key(99), key(1)]) as use:
        assert [tree.key for tree in use.trees] == [key(3), key(1)]
        assert use.missing == (key(99),)
        assert len(use.fds) == 1
    assert use.fds == ()


def test_what_is_used_stays_and_what_is_not_goes(store):
    fill(store, 1, 2)
    age(store, 10_000)
    with store.use([key(1)]):
        done = store.collect(grace=0)
        assert [item.reason for item in done.kept] == ["in use now"]
        assert [item.reason for item in done.items] == ["nobody needs it"]
    assert store.find_tree(key(1))
    assert store.find_tree(key(2)) is None
    store.collect(grace=0)
    assert store.find_tree(key(1)) is None
    assert os.listdir(f"{store.path}/uses-v1") == []


def test_a_use_lives_on_in_a_program_that_inherits_it(store):
    fill(store, 1)
    use = store.use([key(1)])
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=use.fds)
    use.close()
    store.collect(grace=0)
    assert store.find_tree(key(1))
    child.stdin.close()
    child.wait()
    store.collect(grace=0)
    assert store.find_tree(key(1)) is None


def test_a_killed_user_leaves_no_use(store):
    fill(store, 1)
    script = (
        "import sys, os; from shipway.store import Store; from shipway.core.digest import TreeKey;"
        "use = Store.open(sys.argv[1]).use([TreeKey(sys.argv[2])]); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, store.path, key(1)], check=False)
    assert len(os.listdir(f"{store.path}/uses-v1")) == 1
    store.collect(grace=0)
    assert store.find_tree(key(1)) is None


def test_many_trees_are_found_by_one_mark(store, monkeypatch):
    fill(store, *MANY)
    store.use(keys(MANY)).close()
    asked = []
    monkeypatch.setattr(StoreClass, "find_tree", lambda _self, wanted: asked.append(wanted))
    with store.use(keys(MANY)) as use:
        assert [tree.key for tree in use.trees] == keys(MANY)
        assert all(os.path.isdir(tree.root) for tree in use.trees)
        assert use.trees[4].inputs()["number"] == 4
    assert asked == []


def test_a_mark_ends_with_the_first_collection(store):
    fill(store, *MANY)
    store.use(keys(MANY)).close()
    with store.use([key(0)]):
        assert len(store.collect(grace=0).items) == len(MANY) - 1
    with store.use(keys(MANY)) as use:
        assert use.missing == tuple(keys(MANY)[1:])


@pytest.mark.parametrize("damage", ["torn", "changed", "foreign"])
def test_a_damaged_mark_is_no_mark(store, damage):
    fill(store, *MANY)
    store.use(keys(MANY)).close()
    (mark,) = os.listdir(f"{store.path}/facts-v1/ready.marks")
    path = f"{store.path}/facts-v1/ready.marks/{mark}"
    with open(path, "rb") as file:
        text = file.read()
    changed = {"torn": text[:-20], "changed": text.replace(b"\n0 ", b"\n1 ", 1), "foreign": b"\0" * len(text)}
    with open(path, "wb") as file:
        file.write(changed[damage])
    with store.use(keys(MANY)) as use:
        assert len(use.trees) == len(MANY)
        assert not use.missing


def test_a_lost_generation_makes_marks_void_not_true(store):
    fill(store, *MANY)
    store.use(keys(MANY)).close()
    os.unlink(f"{store.path}/generation")
    with store.use(keys(MANY)) as use:
        assert len(use.trees) == len(MANY)
    files.remove_tree(store.find_tree(key(3)).path)
    with store.use(keys(MANY)) as use:
        assert use.missing == (key(3),)


def test_use_waits_for_a_collection_and_says_for_whom(store, monkeypatch):
    fill(store, 1)
    monkeypatch.setenv("SHIPWAY_LOCK_TIMEOUT", "0")
    with FileLock(f"{store.path}/locks/store"), pytest.raises(StoreError, match=f"process {os.getpid()}"):
        store.use([key(1)])


def test_a_torn_use_file_is_written_again(store):
    fill(store, 1)
    store.use([key(1)]).close()
    (name,) = os.listdir(f"{store.path}/uses-v1")
    with open(f"{store.path}/uses-v1/{name}", "wb"):
        pass
    with store.use([key(1)]):
        store.collect(grace=0)
    assert store.find_tree(key(1))


def test_pins_keep_what_a_project_needs_while_its_folder_is_there(store, tmp_path):
    fill(store, 1, 2, 3)
    project = tmp_path / "project"
    project.mkdir()
    store.pin(str(project), [key(1)], LOCK, target="cpu")
    store.pin(str(project), [key(2)], LOCK, target="gpu")
    assert [(pin.target, pin.keys, pin.lock, pin.alive) for pin in store.pins()] == [
        ("cpu", (key(1),), LOCK, True),
        ("gpu", (key(2),), LOCK, True),
    ]
    age(store, 10_000)
    done = store.collect(grace=0)
    assert {item.reason for item in done.kept} == {f"needed by `{project}`"}
    assert [bool(store.find_tree(key(number))) for number in (1, 2, 3)] == [True, True, False]
    store.pin(str(project), [key(2)], LOCK, target="cpu")
    store.collect(grace=0)
    assert store.find_tree(key(1)) is None
    project.rmdir()
    assert not store.pins()[0].alive
    store.collect(grace=0)
    assert store.find_tree(key(2)) is None


def test_a_dead_pin_still_counts_as_a_use_in_its_time(store, tmp_path):
    fill(store, 1)
    age(store, 10_000)
    project = tmp_path / "project"
    project.mkdir()
    store.pin(str(project), [key(1)], LOCK)
    project.rmdir()
    assert not store.collect(older_than=5_000, grace=0).items
    age(store, 6_000, "pins-v1")
    assert store.collect(older_than=5_000, grace=0).items


def test_unpin_and_odd_names(store, tmp_path):
    project = tmp_path / os.fsdecode(b"pro\xffject")
    project.mkdir()
    store.pin(str(project), [key(1)], LOCK)
    store.pin(str(project), [key(1)], LOCK)
    assert [pin.project for pin in store.pins()] == [str(project)]
    assert store.pins()[0].alive
    assert store.unpin(str(tmp_path)) == 0
    assert store.unpin(str(project)) == 1
    assert store.pins() == []


def test_a_damaged_pin_is_said(tmp_path):
    said = []
    store = Store.open(str(tmp_path / "store"), emit=said.append)
    store.pin(str(tmp_path), [key(1)], LOCK)
    (name,) = os.listdir(f"{store.path}/pins-v1")
    with open(f"{store.path}/pins-v1/{name}", "w") as file:
        file.write('{"project": 3}')
    store.collect()
    assert [event.level for event in said if hasattr(event, "level")] == ["warning"]
    assert name in said[0].text


def test_facts_come_back_or_not_at_all(store):
    assert store.record("diffid", "k") is None
    store.put_record("diffid", "k", {"a": [1, "x"]})
    store.put_record("diffid", "other\udcff/../k", {"b": 2})
    assert store.record("diffid", "k") == {"a": [1, "x"]}
    assert store.record("diffid", "other\udcff/../k") == {"b": 2}
    assert store.record("location", "k") is None
    store.put_record("diffid", "k", {"a": 2})
    assert store.record("diffid", "k") == {"a": 2}
    for folder, _, names in os.walk(f"{store.path}/facts-v1"):
        for name in names:
            with open(os.path.join(folder, name), "r+b") as file:
                file.truncate(70)
    assert store.record("diffid", "k") is None
    assert leftovers(store) == []


@pytest.mark.parametrize("kind", ["", "../x", "Upper", "ready.marks", "a/b", "x" * 50, "ä"])
def test_a_kind_of_fact_is_a_word(store, kind):
    with pytest.raises(ValueError, match="not a kind of fact"):
        store.put_record(kind, "k", {})
    with store.transaction() as tx, pytest.raises(ValueError, match="not a kind of fact"):
        tx.put_record(kind, "k", {})
