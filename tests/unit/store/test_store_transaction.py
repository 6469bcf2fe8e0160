"""What a transaction adds exists after its commit, whole, once, for everybody; before that and without it, nothing."""

from __future__ import annotations

import os
import threading

import pytest
from store_samples import add_sample, add_sample_blob, content_of, fill, inputs_of, key, leftovers, write_tree

from shipway.core.digest import BlobDigest, key_of
from shipway.core.errors import StoreError
from shipway.core.manifest import Entry, Manifest
from shipway.host import files
from shipway.host.lock import FileLock
from shipway.store import Store


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"))


def test_a_committed_tree_is_what_was_staged(store):
    (tree,) = fill(store, 7)
    found = Store.open(store.path).find_tree(key(7))
    assert found.key == tree.key == key_of(inputs_of(7))
    assert found.id == tree.id == tree.manifest().identity()
    assert found.root == tree.root
    assert found.inputs() == inputs_of(7)
    for path, data in content_of(7).items():
        with open(f"{found.root}/{path}", "rb") as file:
            assert file.read() == data
    assert os.readlink(f"{found.root}/link") == "bin/tool"
    assert list(store.verify()) == []
    assert leftovers(store) == []


def test_nothing_exists_before_the_commit(store):
    with store.transaction() as tx:
        tree = add_sample(tx, 1)
        assert store.find_tree(key(1)) is None
        assert tx.find_tree(key(1)) is tree
        assert tree.inputs() == inputs_of(1)
        assert tree.manifest().identity() == tree.id
        before = tree.root
        assert os.path.isdir(before)
        tx.commit()
        assert tree.root != before
        assert os.path.isdir(tree.root)
        assert store.find_tree(key(1)).id == tree.id


@pytest.mark.parametrize("end", [None, RuntimeError, KeyboardInterrupt])
def test_without_commit_nothing_remains(store, end):
    with pytest.raises(end) if end else threading.Lock(), store.transaction() as tx:
        add_sample(tx, 1)
        add_sample_blob(tx, b"x")
        tx.stage("unfinished")
        if end:
            raise end
    assert store.find_tree(key(1)) is None
    assert store.find_blob(BlobDigest.of(b"x")) is None
    assert leftovers(store) == []


def test_commit_may_come_several_times(store):
    with store.transaction() as tx:
        tx.commit()
        add_sample(tx, 1)
        tx.commit()
        add_sample(tx, 2)
        tx.commit()
        add_sample(tx, 3)
    assert [bool(store.find_tree(key(number))) for number in (1, 2, 3)] == [True, True, False]


def test_the_same_key_is_kept_once(store):
    (first,) = fill(store, 1)
    with store.transaction() as tx:
        again = add_sample(tx, 1)
        assert again.root == first.root
        two = add_sample(tx, 2)
        assert add_sample(tx, 2) is two
        tx.commit()
    assert sorted(os.listdir(f"{store.path}/trees-v1")) == sorted([first.id.hex, two.id.hex])


def test_a_recipe_that_is_not_reproducible_is_said(tmp_path):
    said = []
    store = Store.open(str(tmp_path / "store"), emit=said.append)
    (first,) = fill(store, 1)
    with store.transaction() as tx:
        assert add_sample(tx, 1, files={"bin": b"different"}).id == first.id
        tx.commit()
    assert [note.level for note in said] == ["warning"]
    assert "sample 1" in said[0].text


def test_two_keys_of_one_content_share_a_tree(store):
    with store.transaction() as tx:
        one = add_sample(tx, 1, files={"f": b"same"})
        two = add_sample(tx, 2, files={"f": b"same"})
        tx.commit()
    assert one.id == two.id
    assert one.root == two.root
    assert os.listdir(f"{store.path}/trees-v1") == [one.id.hex]
    assert store.find_tree(key(1)).inputs() != store.find_tree(key(2)).inputs()
    assert list(store.verify()) == []


def test_a_half_deleted_tree_of_the_same_content_is_replaced(store):
    (tree,) = fill(store, 1)
    os.unlink(f"{store.path}/keys-v1/{key(1).hex}")
    os.unlink(f"{tree.path}/manifest")
    os.unlink(f"{tree.root}/empty")
    fill(store, 1)
    assert list(store.verify()) == []


def test_a_record_without_its_tree_is_no_tree(store):
    (tree,) = fill(store, 1)
    files.remove_tree(tree.path)
    assert store.find_tree(key(1)) is None
    fill(store, 1)
    assert list(store.verify()) == []


@pytest.mark.parametrize(
    "damage", [b"", b"tree 1 zz 1 1\n{}", b"tree 2 " + b"0" * 64 + b" 1 1\n", b"\0" * 200]
)
def test_a_damaged_record_is_no_tree_and_is_replaced(store, damage):
    fill(store, 1)
    path = f"{store.path}/keys-v1/{key(1).hex}"
    with open(path, "wb") as file:
        file.write(damage)
    assert store.find_tree(key(1)) is None
    fill(store, 1)
    assert store.find_tree(key(1)).inputs() == inputs_of(1)


def test_a_damaged_manifest_or_record_is_never_believed(store):
    (tree,) = fill(store, 1)
    os.chmod(f"{tree.path}/manifest", 0o600)
    with open(f"{tree.path}/manifest", "ab") as file:
        file.write(b"f\t0644\t0\t0\t0\t0\t-\tevil\t-\n")
    with pytest.raises(StoreError, match=r"manifest of the tree .* is damaged") as caught:
        store.find_tree(key(1)).manifest()
    assert caught.value.hints == ("run `shipway verify --repair`",)
    record = f"{store.path}/keys-v1/{key(1).hex}"
    with open(record, "r+b") as file:
        text = file.read().replace(b'"number":1', b'"number":2')
        file.seek(0)
        file.write(text)
    with pytest.raises(StoreError, match="is damaged"):
        store.find_tree(key(1)).inputs()


def test_blobs(store):
    data, digest = b"wheel bytes", BlobDigest.of(b"wheel bytes")
    with store.transaction() as tx:
        path = add_sample_blob(tx, data)
        with open(path, "rb") as file:
            assert file.read() == data
        assert tx.find_blob(digest) == path
        assert tx.add_blob(path, digest) == path
        tx.commit()
    found = store.find_blob(digest)
    assert os.path.basename(found) == digest.hex
    assert os.stat(found).st_mode & 0o777 == 0o444
    with store.transaction() as tx:
        assert add_sample_blob(tx, data) == found
        tx.commit()
    assert list(store.verify()) == []
    assert leftovers(store) == []


def test_a_file_descriptor_of_the_staged_root(store):
    with store.transaction() as tx:
        staged = tx.stage("one")
        assert os.path.samestat(os.fstat(staged.fd), os.stat(staged.root))
        assert os.stat(staged.path).st_dev == os.stat(store.path).st_dev
        fd = staged.fd
        tx.add_tree(inputs_of(1), staged, write_tree(staged.root, {"f": b""}))
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(fd)
        dropped = tx.stage("two")
        tx.discard(dropped)
        assert not os.path.exists(dropped.path)


def test_after_its_end_a_transaction_refuses(store):
    with store.transaction() as tx:
        pass
    for call in (lambda: tx.stage("x"), tx.commit):
        with pytest.raises(StoreError, match="is over"):
            call()


def test_facts_are_written_after_the_trees_they_speak_of(store, monkeypatch):
    seen = []
    monkeypatch.setattr(files, "on_step", seen.append)
    with store.transaction() as tx:
        add_sample(tx, 1)
        tx.put_record("diffid", "k", {"v": 1})
        assert store.record("diffid", "k") is None
        tx.commit()
    assert store.record("diffid", "k") == {"v": 1}
    assert seen.index("commit:sync-records") < seen.index("commit:fact")


def test_the_order_of_writes(store, monkeypatch):
    seen = []
    monkeypatch.setattr(files, "on_step", seen.append)
    with store.transaction() as tx:
        add_sample(tx, 1)
        add_sample_blob(tx, b"b")
        tx.commit()
    assert [step for step in seen if step.startswith("commit")] == [
        "commit:sync",
        "commit:blob",
        "commit:tree",
        "commit:sync-blobs",
        "commit:sync-trees",
        "commit:record",
        "commit:sync-records",
    ]


def test_after_a_failed_sync_nothing_of_the_transaction_can_be_committed(store, monkeypatch):
    def fail(_fd):
        raise OSError(5, "I/O")

    with store.transaction() as tx:
        add_sample(tx, 1)
        with monkeypatch.context() as patch:
            patch.setattr(files, "sync_filesystem", fail)
            with pytest.raises(StoreError, match="Input/output error"):
                tx.commit()
        with pytest.raises(StoreError, match="earlier write"):
            tx.commit()
    assert store.find_tree(key(1)) is None
    assert leftovers(store) == []
    fill(store, 1)


def test_on_kernels_whose_sync_is_silent_every_file_is_synced(store, monkeypatch):
    synced = []
    monkeypatch.setattr(files, "sync_reports_errors", lambda: False)
    monkeypatch.setattr(files, "fsync_tree", synced.append)
    with store.transaction() as tx:
        add_sample(tx, 1)
        tx.commit()
        assert synced == [tx.path]


def test_threads_add_to_one_transaction(store):
    with store.transaction() as tx:
        threads = [threading.Thread(target=add_sample, args=(tx, number % 20)) for number in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tx.commit()
    assert all(store.find_tree(key(number)) for number in range(20))
    assert list(store.verify()) == []
    assert leftovers(store) == []


def test_single_flight_among_threads(store):
    made = []
    with store.transaction() as tx:

        def build(number):
            with tx.single_flight(key(number)) as found:
                if found is None:
                    made.append(number)
                    add_sample(tx, number)

        threads = [threading.Thread(target=build, args=(number % 4,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tx.commit()
    assert sorted(made) == [0, 1, 2, 3]
    assert leftovers(store) == []


def test_single_flight_holds_the_key_until_the_commit(store):
    lock = f"{store.path}/locks/key-{key(1).hex}"
    with store.transaction() as tx:
        with tx.single_flight(key(1)) as found:
            assert found is None
            add_sample(tx, 1)
        assert not FileLock(lock).try_acquire()
        tx.commit()
        assert not os.path.exists(lock)
        with tx.single_flight(key(1)) as found:
            assert found.key == key(1)
    assert leftovers(store) == []


def test_single_flight_gives_the_key_back_when_nothing_was_made(store):
    with store.transaction() as tx:
        with pytest.raises(RuntimeError), tx.single_flight(key(1)):
            raise RuntimeError
        with tx.single_flight(key(1)) as found:
            assert found is None
    assert leftovers(store) == []


def test_two_transactions_that_want_each_others_keys_do_not_wait_forever(tmp_path):
    """One makes 1 then 2, the other 2 then 1; each holds its first when it wants its second."""
    store = Store.open(str(tmp_path / "store"))
    barrier = threading.Barrier(2, timeout=30)
    made = []
    failed = []

    def build(*numbers):
        try:
            with store.transaction() as tx:
                for position, number in enumerate(numbers):
                    with tx.single_flight(key(number)) as found:
                        if position == 0:
                            barrier.wait()
                        if found is None:
                            made.append(number)
                            add_sample(tx, number)
                tx.commit()
        except BaseException as problem:
            failed.append(problem)
            raise

    threads = [threading.Thread(target=build, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not failed
    assert sorted(made) == [1, 2]
    assert store.find_tree(key(1))
    assert store.find_tree(key(2))


def test_an_abandoned_staging_folder_is_swept_and_a_living_one_is_not(store):
    os.makedirs(f"{store.path}/staging/other-boot-1234/3/root")
    with store.transaction() as living:
        add_sample(living, 1)
        with store.transaction():
            assert os.listdir(f"{store.path}/staging").count("other-boot-1234") == 0
            assert os.path.isdir(living.path)
        living.commit()
    assert store.find_tree(key(1))
    assert leftovers(store) == []


def test_a_store_that_cannot_be_written_says_so(store, monkeypatch):
    def refuse(*_args, **_more):
        raise OSError(30, "read-only")

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(StoreError, match="Read-only file system") as caught, store.transaction():
        pass
    assert "SHIPWAY_STORE" in caught.value.hints[0]


def test_odd_names_and_empty_trees(store):
    odd = os.fsdecode(b"na\xffme\n\twith \xe2\x80\xae")
    with store.transaction() as tx:
        staged = tx.stage("odd")
        tx.add_tree({"n": 1}, staged, write_tree(staged.root, {odd: b"x"}))
        staged = tx.stage("empty")
        tx.add_tree({"n": 2}, staged, Manifest([]))
        staged = tx.stage("whiteout")
        os.chmod(staged.root, 0o755)
        tx.add_tree({"n": 3}, staged, Manifest([Entry(".", "d", 0o755), Entry("gone", "w", 0)]))
        tx.commit()
    assert list(store.verify()) == []
    assert store.find_tree(key_of({"n": 1})).manifest().entries[1].path == odd


def test_a_sweeper_that_comes_before_the_lock_is_noticed(store, monkeypatch):
    """Between making the staging folder and locking it, another process may take it for abandoned."""
    real = os.open
    swept = []

    def open_late(path, *args, **more):
        if isinstance(path, str) and "/staging/" in path and not swept:
            swept.append(path)
            os.rename(path, f"{store.path}/trash/swept")
        return real(path, *args, **more)

    monkeypatch.setattr(os, "open", open_late)
    with store.transaction() as tx:
        assert tx.path != swept[0]
        assert os.path.isdir(tx.path)
        add_sample(tx, 1)
        tx.commit()
    assert store.find_tree(key(1))


def test_a_tree_keeps_nothing_of_the_place_it_was_made_in(store):
    with store.transaction() as tx:
        staged = tx.stage("sample")
        manifest = write_tree(staged.root, content_of(1))
        os.makedirs(f"{staged.path}/work/overlay/work", 0o700)
        os.chmod(f"{staged.path}/work/overlay/work", 0)  # as overlayfs leaves it
        tx.add_tree(inputs_of(1), staged, manifest)
        tx.commit()
    assert sorted(os.listdir(store.find_tree(key(1)).path)) == ["manifest", "root"]
