"""What lies where when trees are stacked, told from manifests."""

from __future__ import annotations

from shipway.core.manifest import DIRECTORY, FILE, SYMLINK, WHITEOUT, Entry, Manifest
from shipway.core.overlay import stack


def file(path):
    return Entry(path, FILE, 0o644, digest="0" * 64)


def folder(path, mode=0o755):
    return Entry(path, DIRECTORY, mode)


def paths(*trees, keep_whiteouts=False):
    placed = stack([Manifest(tree) for tree in trees], keep_whiteouts=keep_whiteouts)
    return [(one.entry.path, one.tree) for one in placed]


def test_directories_merge_and_the_upper_ones_attributes_count():
    placed = stack([Manifest([folder("d"), file("d/a")]), Manifest([folder("d", 0o700), file("d/b")])])
    assert [(one.entry.path, one.tree, one.entry.mode) for one in placed] == [
        ("d", 1, 0o700), ("d/a", 0, 0o644), ("d/b", 1, 0o644),
    ]  # fmt: skip


def test_what_lay_below_a_replaced_directory_is_gone():
    below = [folder("d"), folder("d/e"), file("d/e/x"), file("da"), file("d.x")]
    left = [("d.x", 0), ("da", 0)]
    assert paths(below, [Entry("d", WHITEOUT, 0)]) == left
    assert paths(below, [Entry("d", WHITEOUT, 0)], keep_whiteouts=True) == [("d", 1), *left]
    assert paths(below, [Entry("d", SYMLINK, 0o777, target="x")]) == [("d", 1), *left]
    assert paths(below, [Entry("d", WHITEOUT, 0)], [folder("d"), file("d/new")]) == [
        ("d", 2),
        left[0],
        ("d/new", 2),
        left[1],
    ]


def test_many_removed_directories_at_once():
    numbers = range(5_000)
    below = [entry for one in numbers for entry in (folder(f"d{one}"), file(f"d{one}/x"))]
    assert paths(below, [Entry(f"d{one}", WHITEOUT, 0) for one in numbers]) == []
