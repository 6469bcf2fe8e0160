"""ar, compressed streams and .debs: strict, bounded, and read as dpkg-deb reads them."""

from __future__ import annotations

import gzip
import lzma
import os
import subprocess

import pytest
import zstandard
from archive_bytes import CONTROL, END, ar_member, deb, opened, tar_file
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.archive.ar import read_ar
from shipway.archive.deb import open_deb, parse_paragraph
from shipway.archive.limits import Limits
from shipway.archive.stream import Bytes, decompress
from shipway.core.errors import HostileInput, ToolError

DATA = tar_file(b"./usr/x", b"hello") + END


def read(data: bytes, **kwargs):
    fd = opened(data)
    try:
        package = open_deb(fd, "demo.deb", **kwargs)
        return package.fields, [(m.path, m.content.read()) for m in package.members()]
    finally:
        os.close(fd)


def refused(data: bytes, *words: str, **kwargs) -> str:
    with pytest.raises(HostileInput) as caught:
        read(data, **kwargs)
    assert "demo.deb" in caught.value.message
    for word in words:
        assert word in caught.value.message
    return caught.value.message


def test_honest():
    fields, members = read(deb(DATA))
    assert fields["Package"] == "demo"
    assert members == [("usr/x", b"hello")]


def three(
    *, binary=b"2.0\n", control=b"control.tar", control_data=None, data=b"data.tar", data_data=DATA
) -> bytes:
    inner = tar_file(b"control", CONTROL) + END if control_data is None else control_data
    return (
        b"!<arch>\n"
        + ar_member(b"debian-binary", binary)
        + ar_member(control, inner)
        + ar_member(data, data_data)
    )


def test_order_and_names_of_members():
    read(three())
    refused(b"!<arch>\n" + ar_member(b"debian-binary", b"2.0\n"), "members")
    refused(three(control=b"data.tar", data=b"control.tar"), "members")
    refused(three(binary=b"3.0\n"), "unknown format")
    refused(three(binary=b"2.0"), "unknown format")
    refused(three(control=b"control.tar.exe"))
    refused(three() + ar_member(b"data.tar.xz", b""), "members")
    refused(three() + ar_member(b"data.tar", b""), "twice")
    read(three() + ar_member(b"_gpgorigin", b"signature"))


@pytest.mark.parametrize("size", [b"-1", b"99999999", b"", b"0x10", b"1 2", b"1e3", b"+5"])
def test_ar_sizes(size):
    data = b"!<arch>\n" + ar_member(b"debian-binary", b"2.0\n", size=size)
    refused(data)


@pytest.mark.parametrize("name", [b"../evil", b"/", b"//", b"a b", b"\xff", b"", b"a\0b", b"/0"])
def test_ar_names(name):
    fd = opened(b"!<arch>\n" + ar_member(name, b"x"))
    with pytest.raises(HostileInput):
        read_ar(fd, "demo.deb")
    os.close(fd)


def test_ar_damage():
    refused(b"")
    refused(b"!<thin>\n" + three()[8:])
    refused(three() + b"trailing")
    refused(three()[:-20])
    refused(three().replace(b"`\n", b"``", 1))


def test_control_archive():
    def control(*members: bytes) -> bytes:
        return three(control_data=b"".join(members) + END)

    refused(control(tar_file(b"postinst", b"x")), "no `control`")
    refused(control(tar_file(b"control", CONTROL), tar_file(b"../postinst", b"x")))
    refused(control(tar_file(b"control", CONTROL), tar_file(b"sub/postinst", b"x")), "no plain file")
    refused(control(tar_file(b"control", kind=b"2", link=b"/etc/passwd")), "no plain file")
    refused(control(tar_file(b"control", CONTROL), tar_file(b"f", kind=b"6")), "no plain file")
    refused(
        control(tar_file(b"control", CONTROL), tar_file(b"big", bytes(5000))),
        "too large",
        limits=Limits(control=4000),
    )


@pytest.mark.parametrize(
    "text", ["", "Package", "A: 1\n\nB: 2", "A: 1\nA: 2", "A: 1\na: 2", " leading", "a b: c", ": x"]
)
def test_paragraphs_that_are_none(text):
    with pytest.raises(HostileInput):
        parse_paragraph(text, "demo.deb")


def test_paragraph():
    assert parse_paragraph("A: 1\nB:\n x\n y\n", "demo.deb") == {"A": "1", "B": "\nx\ny"}


PACKERS = {
    "xz": lzma.compress,
    "gz": gzip.compress,
    "zst": zstandard.ZstdCompressor().compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}


def unpack(suffix: str, packed: bytes, step: int = 1000, **kwargs) -> bytes:
    chunks = (packed[at : at + step] for at in range(0, len(packed), step))
    return b"".join(decompress(f"data.tar.{suffix}", chunks, len(packed), "demo.deb", **kwargs))


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("data", [b"", b"x", os.urandom(100_000), b"ab" * 3_000_000])
def test_streams(suffix, data):
    packed = PACKERS[suffix](data)
    for step in (1 << 18, 1000):
        assert unpack(suffix, packed, step) == data


@pytest.mark.parametrize("suffix", PACKERS)
def test_streams_cut_or_followed_or_damaged(suffix):
    packed = PACKERS[suffix](os.urandom(20_000))
    with pytest.raises(HostileInput):
        unpack(suffix, packed[:-10])
    with pytest.raises(HostileInput):
        unpack(suffix, b"")
    with pytest.raises(HostileInput):
        unpack(suffix, b"\xff" * 100)
    for step in (1 << 18, 1000):
        with pytest.raises(HostileInput, match="after the end"):
            unpack(suffix, packed + b"trailing", step)
        with pytest.raises(HostileInput, match="after the end"):
            unpack(suffix, packed + packed, step)


@pytest.mark.parametrize("suffix", PACKERS)
def test_bombs_stop_early(suffix):
    packed = PACKERS[suffix](bytes(50_000_000))
    seen: list[int] = []
    chunks = decompress(f"x.{suffix}", iter([packed]), len(packed), "demo.deb", Limits(slack=1000, ratio=10))
    with pytest.raises(HostileInput, match="unpacks to"):
        seen.extend(len(chunk) for chunk in chunks)
    assert sum(seen) < 6_000_000


def test_bomb_as_a_package():
    packed = lzma.compress(tar_file(b"./x", bytes(5_000_000)) + END)
    refused(three(data=b"data.tar.xz", data_data=packed), "unpacks to", limits=Limits(slack=1 << 20, ratio=5))


def test_exact_reads():
    reader = Bytes(iter([b"abc", b"", b"defgh", b"i"]))
    assert [reader.read(n) for n in (1, 4, 0, 2, 10, 5)] == [b"a", b"bcde", b"", b"fg", b"hi", b""]


@settings(max_examples=150, deadline=10_000)
@given(st.data())
def test_damage_is_refused_or_harmless(data):
    raw = bytearray(deb(DATA))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        _, members = read(bytes(raw))
    except ToolError:
        return
    for path, _ in members:
        assert ".." not in path.split("/")


@pytest.mark.needs_tool("dpkg-deb")
@pytest.mark.parametrize("packer", ["none", "gzip", "xz", "zstd"])
def test_reads_what_dpkg_deb_builds(tmp_path, packer):
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True, mode=0o755)
    (tree / "DEBIAN/control").write_bytes(
        CONTROL.replace(b"Description", b"Maintainer: A <a@b.c>\nDescription")
    )
    deep = tree / "usr/share" / ("d" * 120)
    deep.mkdir(parents=True)
    (deep / "f").write_bytes(b"x" * 1000)
    os.symlink("f", deep / "l")
    file = tmp_path / "demo.deb"
    subprocess.run(
        ["dpkg-deb", f"-Z{packer}", "--root-owner-group", "-b", tree, file], check=True, capture_output=True
    )
    _, members = read(file.read_bytes())
    shown = subprocess.run(["dpkg-deb", "--fsys-tarfile", file], check=True, capture_output=True).stdout
    names = (
        subprocess.run(["tar", "-t"], input=shown, check=True, capture_output=True).stdout.decode().split()
    )
    assert [path for path, _ in members] == [
        name.removeprefix("./").removesuffix("/") or "." for name in names
    ]
