"""Collection: what goes, what stays and why, in which order, and what it says."""

from __future__ import annotations

import os
import threading

import pytest
from store_samples import add_sample, add_sample_blob, age, fill, key, leftovers

from shipway.core.digest import BlobDigest, LockDigest
from shipway.core.errors import StoreError
from shipway.host import files
from shipway.store import Store, staging
from shipway.store.collect import plan_collection
from shipway.store.inventory import Holding, Inventory

LOCK = LockDigest("sha256:" + "0" * 64)


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"))


def holding(name, *, size=10, used=0.0, needed=(), keys=("k",), kind="tree"):
    return Holding(kind=kind, name=name, size=size, used=used, keys=list(keys), needed=list(needed))


def plan(*holdings, now=1000.0, older_than=None, max_bytes=None, grace=0):
    trees = {one.name: one for one in holdings}
    inventory = Inventory(trees=trees, blobs={}, broken=[], idle_uses=[])
    going, kept = plan_collection(inventory, now, older_than, max_bytes, grace)
    return [item.name for item in going], {item.name: item.reason for item in kept}


def test_without_limits_everything_that_nobody_needs_goes():
    going, kept = plan(holding("a"), holding("b", needed=["in use now", "needed by `/p`"]))
    assert going == ["a"]
    assert kept == {"b": "in use now, needed by `/p`"}


def test_nothing_young_goes_whatever_the_limits():
    young = holding("a", used=990.0)
    for limits in ({}, {"older_than": 1}, {"max_bytes": 0}):
        assert plan(young, grace=11, **limits) == ([], {"a": "used within the last 11 seconds"})


def test_by_age():
    going, kept = plan(holding("old", used=100.0), holding("new", used=901.0), older_than=100)
    assert going == ["old"]
    assert kept == {"new": "neither old nor in excess"}


def test_by_size_the_least_recently_used_first_and_no_more_than_needed():
    holdings = [
        holding("c", used=3.0),
        holding("a", used=1.0),
        holding("pinned", used=0.0, needed=["x"]),
        holding("b", used=2.0),
    ]
    assert plan(*holdings, max_bytes=40)[0] == []
    assert plan(*holdings, max_bytes=39)[0] == ["a"]
    assert plan(*holdings, max_bytes=20)[0] == ["a", "b"]
    assert plan(*holdings, max_bytes=0)[0] == ["a", "b", "c"]


def test_by_age_and_size_either_is_enough():
    assert plan(
        holding("old", used=1.0),
        holding("mid", used=500.0),
        holding("new", used=999.0),
        older_than=900,
        max_bytes=10,
    )[0] == [
        "old",
        "mid",
    ]


def test_what_an_interrupted_build_left_goes_first_whatever_the_limits():
    going, _ = plan(holding("orphan", used=900.0, keys=()), older_than=100_000, grace=50)
    assert going == ["orphan"]


def test_a_real_collection_frees_and_says_what(store):
    fill(store, 1, 2)
    with store.transaction() as tx:
        add_sample_blob(tx, b"x" * 10_000)
        tx.commit()
    age(store, 10_000)
    before = sum(one.size for one in store.usage())
    dry = store.collect(dry_run=True)
    assert store.find_tree(key(1))
    done = store.collect()
    assert (done.items, done.freed) == (dry.items, dry.freed)
    assert done.freed == before > 10_000
    assert sorted(item.kind for item in done.items) == ["blob", "tree", "tree"]
    assert store.usage() == []
    assert os.listdir(f"{store.path}/keys-v1") == os.listdir(f"{store.path}/trees-v1") == []
    assert leftovers(store) == []


def test_the_default_keeps_the_last_hour(store):
    fill(store, 1)
    assert store.collect().items == ()
    age(store, 3700)
    assert len(store.collect().items) == 1


def test_a_tree_stays_when_one_of_its_keys_is_needed(store, tmp_path):
    with store.transaction() as tx:
        add_sample(tx, 1, files={"f": b""})
        add_sample(tx, 2, files={"f": b""})
        tx.commit()
    store.pin(str(tmp_path), [key(2)], LOCK)
    store.collect(grace=0)
    assert store.find_tree(key(2))
    assert store.find_tree(key(1))


def test_pinned_and_recently_found_blobs_stay(store, tmp_path):
    with store.transaction() as tx:
        for data in (b"pinned", b"found", b"idle"):
            add_sample_blob(tx, data)
        tx.commit()
    age(store, 100_000)
    store.pin(str(tmp_path), [], LOCK, blobs=[BlobDigest.of(b"pinned")])
    assert store.find_blob(BlobDigest.of(b"found"))
    store.collect()
    assert [bool(store.find_blob(BlobDigest.of(data))) for data in (b"pinned", b"found", b"idle")] == [
        True,
        True,
        False,
    ]


def test_what_crashes_leave_is_found(store):
    (tree,) = fill(store, 1)
    fill(store, 2)
    os.unlink(f"{store.path}/keys-v1/{key(1).hex}")
    files.remove_tree(store.find_tree(key(2)).path)
    for place in ("pins-v1", "facts-v1/x", "keys-v1", "."):
        os.makedirs(f"{store.path}/{place}", exist_ok=True)
        with open(f"{store.path}/{place}/.tmp-123-x", "w"):
            pass
    with open(f"{store.path}/locks/key-abc", "w"):
        pass
    os.mkdir(f"{store.path}/staging/dead")
    assert store.collect(dry_run=True, grace=3600).items[0].kind == "record"
    done = store.collect(grace=-1)
    assert sorted((item.kind, item.reason) for item in done.items) == [
        ("record", "its tree is missing"),
        ("tree", "left by an interrupted build"),
    ]
    assert done.freed > 0
    assert not os.path.exists(tree.path)
    assert leftovers(store) == []


def test_young_leftovers_stay_for_they_may_be_at_work(store):
    fill(store, 1)
    os.unlink(f"{store.path}/keys-v1/{key(1).hex}")
    with open(f"{store.path}/pins-v1/.tmp-123-x", "w"):
        pass
    assert store.collect().items == ()
    assert os.listdir(f"{store.path}/pins-v1") == [".tmp-123-x"]


def test_a_collection_waits_for_builds_and_names_them(store, monkeypatch):
    monkeypatch.setenv("SHIPWAY_LOCK_TIMEOUT", "0")
    with store.transaction(), pytest.raises(StoreError, match=f"process {os.getpid()}"):
        store.collect(grace=0)


def test_a_record_goes_before_its_tree(store, monkeypatch):
    fill(store, 1, 2)
    seen = []
    monkeypatch.setattr(files, "on_step", seen.append)
    store.collect(grace=0)
    steps = [step for step in seen if step.startswith("collect")]
    assert steps == [
        "collect:generation",
        "collect:record",
        "collect:record",
        "collect:sync-records",
        "collect:batch",
        "collect:move",
        "collect:move",
        "collect:sync-moves",
        "collect:readers",
    ]


def test_deleting_happens_outside_the_lock(store, monkeypatch):
    fill(store, 1)
    inside = []

    def look(step):
        if step == "trash:delete" and not inside:
            inside.append(step)
            thread = threading.Thread(target=fill, args=(store, 2))
            thread.start()
            thread.join(30)
            assert not thread.is_alive()

    monkeypatch.setattr(files, "on_step", look)
    store.collect(grace=0)
    assert inside
    assert store.find_tree(key(2))


def test_times_in_the_future_come_back(store):
    fill(store, 1)
    age(store, -1_000_000)
    assert store.collect().items == ()
    age(store, 4000)
    assert len(store.collect().items) == 1


def test_a_clock_that_jumps_ahead_takes_nothing_that_is_needed(store, tmp_path):
    fill(store, 1, 2)
    store.pin(str(tmp_path), [key(1)], LOCK)
    far = Store.open(store.path, now=lambda: 9e9)
    far.collect(older_than=1)
    assert store.find_tree(key(1))
    assert store.find_tree(key(2)) is None


def test_a_directory_that_cannot_be_renamed_is_deleted_in_place(store, monkeypatch):
    """An overlay file system answers EXDEV for a directory of a lower layer."""
    fill(store, 1)
    real = os.rename

    def rename(source, target):
        if "/trees-v1/" in source:
            raise OSError(18, "EXDEV")
        real(source, target)

    monkeypatch.setattr(staging.os, "rename", rename)
    store.collect(grace=0)
    assert os.listdir(f"{store.path}/trees-v1") == []
    assert leftovers(store) == []


def test_usage_is_sorted_and_explains(store, tmp_path):
    fill(store, 1, 4)
    with store.transaction() as tx:
        add_sample(tx, 9, files={"big": b"x" * 100_000})
        add_sample_blob(tx, b"blob")
        tx.commit()
    store.pin(str(tmp_path), [key(9)], LOCK)
    usage = store.usage()
    assert [one.kind for one in usage] == ["tree", "tree", "tree", "blob"]
    assert usage[0].label == "sample"
    assert usage[0].needed == (f"needed by `{tmp_path}`",)
    assert usage[0].size >= 100_000
    assert usage[1].needed == ()
