"""Packages of an image of others, and which files are theirs, from the databases in its layers."""

from __future__ import annotations

import json

import pytest

from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, WHITEOUT, Entry, Manifest
from shipway.image.contents import LayerFiles, read_packages
from shipway.image.databases import find_database, parse_claims

SITE = "usr/lib/python3/site-packages"
STATUS = """Package: git
Status: install ok installed
Version: 1:2.39
Description: x
 Version: 9

Package: old
Status: deinstall ok config-files
Version: 3
"""
APK = "P:musl\nV:1.2-r0\nF:lib\nR:ld-musl.so\na:0:0:755\nF:\nR:at-root\n\nP:empty\nV:1\n\n"


def layer(*entries, **files):
    """A layer with `files` (path with `__` for `/`: text)."""
    texts = {path.replace("__", "/"): text.encode() for path, text in files.items()}
    return layer_of(texts, *entries)


def layer_of(texts, *entries):
    made = [Entry(path, FILE, 0o644, size=len(data), digest="0" * 64) for path, data in texts.items()]
    return LayerFiles(Manifest([*made, *entries]), texts.__getitem__)


def read(*layers):
    notes = []
    found = read_packages(layers, notes.append)
    assert not notes
    return found


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("var/lib/dpkg/status", "status"), ("var/lib/dpkg/status.d/libc6", "status"), ("var/lib/dpkg/status-old", ""),
        ("var/lib/dpkg/status.d/libc6.md5sums", "sums"), ("var/lib/dpkg/info/libc6:amd64.list", "list"),
        ("var/lib/dpkg/info/git.md5sums", ""), ("lib/apk/db/installed", "apk"), ("usr/lib/apk/db/installed", "apk"),
        (f"{SITE}/a-1.dist-info/RECORD", "record"), (f"{SITE}/a/RECORD", ""), ("opt/conda/conda-meta/a-1-0.json", "conda"),
        ("home/var/lib/dpkg/status", ""),
    ],
)  # fmt: skip
def test_databases_are_told_by_their_paths(path, kind):
    assert find_database(path) == kind


def test_each_kind_of_database():
    files = {
        "var/lib/dpkg/status": STATUS.encode(),
        "var/lib/dpkg/info/git.list": b"/.\n/usr\n/usr/bin/git\n",
        "usr/bin/git": b"",
        "lib/apk/db/installed": APK.encode(),
        "lib/ld-musl.so": b"",
        "at-root": b"",
        f"{SITE}/My_Pkg-1.0+cpu.dist-info/RECORD": b'my/a.py,sha256=x,1\n../../../bin/tool,,\n"my/a,b",,\n',
        f"{SITE}/my/a.py": b"",
        f"{SITE}/my/a,b": b"",
        "usr/bin/tool": b"",
        "opt/conda/conda-meta/mkl-1-0.json": json.dumps(
            {"name": "mkl", "version": "2024", "files": ["lib/libmkl.so", 7]}
        ).encode(),
        "opt/conda/lib/libmkl.so": b"",
        "etc/mine": b"",
    }
    found = read(layer_of(files))
    assert found.there == {
        ("deb", "git"): "1:2.39",
        ("apk", "musl"): "1.2-r0",
        ("apk", "empty"): "1",
        ("wheel", "my-pkg"): "1.0+cpu",
        ("conda", "mkl"): "2024",
    }
    assert {path: owner.name for path, owner in found.owners[0].items()} == {
        "usr/bin/git": "git",
        "lib/ld-musl.so": "musl",
        "at-root": "musl",
        f"{SITE}/my/a.py": "my-pkg",
        f"{SITE}/my/a,b": "my-pkg",
        "usr/bin/tool": "my-pkg",
        "opt/conda/lib/libmkl.so": "mkl",
    }
    assert found.owners[0]["usr/bin/git"] == ("deb", "git", "1:2.39")


def test_an_image_without_dpkg_has_one_file_for_each_package():
    files = {
        "var/lib/dpkg/status.d/libc6": b"Package: libc6\nVersion: 2.36\n",
        "var/lib/dpkg/status.d/libc6.md5sums": b"00112233445566778899aabbccddeeff  lib/libc.so.6\n",
        "lib/libc.so.6": b"",
    }
    found = read(layer_of(files))
    assert found.there == {("deb", "libc6"): "2.36"}
    assert found.owners[0]["lib/libc.so.6"].version == "2.36"


def test_links_among_folders_are_followed():
    links = (
        Entry("usr", DIRECTORY, 0o755), Entry("bin", SYMLINK, 0o777, target="usr/bin"),
        Entry("usr/lib64", SYMLINK, 0o777, target="/lib"), Entry("loop", SYMLINK, 0o777, target="loop"),
        Entry("up", SYMLINK, 0o777, target="../../usr/bin"), Entry("usr/bin", DIRECTORY, 0o755), Entry("lib", DIRECTORY, 0o755),
    )  # fmt: skip
    names = "/bin/a\n/usr/lib64/b\n/loop/c\n/up/d\n/../../etc/e\n"
    files = {"var/lib/dpkg/info/x.list": names.encode()}
    files |= dict.fromkeys(("usr/bin/a", "lib/b", "usr/bin/d", "etc/e"), b"")
    assert sorted(read(layer_of(files, *links)).owners[0]) == ["etc/e", "lib/b", "usr/bin/a", "usr/bin/d"]


def test_a_package_that_a_later_layer_removes_keeps_its_files_and_is_not_there():
    bottom = layer(
        var__lib__dpkg__status="Package: gcc\nVersion: 12\nStatus: install ok installed\n",
        usr__bin__gcc="",
        **{"var__lib__dpkg__info__gcc.list": "/usr/bin/gcc\n"},
    )
    top = layer(
        Entry("usr/bin/gcc", WHITEOUT, 0),
        Entry("var/lib/dpkg/info/gcc.list", WHITEOUT, 0),
        var__lib__dpkg__status="Package: git\nVersion: 2\nStatus: install ok installed\n",
    )
    found = read(bottom, top)
    assert found.there == {("deb", "git"): "2"}
    assert found.owners[0]["usr/bin/gcc"] == ("deb", "gcc", "12")
    assert found.owners[1] == {}


def test_a_layer_below_the_database_is_read_with_the_later_one():
    bottom = layer(usr__bin__git="")
    top = layer(var__lib__dpkg__status=STATUS, **{"var__lib__dpkg__info__git.list": "/usr/bin/git\n"})
    assert read(bottom, top).owners[0]["usr/bin/git"].version == "1:2.39"
    bottom = layer(usr__bin__git="", **{"var__lib__dpkg__info__git.list": "/usr/bin/git\n"})
    assert read(bottom, layer(var__lib__dpkg__status=STATUS)).owners[0]["usr/bin/git"].version == "1:2.39"


def test_each_layer_has_the_version_of_its_time():
    record = f"{SITE}/a-%s.dist-info/RECORD"
    one = layer_of({record % 1: b"a.py,,\n", f"{SITE}/a.py": b"1"})
    two = layer_of({record % 2: b"a.py,,\n", f"{SITE}/a.py": b"2"}, Entry(record % 1, WHITEOUT, 0))
    found = read(one, two)
    assert [owners[f"{SITE}/a.py"].version for owners in found.owners] == ["1", "2"]
    assert found.there == {("wheel", "a"): "2"}


def test_a_second_copy_in_another_folder_is_named_with_it():
    files = {f"{site}/a-{version}.dist-info/RECORD": b"" for site, version in (("lib", 1), ("opt/venv", 2))}
    assert read(layer_of(files)).there == {("wheel", "a"): "1", ("wheel", "a (opt/venv)"): "2"}


def test_links_of_a_package_are_its_own_and_folders_are_nobodys():
    hard = Entry("b", HARDLINK, 0o644, target="a")
    names = b"/a\n/b\n/c\n"
    files = {"var/lib/dpkg/info/x.list": names, "a": b""}
    assert sorted(read(layer_of(files, hard, Entry("c", DIRECTORY, 0o755))).owners[0]) == ["a", "b"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("opt/conda/conda-meta/a.json", b"["), ("opt/conda/conda-meta/a.json", b"[" * 100_000),
        ("opt/conda/conda-meta/a.json", b'{"name": 1, "version": "1", "files": []}'),
        (f"{SITE}/a-1.dist-info/RECORD", b'"' + b"x" * 200_000), ("var/lib/dpkg/status", b"\xff\0Package\n\n:"),
        ("var/lib/dpkg/status", b"Package: " + b"x" * 300 + b"\nVersion: 1\n"), ("lib/apk/db/installed", b"V:1\nF:x\nR:y\n"),
    ],
)  # fmt: skip
def test_what_is_damaged_claims_nothing(path, text):
    assert list(parse_claims(find_database(path), path, text, str)) == []


def test_a_database_that_is_too_big_is_said_and_not_read():
    big = Entry("var/lib/dpkg/status", FILE, 0o644, size=1 << 40, digest="0" * 64)
    notes = []
    found = read_packages([LayerFiles(Manifest([big]), dict[str, bytes]().__getitem__)], notes.append)
    assert found.there == {}
    assert "too big" in notes[0].text
