"""One read-only store of another user below the own one: found, trusted only when safe, kept while it is read."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from store_samples import add_sample_blob, age, fill, key, leftovers

from shipway.core.digest import BlobDigest
from shipway.core.errors import StoreError
from shipway.store import Store

MANY = range(12)


@pytest.fixture
def lower(tmp_path):
    store = Store.open(str(tmp_path / "shared"))
    os.chmod(store.path, 0o755)
    fill(store, *MANY)
    with store.transaction() as tx:
        add_sample_blob(tx, b"below")
        tx.commit()
    store.put_record("diffid", "k", {"a": 1})
    return store


@pytest.fixture
def own(tmp_path, lower):
    return Store.open(str(tmp_path / "own"), lowers=[lower.path])


def test_everything_below_is_found_and_the_own_comes_first(own, lower):
    assert own.find_tree(key(1)).root.startswith(lower.path)
    assert own.find_blob(BlobDigest.of(b"below")).startswith(lower.path)
    assert own.record("diffid", "k") == {"a": 1}
    with own.transaction() as tx:
        assert tx.find_tree(key(1)).root.startswith(lower.path)
    fill(own, 50)
    assert own.find_tree(key(50)).root.startswith(own.path)
    assert lower.find_tree(key(50)) is None
    own.put_record("diffid", "k", {"a": 2})
    assert own.record("diffid", "k") == {"a": 2}


def test_a_mark_over_both_ends_when_either_changes(own, lower):
    fill(own, 50)
    wanted = [key(number) for number in (*MANY, 50)]
    for _ in range(2):
        with own.use(wanted) as use:
            assert not use.missing
            assert [tree.key for tree in use.trees] == wanted
            assert len(use.fds) == 2
    lower.collect(grace=0)
    with own.use(wanted) as use:
        assert use.missing == tuple(wanted[:-1])


def test_the_owner_collects_but_nothing_that_others_read_is_deleted(own, lower):
    with own.use([key(1)]) as use:
        tree = use.trees[0]
        inside = os.open(tree.root, os.O_RDONLY | os.O_DIRECTORY)
        done = lower.collect(grace=0)
        assert done.waiting == done.freed > 0
        # A mounted container holds directories, not names; so does this descriptor.
        assert "tool" in os.listdir(os.path.join(f"/proc/self/fd/{inside}", "bin"))
        assert own.find_tree(key(1)) is None
        # Whoever begins to read now does not delay the deletion of what went before.
        late = own.use([key(2)])
        assert leftovers(lower)
        lower.collect(grace=0)
        assert "tool" in os.listdir(os.path.join(f"/proc/self/fd/{inside}", "bin"))
    os.close(inside)
    lower.collect(grace=0)
    assert leftovers(lower) == []
    late.close()


def test_a_collection_of_the_own_store_leaves_the_lower_alone(own, lower):
    age(lower, 10_000)
    own.collect(grace=0)
    assert lower.find_tree(key(1))


def refused(own, lower):
    with pytest.raises(StoreError, match="is not safe to use") as caught:
        Store.open(own.path, lowers=[lower.path])
    return caught.value


@pytest.mark.parametrize("name", ["", "trees-v1", "keys-v1", "blobs-v1", "facts-v1", "locks"])
@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_what_others_may_write_is_refused(own, lower, name, mode):
    path = os.path.join(lower.path, name) if name else lower.path
    os.chmod(path, mode)
    assert refused(own, lower).hints[0] == f"its owner runs: chmod go-w {path}"


def test_a_folder_above_that_others_may_write_is_refused_unless_sticky(own, lower, tmp_path):
    tmp_path.chmod(0o777)
    refused(own, lower)
    tmp_path.chmod(0o1777)
    Store.open(own.path, lowers=[lower.path])
    tmp_path.chmod(0o700)


def test_a_bucket_that_is_a_link_is_refused(own, lower, tmp_path):
    os.rename(f"{lower.path}/trees-v1", tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", f"{lower.path}/trees-v1")
    refused(own, lower)


@pytest.mark.needs_root
def test_a_bucket_of_another_owner_is_refused(own, lower):
    os.chown(f"{lower.path}/keys-v1", 65534, 65534)
    refused(own, lower)


def test_a_missing_or_newer_lower_is_an_error(own, lower, tmp_path):
    with pytest.raises(StoreError, match="there is no store"):
        Store.open(own.path, lowers=[str(tmp_path / "none")])
    with open(f"{lower.path}/format", "w") as file:
        file.write("9")
    with pytest.raises(StoreError, match="has format 9"):
        Store.open(own.path, lowers=[lower.path])


def test_a_lower_that_cannot_be_locked_is_said(tmp_path, lower):
    said = []
    own = Store.open(str(tmp_path / "own"), lowers=[lower.path], emit=said.append)
    os.unlink(f"{lower.path}/locks/readers")
    with own.use([key(1)]) as use:
        assert not use.missing
    assert [note.level for note in said] == ["warning"]


PLAIN_USER = """
import os, sys
from shipway.core import manifest
from shipway.host import _libc
from shipway.core.digest import TreeKey
from shipway.store import Store, ready, uses
# Only now: the interpreter itself may lie where a plain user cannot read.
os.setgroups([]); os.setgid(65534); os.setuid(65534)
store = Store.open(sys.argv[1], lowers=[sys.argv[2]])
with store.use([TreeKey(sys.argv[3])]) as use:
    assert not use.missing
    assert open(use.trees[0].root + "/bin/tool").read()
    assert use.trees[0].manifest().entries
    print("locked" if len(use.fds) == 2 else "alone", flush=True)
    sys.stdin.read()
"""


@pytest.mark.needs_root
def test_a_plain_user_reads_a_store_of_root(tmp_path, lower, own):
    for parent in list(tmp_path.parents)[:-2]:
        parent.chmod(parent.stat().st_mode | 0o011)
    tmp_path.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    child = subprocess.Popen(
        [sys.executable, "-c", PLAIN_USER, str(home / "store"), lower.path, key(1)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        said = child.stdout.readline()
        done = lower.collect(grace=0)
    finally:
        child.communicate()
    assert (said, child.returncode) == (b"locked\n", 0)
    assert done.waiting > 0
    lower.collect(grace=0)
    assert leftovers(lower) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_without_hard_links_readers_are_handed_over_too(own, lower, monkeypatch, number):
    def refuse(*_args, **_more):
        raise OSError(number, os.strerror(number))

    with own.use([key(1)]):
        with monkeypatch.context() as patch:
            patch.setattr(os, "link", refuse)
            assert lower.collect(grace=0).waiting > 0
        assert leftovers(lower)
        with own.use([key(2)]) as use:
            assert len(use.fds) == 2
    lower.collect(grace=0)
    assert leftovers(lower) == []
