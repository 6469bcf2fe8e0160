"""What a kept container changed, read from the upper folder of its overlay."""

from __future__ import annotations

import hashlib
import os
import stat

import pytest

from shipway.core.manifest import DIRECTORY, FILE, SYMLINK, WHITEOUT, Entry
from shipway.run.top.kept import read_changes, read_written


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def lower(*entries):
    return {entry.path: entry for entry in entries}


def test_nothing_was_written_yet(tmp_path):
    assert read_changes(str(tmp_path / "upper"), {}) == []


def test_owners_and_modes_are_those_of_the_tree_below(tmp_path):
    (tmp_path / "bin").mkdir(0o755)
    (tmp_path / "bin/su").write_text("new")
    (tmp_path / "bin/su").chmod(0o755)
    (tmp_path / "bin/link").symlink_to("su")
    (tmp_path / "bin").chmod(0o755)
    below = lower(
        Entry("bin", DIRECTORY, 0o755, 0, 0),
        Entry("bin/su", FILE, 0o4755, 0, 7, size=3, digest=digest("old")),
    )
    assert read_changes(str(tmp_path), below) == [
        Entry("bin", DIRECTORY, 0o755),
        Entry("bin/link", SYMLINK, 0o777, target="su"),
        Entry("bin/su", FILE, 0o4755, 0, 7, size=3, digest=digest("new")),
    ]


def test_what_a_start_writes_is_no_change(tmp_path):
    for path in ("etc", "work", "data/set", "opt/venv"):
        (tmp_path / path).mkdir(parents=True)
    for path in ("etc/hosts", "etc/new", "opt/venv/_shipway_editable.py", "work/mine"):
        (tmp_path / path).write_text("")
    found = [entry.path for entry in read_written(str(tmp_path), {}, ("work", "data/set"))]
    assert found == ["etc/new", "opt", "opt/venv", "work/mine"]


def test_a_content_is_read_only_where_the_size_does_not_tell(tmp_path):
    for name in ("bigger", "new"):
        (tmp_path / name).write_text("abc")
        (tmp_path / name).chmod(0o644)
    below = lower(Entry("bigger", FILE, 0o644, size=2, digest=digest("ab")))
    assert [(entry.path, entry.size, entry.digest) for entry in read_changes(str(tmp_path), below)] == [
        ("bigger", 3, ""),
        ("new", 3, ""),
    ]


def test_removed_paths_are_whiteouts_and_pipes_are_nothing(tmp_path):
    try:
        for name in ("gone", "never"):
            os.mknod(tmp_path / name, stat.S_IFCHR, 0)
    except PermissionError:
        pytest.skip("this kernel lets no user make whiteouts")
    os.mkfifo(tmp_path / "pipe")
    below = lower(Entry("gone", FILE, 0o644))
    assert read_changes(str(tmp_path), below) == [Entry("gone", WHITEOUT, 0)]


def test_an_opaque_folder_hides_what_was_in_it(tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "stays").write_text("x")
    try:
        os.setxattr(folder, "user.overlay.opaque", b"y")
    except OSError:
        pytest.skip("the file system has no user attributes")
    below = lower(
        Entry("d", DIRECTORY, 0o755),
        Entry("d/gone", DIRECTORY, 0o755),
        Entry("d/gone/deep", FILE, 0o644),
        Entry("d/stays", FILE, 0o644, size=9),
        Entry("other", FILE, 0o644),
    )
    found = {entry.path: entry.kind for entry in read_changes(str(tmp_path), below)}
    assert found == {"d": DIRECTORY, "d/gone": WHITEOUT, "d/stays": FILE}
