"""A finished tree without some kinds of files: the folder and the manifest agree."""

from __future__ import annotations

import os

import pytest

from shipway.build.slimming import leave_out
from shipway.core.errors import StoreError
from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry, Manifest

DOC = "usr/share/doc/a"


def make(root, *entries):
    for entry in entries:
        path = root / entry.path
        if entry.kind == DIRECTORY:
            path.mkdir(parents=True)
        elif entry.kind == SYMLINK:
            path.symlink_to(entry.target)
        elif entry.kind == HARDLINK:
            os.link(root / entry.target, path)
        else:
            path.write_bytes(b"x")
    for entry in reversed(entries):
        os.utime(root / entry.path, (entry.mtime, entry.mtime), follow_symlinks=False)
    return Manifest(entries)


def folder(path):
    return Entry(path, DIRECTORY, 0o755, mtime=1000)


def file(path):
    return Entry(path, FILE, 0o644, mtime=1000, size=1, digest="0" * 64)


def paths(manifest):
    return [entry.path for entry in manifest.entries]


def on_disk(root):
    return sorted(
        os.path.relpath(os.path.join(where, name), root)
        for where, folders, files in os.walk(root)
        for name in folders + files
    )


def test_files_and_links_go_and_folders_keep_their_times(tmp_path):
    manifest = make(
        tmp_path,
        folder("usr"),
        folder("usr/share"),
        folder("usr/share/doc"),
        folder(DOC),
        file(f"{DOC}/README"),
        Entry(f"{DOC}/link", SYMLINK, 0o777, mtime=1000, target="README"),
        file(f"{DOC}/copyright"),
    )
    kept = leave_out(str(tmp_path), manifest, {"slim": [1, "docs"]})
    assert paths(kept) == ["usr", "usr/share", "usr/share/doc", DOC, f"{DOC}/copyright"]
    assert on_disk(tmp_path) == paths(kept)
    assert os.stat(tmp_path / DOC).st_mtime == 1000


@pytest.mark.parametrize("inputs", [{}, {"slim": [1]}, {"slim": [1, "tests"]}])
def test_what_is_not_asked_for_stays(tmp_path, inputs):
    manifest = make(tmp_path, folder("usr"), folder("usr/include"), file("usr/include/a.h"))
    assert leave_out(str(tmp_path), manifest, inputs).entries == manifest.entries
    assert (tmp_path / "usr/include/a.h").exists()


def test_a_file_that_a_kept_hard_link_shares_stays(tmp_path):
    manifest = make(
        tmp_path,
        folder("usr"),
        folder("usr/include"),
        folder("usr/lib"),
        file("usr/include/a.h"),
        file("usr/include/b.h"),
        Entry("usr/include/c.h", HARDLINK, 0o644, mtime=1000, target="usr/include/b.h"),
        Entry("usr/lib/a", HARDLINK, 0o644, mtime=1000, target="usr/include/a.h"),
    )
    kept = leave_out(str(tmp_path), manifest, {"slim": [1, "headers"]})
    assert paths(kept) == ["usr", "usr/include", "usr/include/a.h", "usr/lib", "usr/lib/a"]
    assert on_disk(tmp_path) == sorted(paths(kept))


def test_a_disk_that_refuses_is_told(tmp_path):
    manifest = Manifest([folder("usr"), folder("usr/include"), file("usr/include/a.h")])
    with pytest.raises(StoreError, match="cannot leave out files"):
        leave_out(str(tmp_path), manifest, {"slim": [1, "headers"]})
