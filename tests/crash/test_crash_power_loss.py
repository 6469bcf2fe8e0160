"""The power fails after every single change, and the disk keeps any of what was not synced yet."""

from __future__ import annotations

import os
import random

import pytest
from crash_lost_writes import Recorder
from crash_work import BLOB, LOCK, SAMPLES, check_recovers
from store_samples import add_sample, add_sample_blob, content_of, inputs_of, key

from shipway.core.digest import BlobDigest
from shipway.core.errors import StoreError
from shipway.host import files
from shipway.store import Store


def record(path, *ignored):
    """One life of a store: two commits, a pin, a collection, and the collected tree made again."""
    recorder = Recorder(path)
    recorder.ignored.update(ignored)
    os.makedirs(path + ".project", exist_ok=True)
    os.mkdir(path, 0o700)
    with recorder.installed():
        store = Store.open(path)
        with store.transaction() as tx:
            add_sample(tx, 1)
            add_sample(tx, 2)
            add_sample_blob(tx, BLOB)
            tx.put_record("diffid", "one", {"of": key(1)})
            tx.commit()
            recorder.mark("1 2 blob")
            add_sample(tx, 5)
            tx.commit()
        recorder.mark("5")
        store.pin(path + ".project", [key(1), key(2)], LOCK, blobs=[BlobDigest.of(BLOB)])
        recorder.mark("pin")
        with store.use([key(number) for number in (1, 2)] * 5) as use:
            assert not use.missing
        recorder.mark("-5")
        assert [item.kind for item in store.collect(grace=-1).items] == ["tree"]
        with store.transaction() as tx:
            add_sample(tx, 5)
            tx.commit()
        recorder.mark("5")
    return recorder


def promised(recorder, when):
    """What had been promised before the power failed after `when` changes."""
    kept = set()
    for position, text in recorder.marks:
        if position <= when:
            for word in text.split():
                kept.discard(word[1:]) if word.startswith("-") else kept.add(word)
    return kept


def violation(path, kept):
    """What the store at `path` breaks of its promises, or nothing."""
    try:
        return _violation(path, kept)
    except StoreError as problem:
        return problem.message


def _violation(path, kept):
    if not os.path.exists(f"{path}/format"):
        return "the store is gone" if kept else ""
    store = Store.open(path)
    if findings := list(store.verify()):
        return str(findings[0])
    for number in SAMPLES:
        tree = store.find_tree(key(number))
        if tree is None:
            if str(number) in kept:
                return f"tree {number} is lost"
            continue
        if tree.inputs() != inputs_of(number):
            return f"tree {number} has other inputs"
        for name, data in content_of(number).items():
            with open(f"{tree.root}/{name}", "rb") as file:
                if file.read() != data:
                    return f"tree {number} has another {name}"
    if "blob" in kept and store.find_blob(BlobDigest.of(BLOB)) is None:
        return "the artifact is lost"
    if "pin" in kept and not store.pins():
        return "the pin is lost"
    with store.use([key(number) for number in (1, 2)] * 5) as use:
        if use.missing and "1" in kept:
            return "a use finds less"
        if not all(os.path.isdir(tree.root) for tree in use.trees):
            return "a mark outlives its trees"
    return "" if store.record("diffid", "one") in (None, {"of": key(1)}) else "a torn fact is believed"


def outcomes(recorder, tmp_path, samples, seed):
    """Every power loss: (when, the store it leaves, what had been promised)."""
    chance = random.Random(seed)
    ways = [lambda: 0.99, lambda: 0.0, lambda: 0.45, *([chance.random] * samples)]
    for when in range(len(recorder.changes) + 1):
        for way in ways:
            path = str(tmp_path / "after")
            recorder.after_loss(when, path, way)
            os.chmod(path, 0o700)
            yield when, path, promised(recorder, when)
            files.remove_tree(path)


def test_whatever_the_disk_forgets_what_was_promised_is_there(tmp_path):
    recorder = record(str(tmp_path / "store"))
    assert len(recorder.changes) > 80
    for when, path, kept in outcomes(recorder, tmp_path, 3, 1):
        assert violation(path, kept) == "", f"after change {when}: {recorder.changes[when - 1]}"


def test_after_a_power_loss_the_next_command_just_works(tmp_path):
    recorder = record(str(tmp_path / "store"))
    for when, path, _ in outcomes(recorder, tmp_path, 0, 2):
        if when % 4 == 0:
            check_recovers(path)
            files.remove_tree(path + ".project")


@pytest.mark.parametrize("ignored", ["syncfs", "fsync"])
def test_without_syncs_the_loss_is_seen(tmp_path, ignored):
    """The proof that these tests can fail."""
    recorder = record(str(tmp_path / "store"), ignored)
    assert any(violation(path, kept) for _, path, kept in outcomes(recorder, tmp_path, 3, 3))
