"""Trees of .debs: what dpkg would have put there, whoever wrote the package."""

from __future__ import annotations

import hashlib
import os
import subprocess

import pytest
from build_samples import make_deb, tar_file, tree_on_disk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.build.deb_tree import read_deb_control, unpack_deb
from shipway.core.errors import HostileInput, ToolError

INFO = "var/lib/dpkg/info"


def unpack(tmp_path, deb: str, **kwargs):
    root = os.path.join(tmp_path, f"root{len(os.listdir(tmp_path))}")
    os.mkdir(root)
    fd = os.open(root, os.O_RDONLY)
    try:
        return unpack_deb(deb, fd, **kwargs), root
    finally:
        os.close(fd)


def refused(tmp_path, deb: str, *words: str) -> str:
    before = set(os.listdir(tmp_path))
    with pytest.raises(HostileInput) as caught:
        unpack(tmp_path, deb)
    assert len(set(os.listdir(tmp_path)) - before) <= 1, "nothing beside the tree's own directory"
    assert "demo.deb" in caught.value.message
    for word in words:
        assert word in caught.value.message
    return caught.value.message


def directory(name: str, mode: bytes = b"0000755\0") -> bytes:
    return tar_file(name.encode(), kind=b"5", mode=mode, mtime=b"00000000100\0")


def file(name: str, data: bytes = b"x", mode: bytes = b"0000644\0", **fields) -> bytes:
    return tar_file(name.encode(), data, mode=mode, mtime=b"00000000200\0", **fields)


def link(name: str, target: str, kind: bytes = b"2") -> bytes:
    return tar_file(name.encode(), kind=kind, link=target.encode(), mtime=b"00000000200\0")


BASE = directory("./")


def view(manifest) -> dict[str, tuple[str, int, str]]:
    return {e.path: (e.kind, e.mode, e.target) for e in manifest.entries}


def test_paths_of_a_merged_system(tmp_path):
    data = (
        BASE + directory("./bin/") + file("./bin/sh", mode=b"0004755\0") + directory("./lib/") + directory("./lib/x/")
        + directory("./usr/") + directory("./usr/lib/") + directory("./usr/lib/x/") + file("./usr/lib/x/y") + link("./lib/x/z", "y")
        + link("./sbin/s", "./bin/sh", kind=b"1") + file("./libx", b"not an alias") + file("./lib64/ld.so")
    )  # fmt: skip
    manifest, _ = unpack(tmp_path, make_deb(tmp_path, data))
    found = {path: value for path, value in view(manifest).items() if not path.startswith("var")}
    assert found == {
        "usr": ("d", 0o755, ""),
        "usr/bin": ("d", 0o755, ""),
        "usr/bin/sh": ("f", 0o4755, ""),
        "usr/lib": ("d", 0o755, ""),
        "usr/lib/x": ("d", 0o755, ""),
        "usr/lib/x/y": ("f", 0o644, ""),
        "usr/lib/x/z": ("l", 0o777, "y"),
        "usr/sbin": ("d", 0o755, ""),
        "usr/sbin/s": ("h", 0o4755, "usr/bin/sh"),
        "usr/lib64": ("d", 0o755, ""),
        "usr/lib64/ld.so": ("f", 0o644, ""),
        "libx": ("f", 0o644, ""),
    }


def test_paths_of_a_system_that_is_not_merged(tmp_path):
    manifest, _ = unpack(
        tmp_path, make_deb(tmp_path, BASE + directory("./bin/") + file("./bin/sh")), usrmerge=False
    )
    assert "bin/sh" in view(manifest)
    assert "usr" not in view(manifest)


def test_the_alias_links_themselves_stay(tmp_path):
    manifest, _ = unpack(
        tmp_path, make_deb(tmp_path, BASE + link("./bin", "usr/bin") + link("./lib", "usr/lib"))
    )
    assert view(manifest)["bin"] == ("l", 0o777, "usr/bin")


def test_one_file_under_two_names_of_one_place(tmp_path):
    refused(
        tmp_path, make_deb(tmp_path, BASE + file("./bin/x") + file("./usr/bin/x", b"y")), "usr/bin/x", "twice"
    )


def test_set_id_bits_are_in_the_manifest_only(tmp_path):
    manifest, root = unpack(tmp_path, make_deb(tmp_path, BASE + file("./usr/su", mode=b"0006755\0")))
    assert view(manifest)["usr/su"][1] == 0o6755
    assert os.stat(f"{root}/usr/su").st_mode & 0o7000 == 0


def test_what_dpkg_keeps(tmp_path):
    control = {
        "postinst": b"#!/bin/sh\n",
        "conffiles": b"/etc/demo.conf\n",
        "md5sums": b"0  usr/x\n",
        "triggers": b"activate ldconfig\n",
        "shlibs": b"s",
        "symbols": b"y",
        "templates": b"t",
    }
    manifest, root = unpack(
        tmp_path,
        make_deb(tmp_path, BASE + directory("./etc/") + file("./etc/demo.conf") + file("./bin/x"), control),
    )
    kept = {
        path.rpartition("/")[2]: value
        for path, value in view(manifest).items()
        if path.startswith(INFO + "/")
    }
    assert kept == {
        **{
            f"demo.{name}": ("f", 0o644, "")
            for name in ("conffiles", "md5sums", "triggers", "shlibs", "symbols", "templates", "list")
        },
        "demo.postinst": ("f", 0o755, ""),
    }
    with open(f"{root}/{INFO}/demo.list", encoding="ascii") as listed:
        assert listed.read() == "/.\n/etc\n/etc/demo.conf\n/bin/x\n", "names as the package has them"
    assert {e.mtime for e in manifest.entries if e.path.endswith("demo.list")} == {0o200}
    assert {e.mtime for e in manifest.entries if e.path.endswith("demo.postinst")} == {7}


def test_same_names_of_two_architectures(tmp_path):
    fields = "Package: libdemo1\nVersion: 1\nArchitecture: amd64\nMulti-Arch: same\nMaintainer: a\nDescription: d\n"
    manifest, _ = unpack(tmp_path, make_deb(tmp_path, BASE, fields=fields))
    assert f"{INFO}/libdemo1:amd64.list" in view(manifest)


def test_sums_are_made_where_the_package_has_none(tmp_path):
    _, root = unpack(
        tmp_path, make_deb(tmp_path, BASE + file("./bin/x", b"abc") + file("./usr/y", b"d" * 5000))
    )
    with open(f"{root}/{INFO}/demo.md5sums", encoding="ascii") as sums:
        expected = [(b"abc", "bin/x"), (b"d" * 5000, "usr/y")]
        assert sums.read() == "".join(f"{hashlib.md5(data).hexdigest()}  {path}\n" for data, path in expected)


def test_control_is_read_without_unpacking(tmp_path):
    control = {
        "conffiles": b"/etc/a\n/etc/b\n",
        "md5sums": b"%s  etc/a\n" % hashlib.md5(b"1").hexdigest().encode(),
        "prerm": b"",
        "postinst": b"",
    }
    found = read_deb_control(
        make_deb(tmp_path, BASE + file("./etc/a", b"1") + file("./etc/b", b"2"), control)
    )
    assert found.fields["Package"] == "demo"
    assert found.scripts == ("postinst", "prerm")
    assert found.conffiles == (
        ("/etc/a", hashlib.md5(b"1").hexdigest()),
        ("/etc/b", hashlib.md5(b"2").hexdigest()),
    )


def test_escapes(tmp_path):
    for data in (
        file("../evil"),
        file("./../evil"),
        file("/evil"),
        file("./bin/../../evil"),
        link("./out", "..") + file("./out/evil"),
        link("./usr", "/tmp") + file("./bin/x"),
        file("./a") + link("./h", "../a", kind=b"1"),
        link("./s", "/etc/passwd") + link("./h", "./s", kind=b"1"),
        link("./bin", "usr/bin") + link("./h", "./bin", kind=b"1"),
        tar_file(b"./dev/null", kind=b"3"),
        tar_file(b"./fifo", kind=b"6"),
        file("./a") + file("./a/b"),
        file("./a\nb"),
        link("./", "/"),
    ):
        refused(tmp_path, make_deb(tmp_path, BASE * (not data.startswith(b"./\0")) + data))
    assert not os.path.exists(os.path.join(os.path.dirname(tmp_path), "evil"))


def test_packages_that_would_write_anothers_records(tmp_path):
    for fields in (
        "Package: ../evil\nArchitecture: all\n",
        "Package: a/b\nArchitecture: all\n",
        "Package: demo\nArchitecture: ../x\n",
        "Architecture: all\n",
    ):
        refused(tmp_path, make_deb(tmp_path, BASE, fields=fields), "`Package` or `Architecture`")
    refused(tmp_path, make_deb(tmp_path, BASE + file(f"./{INFO}/demo.postinst"), {"postinst": b"x"}), "twice")
    refused(tmp_path, make_deb(tmp_path, BASE, {"evil.postinst": b"x"}), "no control file")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damage_is_refused_or_harmless(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    path = make_deb(
        folder,
        BASE
        + directory("./bin/")
        + file("./bin/x")
        + link("./bin/l", "x")
        + link("./h", "./bin/x", kind=b"1"),
    )
    with open(path, "rb") as honest:
        raw = bytearray(honest.read())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with open(path, "wb") as out:
        out.write(raw)
    try:
        manifest, root = unpack(folder, path)
    except ToolError:
        assert len(os.listdir(folder)) == 2
        return
    assert set(tree_on_disk(root)) == {e.path for e in manifest.entries}


def dpkg_view(root: str) -> dict[str, tuple[str, int, str]]:
    return {
        path: value
        for path, value in tree_on_disk(root).items()
        if not path.startswith("var/lib/dpkg") or path.startswith(INFO + "/")
    }


@pytest.mark.needs_root
@pytest.mark.needs_tool("dpkg", "dpkg-deb")
@pytest.mark.parametrize("sums", [True, False], ids=["with sums", "without"])
@pytest.mark.parametrize("same", [True, False], ids=["Multi-Arch", "plain"])
def test_equal_to_dpkg(tmp_path, sums, same):
    """A package with every kind of member, unpacked and configured by dpkg itself."""
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True, mode=0o755)
    (tree / "usr/share/demo/deep").mkdir(parents=True)
    (tree / "etc").mkdir()
    (tree / "etc/demo.conf").write_text("conf\n")
    (tree / "usr/share/demo/a file").write_text("x")
    os.link(tree / "usr/share/demo/a file", tree / "usr/share/demo/second")
    os.symlink("/nowhere", tree / "usr/share/demo/link")
    (tree / "usr/share/demo/tool").write_text("#!/bin/sh\n")
    os.chmod(tree / "usr/share/demo/tool", 0o4755)
    architecture = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()
    multi = "Multi-Arch: same\n" if same else ""
    (tree / "DEBIAN/control").write_text(
        f"Package: demo\nVersion: 1\nArchitecture: {architecture}\n{multi}Maintainer: A <a@b.c>\nDescription: d\n"
    )
    (tree / "DEBIAN/conffiles").write_text("/etc/demo.conf\n")
    (tree / "DEBIAN/shlibs").write_text("libdemo 1 demo\n")
    if sums:
        (tree / "DEBIAN/md5sums").write_text("0" * 32 + "  usr/share/demo/tool\n")
    deb = str(tmp_path / "demo.deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, deb], check=True, capture_output=True)
    theirs = tmp_path / "theirs"
    (theirs / "var/lib/dpkg/info").mkdir(parents=True)
    (theirs / "var/lib/dpkg/updates").mkdir()
    (theirs / "var/lib/dpkg/status").touch()
    subprocess.run(
        ["dpkg", f"--root={theirs}", "--force-all", "--log=/dev/null", "-i", deb],
        check=True,
        capture_output=True,
    )
    manifest, root = unpack(tmp_path, deb)
    found = dpkg_view(str(theirs))
    found.pop(f"{INFO}/format", None)
    ours = {path: (kind, mode, target) for path, (kind, mode, target) in dpkg_view(root).items()}
    true_modes = {e.path: e.mode for e in manifest.entries}
    assert {
        p: (k, true_modes.get(p), t)
        for p, (k, _, t) in ours.items()
        if not p.startswith("var") or p.startswith(INFO)
    } == {p: v for p, v in found.items() if not p.startswith("var") or p.startswith(INFO)}


@pytest.mark.needs_network
@pytest.mark.needs_tool("apt-get", "dpkg-deb")
def test_equal_to_dpkg_deb_on_real_packages(tmp_path):
    """Twenty packages of this host's own archive, path by path: type, mode, time, link, content, hard links."""
    names = "base-files bash coreutils dash libc6 libc-bin linux-libc-dev passwd login mount perl-base python3-minimal systemd tzdata zlib1g git sudo util-linux less file"  # fmt: skip
    done = subprocess.run(
        ["apt-get", "download", "-o", "APT::Sandbox::User=root", *names.split()],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"this host's apt delivers nothing: {done.stderr[-200:]}")
    debs = sorted(name for name in os.listdir(tmp_path) if name.endswith(".deb"))
    assert len(debs) == len(names.split())
    for name in debs:
        theirs = str(tmp_path / (name + ".x"))
        subprocess.run(["dpkg-deb", "-x", str(tmp_path / name), theirs], check=True)
        manifest, root = unpack(tmp_path, str(tmp_path / name), usrmerge=False)
        modes = {e.path: e.mode for e in manifest.entries}
        times = {e.path: e.mtime for e in manifest.entries}
        expected = tree_on_disk(theirs)
        ours = {p: v for p, v in tree_on_disk(root).items() if p in expected or not p.startswith("var")}
        assert ours.keys() == expected.keys()
        for path, (kind, mode, content) in expected.items():
            assert (ours[path][0], ours[path][2]) == (kind, content), path
            if kind != "l":
                assert modes[path] == mode, path
            state = os.lstat(f"{theirs}/{path}")
            assert kind != "f" or times[path] == int(state.st_mtime), path
            if kind == "f":
                assert os.lstat(f"{root}/{path}").st_nlink == state.st_nlink, path
