"""Whatever changes in the store is found, named, and can be made again."""

from __future__ import annotations

import os

import pytest
from store_samples import add_sample, add_sample_blob, fill, inputs_of, key, leftovers

from shipway.core.digest import BlobDigest
from shipway.host import files
from shipway.store import Store
from shipway.store.verify import Problem


@pytest.fixture
def store(tmp_path):
    store = Store.open(str(tmp_path / "store"))
    fill(store, 1, 2, 3)
    with store.transaction() as tx:
        add_sample_blob(tx, b"blob")
        tx.commit()
    return store


def overwrite(path, data):
    os.chmod(path, 0o600)
    status = os.stat(path)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, 0o644)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def same_size(root):
    overwrite(f"{root}/bin/tool", b"TOOL 1\n")


def longer(root):
    overwrite(f"{root}/bin/tool", b"tool 1\n+")


def missing(root):
    os.unlink(f"{root}/bin/tool")


def extra(root):
    with open(f"{root}/bin/evil", "w"):
        pass


def mode(root):
    os.chmod(f"{root}/bin/tool", 0o555)


def time(root):
    os.utime(f"{root}/bin/tool", (1, 1))


def link(root):
    os.unlink(f"{root}/link")
    os.symlink("/etc/passwd", f"{root}/link")


def to_link(root):
    os.rename(f"{root}/bin/tool", f"{root}/bin/moved")
    os.symlink("moved", f"{root}/bin/tool")


def to_directory(root):
    os.unlink(f"{root}/empty")
    os.mkdir(f"{root}/empty")


def folder_to_link(root):
    os.rename(f"{root}/bin", f"{root}/bin2")
    os.symlink("bin2", f"{root}/bin")


def folder_mode(root):
    os.chmod(f"{root}/bin", 0o777)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (same_size, {("changed", "bin/tool")}),
        (longer, {("changed", "bin/tool")}),
        (missing, {("missing", "bin/tool")}),
        (extra, {("extra", "bin/evil")}),
        (mode, {("changed", "bin/tool")}),
        (time, {("changed", "bin/tool")}),
        (link, {("changed", "link")}),
        (to_link, {("changed", "bin/tool"), ("extra", "bin/moved")}),
        (to_directory, {("changed", "empty")}),
        (
            folder_to_link,
            {("changed", "bin"), ("missing", "bin/tool"), ("extra", "bin2"), ("extra", "bin2/tool")},
        ),
        (folder_mode, {("changed", "bin")}),
    ],
)
def test_every_change_of_a_tree_is_found_and_repaired(store, change, found):
    tree = store.find_tree(key(1))
    change(tree.root)
    findings = list(store.verify())
    assert {(finding.problem.value, finding.path) for finding in findings} == found
    assert {finding.name for finding in findings} == {tree.id.hex}
    assert store.find_tree(key(1)), "looking changes nothing"

    asked = []

    def repair(damaged):
        asked.append(damaged)
        assert store.find_tree(key(1)) is None
        fill(store, damaged.inputs[0]["number"])
        return True

    repaired = list(store.verify(repair))
    assert {finding.repaired for finding in repaired} == {True}
    assert [(one.kind, one.name, one.inputs) for one in asked] == [("tree", tree.id.hex, (inputs_of(1),))]
    assert list(store.verify()) == []
    assert len(os.listdir(f"{store.path}/quarantine")) == 1
    store.collect(grace=-1)
    assert leftovers(store) == []


def test_what_cannot_be_made_again_is_gone_and_said(store):
    same_size(store.find_tree(key(1)).root)
    (finding,) = store.verify(lambda _: False)
    assert not finding.repaired
    assert store.find_tree(key(1)) is None
    assert list(store.verify()) == []


def test_a_tree_of_two_keys_is_repaired_for_both(store):
    with store.transaction() as tx:
        add_sample(tx, 8, files={"bin/tool": b"tool 1\n", "x": b""})
        add_sample(tx, 9, files={"bin/tool": b"tool 1\n", "x": b""})
        tx.commit()
    same_size(store.find_tree(key(8)).root)
    asked = []
    list(store.verify(lambda damaged: asked.append(damaged) or True))
    assert sorted(inputs["number"] for inputs in asked[0].inputs) == [8, 9]


@pytest.mark.parametrize("damage", ["missing", "changed", "not-text"])
def test_a_damaged_manifest(store, damage):
    path = f"{store.find_tree(key(1)).path}/manifest"
    if damage == "missing":
        os.unlink(path)
    else:
        overwrite(path, b"\xff" if damage == "not-text" else b"shipway-tree 1\n")
    (finding,) = store.verify()
    assert (finding.problem, finding.kind) == (Problem.MANIFEST, "tree")


def test_a_damaged_blob(store):
    digest = BlobDigest.of(b"blob")
    overwrite(store.find_blob(digest), b"blub")
    (finding,) = store.verify()
    assert (finding.problem, finding.name) == (Problem.BLOB, digest.hex)

    def repair(damaged):
        assert (damaged.kind, damaged.name, damaged.inputs) == ("blob", digest.hex, ())
        with store.transaction() as tx:
            add_sample_blob(tx, b"blob")
            tx.commit()
        return True

    assert [finding.repaired for finding in store.verify(repair)] == [True]
    assert list(store.verify()) == []


def test_damaged_records(store):
    overwrite(f"{store.path}/keys-v1/{key(1).hex}", b"?")
    files.remove_tree(store.find_tree(key(2)).path)
    os.rename(f"{store.path}/keys-v1/{key(3).hex}", f"{store.path}/keys-v1/not-a-digest")
    findings = {finding.name: finding for finding in store.verify()}
    assert findings[key(1).hex].problem is Problem.RECORD
    assert findings[key(2).hex].problem is Problem.MISSING
    assert findings["not-a-digest"].problem is Problem.RECORD
    asked = []

    def repair(damaged):
        asked.append((damaged.name, [inputs["number"] for inputs in damaged.inputs]))
        return True

    list(store.verify(repair))
    assert sorted(asked) == sorted([(key(1).hex, []), (key(2).hex, [2]), ("not-a-digest", [])])
    assert list(store.verify()) == []


def test_hard_links(store):
    from store_samples import TIME, write_tree

    from shipway.core.manifest import Entry, Manifest

    def add(number, *, linked):
        with store.transaction() as tx:
            staged = tx.stage("links")
            manifest = write_tree(staged.root, {"a": b"same"})
            if linked:
                os.link(f"{staged.root}/a", f"{staged.root}/b")
            else:
                write_tree(staged.root, {"b": b"same"})
            entries = [*manifest.entries, Entry("b", "h", 0o644, mtime=TIME, target="a")]
            tx.add_tree({"n": number}, staged, Manifest(entries))
            tx.commit()

    add(1, linked=True)
    assert list(store.verify()) == []
    store.collect(grace=0)
    add(2, linked=False)
    assert [finding.path for finding in store.verify()] == ["b"]


def test_an_unreadable_disk_is_a_finding(store, monkeypatch):
    tree = store.find_tree(key(1))
    real = os.open

    def fail(path, *args, **more):
        if isinstance(path, str) and path.startswith(f"{tree.root}/bin/tool"):
            raise OSError(5, "I/O")
        return real(path, *args, **more)

    monkeypatch.setattr(os, "open", fail)
    (finding,) = store.verify()
    assert (finding.problem, finding.path) == (Problem.UNREADABLE, "bin/tool")
    assert finding.detail == "Input/output error"


def test_verification_may_be_left_early(store):
    for number in (1, 2, 3):
        same_size(store.find_tree(key(number)).root)
    walk = store.verify()
    next(walk)
    walk.close()
    store.collect(grace=0)
