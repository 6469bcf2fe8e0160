"""What differs between two environments, from values alone."""

from __future__ import annotations

import hashlib

from shipway.core.manifest import DIRECTORY, FILE, SYMLINK, WHITEOUT, Entry, Manifest
from shipway.plan.diff import Named, Package, Side, What, compare


def file(path, content, mode=0o644, **more):
    return Entry(
        path, FILE, mode, size=len(content), digest=hashlib.sha256(content.encode()).hexdigest(), **more
    )


def side(label, *trees, packages=(), config=()):
    named = tuple(Named(f"tree{number}", Manifest(entries)) for number, entries in enumerate(trees))
    return Side(label=label, packages=dict(packages), config=dict(config), trees=named)


def test_packages_and_configuration():
    old = {
        ("deb", "git"): Package("1", "sha256:aa"),
        ("deb", "curl"): Package("1", "sha256:bb"),
        ("wheel", "six"): Package("1", "sha256:cc"),
    }
    new = {
        ("deb", "git"): Package("2", "sha256:dd"),
        ("wheel", "jax"): Package("1", "sha256:ee"),
        ("wheel", "six"): Package("1", "sha256:ff"),
    }
    found = compare(
        side("a", packages=old, config={"env.A": "1", "base": "x"}),
        side("b", packages=new, config={"env.B": "2", "base": "x"}),
    )
    assert found.packages == (
        ("deb", "curl", What.REMOVED, "1", ""),
        ("deb", "git", What.CHANGED, "1", "2"),
        ("wheel", "jax", What.ADDED, "", "1"),
        ("wheel", "six", What.CHANGED, "1 (cc)", "1 (ff)"),
    )
    assert found.config == (("env.A", "1", ""), ("env.B", "", "2"))
    assert not found.same


def test_files_with_the_tree_they_come_from():
    old = side("a", [file("same", "x", mtime=1), file("gone", "xy"), file("mode", "x"), file("kind", "x")])
    top = [
        file("mode", "x", 0o755),
        Entry("kind", SYMLINK, 0o777, target="same"),
        Entry("gone", WHITEOUT, 0),
        file("new", "abc"),
    ]
    new = side("b", [file("same", "x", mtime=2), file("gone", "xy"), file("mode", "x")], top)
    assert compare(old, new).files == (
        ("gone", What.REMOVED, (), 2, 0, "tree0"),
        ("kind", What.CHANGED, ("type",), 1, 0, "tree1"),
        ("mode", What.CHANGED, ("mode",), 1, 1, "tree1"),
        ("new", What.ADDED, (), 0, 3, "tree1"),
    )


def test_every_aspect_is_told():
    old = side("a", [file("f", "x"), Entry("d", DIRECTORY, 0o755), Entry("l", SYMLINK, 0o777, target="f")])
    new = side(
        "b",
        [
            file("f", "y", uid=7, xattrs=(("user.x", b"1"),)),
            Entry("d", DIRECTORY, 0o700),
            Entry("l", SYMLINK, 0o777, target="d"),
        ],
    )
    assert [(change.path, change.aspects) for change in compare(old, new).files] == [
        ("d", ("mode",)),
        ("f", ("content", "owner", "attributes")),
        ("l", ("target",)),
    ]


def test_files_that_are_not_here_are_no_difference_and_not_equal_either():
    there = side("a", [file("f", "x")])
    missing = Side(label="b", packages={}, config={}, trees=None)
    found = compare(there, missing)
    assert found.files is None
    assert found.same
    assert compare(there, there).files == ()
