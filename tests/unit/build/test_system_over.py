"""OS packages over an image of others: base, packages' trees and the delta together show what dpkg made of the base."""

import hashlib
import os
from pathlib import Path

import pytest
from mini_debian import base_files, configure, package, unpack_parts

from shipway.build.normalise import find_rule
from shipway.build.system_over import make_system_over
from shipway.build.system_tree import SystemSettings
from shipway.core.errors import BuildError
from shipway.core.manifest import DIRECTORY, WHITEOUT, Entry, Manifest, disk_mode
from shipway.core.overlay import stack

pytestmark = [pytest.mark.needs_userns, pytest.mark.needs_tool("dpkg")]

SETTINGS = SystemSettings(architecture="amd64", epoch=1_000_000_000)


def script(*lines):
    return "\n".join(("#!/bin/sh", "set -e", *lines, ""))


def base_of(folder, *debs, files=()):
    """The layers of an image in which `debs` are installed, with `files` (path -> bytes) on top."""
    essential = package({"Package": "base", "Essential": "yes"}, {**base_files(), "tmp/.keep": (b"", 0o644)})
    parts, delta, root = configure(folder, [essential, *debs])
    layers = [*((part.root, part.manifest) for part in parts), (str(root), delta)]
    top = folder / "top"
    top.mkdir()
    made = {}
    for path, data in dict(files).items():
        for depth in range(1, len(path.split("/"))):
            above = "/".join(path.split("/")[:depth])
            made[above] = Entry(above, DIRECTORY, 0o755)
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_bytes(data)
        made[path] = Entry(path, "f", 0o644, size=len(data), digest=hashlib.sha256(data).hexdigest())
    return [*layers, (str(top), Manifest(made.values()))]


class Over:
    """The result of installing `debs` over `base`."""

    def __init__(self, folder, base, *debs, mode="auto"):
        folder.mkdir()
        self.parts = unpack_parts(folder, debs)
        self.root = folder / "delta"
        self.root.mkdir()
        named = [(str(folder / f"part{number}.deb"), part) for number, part in enumerate(self.parts)]
        self.delta = make_system_over(base, named, SETTINGS, str(self.root), str(folder / "work"), mode=mode)
        self.trees = [
            *base,
            *((part.root, part.manifest) for part in self.parts),
            (str(self.root), self.delta),
        ]
        self.shown = {
            one.entry.path: (one.entry, self.trees[one.tree][0]) for one in stack([m for _, m in self.trees])
        }

    def text(self, path):
        entry, root = self.shown[path]
        return Path(root, entry.path).read_text()

    def delta_paths(self):
        return {entry.path for entry in self.delta.entries if entry.kind != DIRECTORY}


TOOL = {"usr/share/tool/a": (b"a", 0o644), "usr/share/tool/b": (b"b", 0o644)}


def test_a_new_package_leaves_only_the_database(tmp_path):
    over = Over(tmp_path / "over", base_of(tmp_path / "base"), package({"Package": "tool"}, TOOL))
    assert over.delta_paths() == {"var/lib/dpkg/status"}
    assert over.text("var/lib/dpkg/status").count("Status: install ok installed") == 2
    assert over.text("usr/share/tool/a") == "a"


def test_a_newer_version_takes_the_place_of_the_older(tmp_path):
    log = 'echo "$1 $2" >> /etc/said'
    old = package({"Package": "tool"}, TOOL, prerm=script(log), postrm=script(log))
    new = package(
        {"Package": "tool", "Version": "2"},
        {"usr/share/tool/a": (b"A", 0o644), "usr/share/tool/c": (b"c", 0o755)},
        preinst=script(log),
        postinst=script(log),
    )
    over = Over(tmp_path / "over", base_of(tmp_path / "base", old), new)
    assert "usr/share/tool/b" not in over.shown
    assert (over.text("usr/share/tool/a"), over.text("usr/share/tool/c")) == ("A", "c")
    assert over.text("etc/said").split("\n")[:-1] == ["upgrade 2", "upgrade 1", "upgrade 2", "configure 1"]
    assert over.text("var/lib/dpkg/status").count("Package: tool") == 1
    assert [entry.kind for entry in over.delta.entries if entry.path == "usr/share/tool/b"] == [WHITEOUT]


def test_what_the_image_changed_and_excludes_stays_so(tmp_path):
    base = base_of(
        tmp_path / "base",
        package({"Package": "old"}, {"etc/old.conf": (b"shipped", 0o644)}, conffiles="/etc/old.conf\n"),
        files={
            "etc/old.conf": b"changed",
            "etc/dpkg/dpkg.cfg.d/docs": b"path-exclude=/usr/share/doc/*\n",
        },
    )
    new = package(
        {"Package": "old", "Version": "2"},
        {"etc/old.conf": (b"newer", 0o644), "usr/share/doc/old/README": (b"r", 0o644)},
        conffiles="/etc/old.conf\n",
    )
    over = Over(tmp_path / "over", base, new)
    assert over.text("etc/old.conf") == "changed"
    assert over.text("etc/old.conf.dpkg-dist") == "newer"
    assert "usr/share/doc/old/README" not in over.shown


def test_a_diversion_of_the_image_holds(tmp_path):
    divert = script("dpkg-divert --package other --divert /usr/share/tool/a.real --rename /usr/share/tool/a")
    base = base_of(
        tmp_path / "base",
        package({"Package": "other"}, {"usr/share/other": (b"o", 0o644)}, preinst=divert),
        files={"usr/share/tool/a": b"of other"},
    )
    over = Over(tmp_path / "over", base, package({"Package": "tool"}, TOOL))
    assert (over.text("usr/share/tool/a"), over.text("usr/share/tool/a.real")) == ("of other", "a")


def test_owners_and_modes(tmp_path):
    post = script("chown 8:42 /etc/made", "chmod 4750 /etc/made")
    made = package(
        {"Package": "tool"}, {"etc/made": (b"m", 0o755), "usr/bin/su": (b"s", 0o4755)}, postinst=post
    )
    over = Over(tmp_path / "over", base_of(tmp_path / "base"), made)
    entry = over.shown["etc/made"][0]
    assert (entry.mode, entry.uid, entry.gid) == (0o4750, 8, 42)
    assert over.shown["usr/bin/su"][0].mode == 0o4755
    assert "usr/bin/su" not in over.delta_paths()
    for one in over.delta.entries:
        if one.kind in ("f", "d"):
            found = os.lstat(over.root / one.path)
            assert found.st_mode & 0o7777 == disk_mode(one.kind, one.mode), one.path
            assert int(found.st_mtime) == one.mtime


def test_traces_of_the_build_are_gone_and_those_of_the_image_stay(tmp_path):
    base = base_of(tmp_path / "base", files={"var/log/dpkg.log": b"of the image", "etc/machine-id": b"one"})
    post = script(
        "echo key > /etc/ssh_x",
        "mkdir -p /etc/ssh",
        "echo key > /etc/ssh/ssh_host_rsa_key",
        "echo two > /etc/machine-id",
        "/usr/sbin/policy-rc.d && exit 1 || [ $? = 101 ]",
    )
    over = Over(tmp_path / "over", base, package({"Package": "tool"}, TOOL, postinst=post))
    assert over.text("var/log/dpkg.log") == "of the image"
    assert over.text("etc/machine-id") == "one"
    assert over.text("etc/ssh_x") == "key\n"
    assert "etc/ssh/ssh_host_rsa_key" not in over.shown
    assert "usr/sbin/policy-rc.d" not in over.shown
    assert [path for path in over.delta_paths() if find_rule(path)] == []


@pytest.mark.needs_root
@pytest.mark.parametrize("mode", ["chroot"])
def test_a_merged_directory_gives_the_same(tmp_path, mode):
    old = package({"Package": "tool"}, TOOL)
    new = package({"Package": "tool", "Version": "2"}, {"usr/share/tool/c": (b"c", 0o644)})
    base = base_of(tmp_path / "base", old, files={"etc/x": b"x"})
    one = Over(tmp_path / "one", base, new)
    two = Over(tmp_path / "two", base, new, mode=mode)
    assert one.delta.render() == two.delta.render()


def test_the_same_twice(tmp_path):
    base = base_of(tmp_path / "base")
    tool = package(
        {"Package": "tool"},
        TOOL,
        postinst=script("mkdir /var/log", "echo $$ > /var/log/x", "echo hi > /etc/hi"),
    )
    first = Over(tmp_path / "one", base, tool)
    assert first.delta.render() == Over(tmp_path / "two", base, tool).delta.render()


def test_a_script_that_fails_is_told_with_its_words(tmp_path):
    bad = package({"Package": "bad"}, TOOL, postinst=script("echo the reason >&2", "exit 3"))
    with pytest.raises(BuildError, match="bad") as caught:
        Over(tmp_path / "over", base_of(tmp_path / "base"), bad)
    assert "the reason" in caught.value.detail


def test_an_image_without_dpkg_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BuildError, match="no `dpkg`"):
        Over(tmp_path / "over", [(str(tmp_path / "empty"), Manifest([]))], package({"Package": "t"}, TOOL))


@pytest.mark.needs_root
@pytest.mark.parametrize("mode", ["auto", "chroot"])
def test_nothing_is_written_through_links_that_image_or_script_leave(tmp_path, mode):
    outside = tmp_path / "outside"
    (outside / "sbin").mkdir(parents=True)
    (outside / "cacerts").write_bytes(bytes.fromhex("feedfeed0000000200000000"))
    base = base_of(tmp_path / "base")
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "var").mkdir()
    (layer / "var/lock").symlink_to(outside)
    base.append(
        (
            str(layer),
            Manifest([Entry("var", DIRECTORY, 0o755), Entry("var/lock", "l", 0o777, target=str(outside))]),
        )
    )
    post = script(
        "mkdir -p /etc/ssl/certs",
        f"ln -s {outside} /etc/ssl/certs/java",
        "rm -r /usr/share/tool",
        f"ln -s {outside} /usr/share/tool",
    )
    over = Over(tmp_path / "over", base, package({"Package": "tool"}, TOOL, postinst=post), mode=mode)
    assert over.shown["usr/share/tool"][0].target == str(outside)
    assert sorted(path.name for path in outside.iterdir()) == ["cacerts", "sbin"]
    assert (outside / "cacerts").read_bytes() == bytes.fromhex("feedfeed0000000200000000")
    assert list((outside / "sbin").iterdir()) == []


@pytest.mark.needs_root
def test_an_image_whose_folders_are_links_gets_no_file_of_ours(tmp_path):
    outside = tmp_path / "outside"
    (outside / "sbin").mkdir(parents=True)
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "usr").symlink_to(outside)
    (layer / "bin").mkdir()
    (layer / "bin/dpkg").write_text("#!/bin/sh\n")
    digest = hashlib.sha256(b"#!/bin/sh\n").hexdigest()
    entries = [Entry("usr", "l", 0o777, target=str(outside)), Entry("bin", DIRECTORY, 0o755)]
    entries.append(Entry("bin/dpkg", "f", 0o755, size=10, digest=digest))
    with pytest.raises(BuildError):
        Over(
            tmp_path / "over",
            [(str(layer), Manifest(entries))],
            package({"Package": "t"}, TOOL),
            mode="chroot",
        )
    assert list((outside / "sbin").iterdir()) == []
