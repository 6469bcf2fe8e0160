"""A hundred thousand records: every operation stays linear."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile

import pytest
from store_samples import write_tree

from shipway.core.digest import TreeId, canonical_json, key_of
from shipway.store import Store
from shipway.store.tree import render_record

SMALL, LARGE = 5_000, 100_000


def grow(store, count):
    """Add `count` records that all name one tree, without the cost of making a hundred thousand trees."""
    with store.transaction() as tx:
        staged = tx.stage("one")
        tree = tx.add_tree({"n": -1}, staged, write_tree(staged.root, {"f": b"x"}))
        tx.commit()
    for number in range(count):
        inputs = {"recipe": "sample", "n": number}
        with open(f"{store.path}/keys-v1/{key_of(inputs).hex}", "wb") as file:
            file.write(render_record(tree.id.hex, 8192, 2, canonical_json(inputs)))
    return tree


@pytest.fixture
def folder(tmp_path):
    """In memory where there is such a place."""
    if not os.access("/dev/shm", os.W_OK):
        yield str(tmp_path)
        return
    made = tempfile.mkdtemp(prefix="shipway-scale-", dir="/dev/shm")
    yield made
    shutil.rmtree(made)


def seconds(call):
    """Seconds of our own code: what the kernel takes for a file depends on who else uses the machine."""
    start = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    result = call()
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime - start, result


@pytest.mark.slow
def test_a_hundred_thousand_records(folder):
    spent = {}
    for count in (SMALL, LARGE):
        store = Store.open(os.path.join(folder, str(count)))
        tree = grow(store, count)
        keys = [key_of({"recipe": "sample", "n": number}) for number in range(0, count, count // 400)]
        spent[count, "find"], found = seconds(lambda: [store.find_tree(key) for key in keys])  # noqa: B023
        assert all(one.id == tree.id for one in found)
        spent[count, "verify"], findings = seconds(lambda: list(store.verify()))  # noqa: B023
        assert findings == []
        spent[count, "usage"], usage = seconds(store.usage)
        assert len(usage) == 1
        with store.use(keys):
            assert seconds(lambda: store.collect(grace=0))[1].items == ()  # noqa: B023
        spent[count, "collect"], done = seconds(lambda: store.collect(grace=0))  # noqa: B023
        assert len(done.items) == 1
        assert os.listdir(f"{store.path}/keys-v1") == []
    ratio = LARGE / SMALL
    for what in ("verify", "usage", "collect"):
        assert spent[LARGE, what] < (spent[SMALL, what] + 0.02) * ratio * 3, spent
    # Looking one up does not get slower; a large factor, for machines are noisy.
    assert spent[LARGE, "find"] < (spent[SMALL, "find"] + 0.01) * 5, spent
    assert TreeId(tree.id)
