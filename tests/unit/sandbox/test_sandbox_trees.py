"""Copies that stand for mounts, and what comes back from them."""

from __future__ import annotations

import os

import pytest

from shipway.sandbox.record import own_descriptor
from shipway.sandbox.trees import copy_tree, remove_at, tree_size, update_tree


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "a/deep").mkdir(parents=True)
    (tmp_path / "a/deep/file").write_bytes(b"x" * 10)
    (tmp_path / "a/gone").write_text("gone")
    (tmp_path / "a/link").symlink_to("/etc/passwd")
    (tmp_path / "a/turns").mkdir()
    os.chmod(tmp_path / "a/deep/file", 0o640)
    os.utime(tmp_path / "a/deep/file", ns=(5_000_000_007, 6_000_000_009))
    (tmp_path / "b").mkdir()
    return tmp_path


def content(path: str) -> object:
    if os.path.islink(path):
        return os.readlink(path)
    if os.path.isdir(path):
        return None
    with open(path, "rb") as file:
        return file.read()


def listing(path) -> dict[str, object]:
    paths = [
        os.path.join(directory, name)
        for directory, folders, names in os.walk(path)
        for name in folders + names
    ]
    return {os.path.relpath(each, path): (os.lstat(each).st_mode, content(each)) for each in paths}


def test_copy_is_equal(tree):
    copy_tree(str(tree / "a"), str(tree / "b"))
    assert listing(tree / "a") == listing(tree / "b")
    assert os.stat(tree / "b/deep/file").st_mtime_ns == 6_000_000_009


def test_changes_come_back_and_nothing_else_is_touched(tree):
    copy_tree(str(tree / "a"), str(tree / "b"))
    kept = os.stat(tree / "a/deep/file").st_ino
    (tree / "b/gone").unlink()
    (tree / "b/new").mkdir()
    (tree / "b/new/file").write_text("new")
    (tree / "b/link").unlink()
    (tree / "b/link").symlink_to("elsewhere")
    (tree / "b/turns").rmdir()
    (tree / "b/turns").write_text("file now")
    update_tree(str(tree / "b"), str(tree / "a"))
    assert listing(tree / "a") == listing(tree / "b")
    assert os.stat(tree / "a/deep/file").st_ino == kept


def test_single_file_comes_back(tree):
    (tree / "one").write_text("1")
    (tree / "two").write_text("")
    copy_tree(str(tree / "one"), str(tree / "two"))
    (tree / "two").write_text("22")
    update_tree(str(tree / "two"), str(tree / "one"))
    assert (tree / "one").read_text() == "22"


def test_removal_stays_inside(tree):
    (tree / "outside").mkdir()
    (tree / "outside/kept").write_text("kept")
    (tree / "a/deep/out").symlink_to(tree / "outside")
    os.chmod(tree / "a/deep", 0)
    remove_at(None, str(tree / "a"))
    remove_at(None, str(tree / "a"))
    assert not (tree / "a").exists()
    assert (tree / "outside/kept").exists()


def test_size_is_counted_no_further_than_asked(tree):
    assert tree_size(str(tree / "a"), 1000) == 10 + 4 + len("/etc/passwd")
    assert tree_size(str(tree / "a/deep/file"), 1) == 10


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/proc/self/fd/7", 7), ("/proc/thread-self/fd/0", 0), ("/dev/fd/12", 12), ("/proc/42/fd/3", 3), ("/dev/stderr", 2),
        ("/proc/43/fd/3", None), ("/proc/self/fd/3/x", None), ("/proc/self/fd/", None), ("/etc/passwd", None), ("/proc/self/fd/-1", None),
    ],
)  # fmt: skip
def test_own_descriptors_by_name(path, number):
    assert own_descriptor(path, 42) == number
