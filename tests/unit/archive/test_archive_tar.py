"""The tar reader: what honest writers write is read as tarfile reads it; what readers disagree about is refused."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile

import pytest
from archive_bytes import END, NAMES_THAT_ESCAPE, long_name, padded, pax, stream, tar_file, tar_header
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.archive.limits import Limits
from shipway.archive.tar import SPECIAL, read_tar
from shipway.core.errors import HostileInput, ToolError


def members(data: bytes, **kwargs):
    return [(m.path, m.kind, m.content.read()) for m in read_tar(stream(data), "demo.tar", **kwargs)]


def refused(data: bytes, *words: str, **kwargs) -> str:
    with pytest.raises(HostileInput) as caught:
        members(data, **kwargs)
    message = caught.value.message
    assert "demo.tar" in message
    assert caught.value.hints
    for word in words:
        assert word in message
    return message


def test_plain_file():
    assert members(tar_file(b"a/b", b"hello") + END) == [("a/b", "f", b"hello")]


def test_content_not_taken_is_skipped():
    found = read_tar(stream(tar_file(b"a", b"x" * 700) + tar_file(b"b", b"y") + END), "demo.tar")
    next(found)
    assert next(found).content.read() == b"y"


@pytest.mark.parametrize("case", [k for k in NAMES_THAT_ESCAPE if k != "NUL"])
def test_escaping_names_are_refused(case):
    name = NAMES_THAT_ESCAPE[case].encode()
    data = (tar_file(name, b"x") if len(name) <= 100 else long_name(name) + tar_file(name[:100], b"x")) + END
    refused(data)
    refused(pax((b"path", name)) + tar_file(b"ok", b"x") + END)


def test_nul_in_names():
    refused(tar_file(b"ok\0../evil") + END, "behind the NUL")
    refused(pax((b"path", b"a\0b")) + tar_file(b"ok") + END, "NUL")
    refused(long_name(b"a\0../b") + tar_file(b"ok") + END, "NUL")


def test_escaping_hard_link_targets():
    for target in (b"../x", b"/etc/passwd", b"a/../../b"):
        refused(tar_file(b"a", b"x") + tar_file(b"b", kind=b"1", link=target) + END)


def test_hard_link_to_nothing_or_to_a_link():
    refused(tar_file(b"b", kind=b"1", link=b"a") + END, "`b`", "no earlier file")
    refused(
        tar_file(b"a", kind=b"2", link=b"/etc/passwd") + tar_file(b"b", kind=b"1", link=b"a") + END, "`b`"
    )


def test_symlink_target_is_any_text_but_not_empty():
    (member,) = read_tar(stream(tar_file(b"a", kind=b"2", link=b"../../../etc") + END), "demo.tar")
    assert member.target == "../../../etc"
    refused(tar_file(b"a", kind=b"2") + END, "`a`")


def test_duplicates():
    refused(tar_file(b"a") + tar_file(b"./a") + END, "occurs twice")
    refused(tar_file(b"a/", kind=b"5") + tar_file(b"a", kind=b"2", link=b"/") + END, "occurs twice")


def test_root_must_be_a_directory():
    assert members(tar_file(b"./", kind=b"5") + END) == [(".", "d", b"")]
    refused(tar_file(b"./.", kind=b"2", link=b"/etc") + END, "root")
    refused(tar_file(b"./", kind=b"2", link=b"/etc") + END, "root")


def test_special_files_are_reported_not_made():
    for kind in (b"3", b"4", b"6"):
        assert members(tar_file(b"dev", kind=kind) + END) == [("dev", SPECIAL, b"")]


@pytest.mark.parametrize("kind", [b"S", b"M", b"V", b"D", b"N", b"A", b"X", b"7", b"Z", b"\xff"])
def test_other_types(kind):
    refused(tar_file(b"a", kind=kind) + END, "tar type")


@pytest.mark.parametrize(
    "size",
    [
        b"-0000000001\0",
        b"\xff" * 12,
        b"\xff" + b"\0" * 11,
        b"\x80" + b"\xff" * 11,
        b"0000000000x\0",
        b"00000 00001\0",
        b"99999999999\0",
        b"0x000000001\0",
        b"1\x0000000000 1",
    ],
)
def test_impossible_sizes(size):
    refused(tar_header(b"a", size=size) + END)


def test_size_of_gnu_base_256_is_read():
    assert (
        members(tar_header(b"a", size=b"\x80" + (5).to_bytes(11, "big")) + padded(b"hello") + END)[0][2]
        == b"hello"
    )


def test_two_sizes_that_differ():
    inner = tar_file(b"smuggled", b"evil")
    refused(pax((b"size", b"%d" % len(inner))) + tar_header(b"a", size=0) + inner + END, "two sizes")
    refused(pax((b"size", b"0")) + tar_file(b"a", b"x") + END, "two sizes")
    refused(pax((b"size", b"-1")) + tar_file(b"a", b"x") + END, "size")
    assert members(pax((b"size", b"1")) + tar_file(b"a", b"x") + END) == [("a", "f", b"x")]


def test_gnu_and_pax_names_for_one_member():
    refused(long_name(b"a") + pax((b"path", b"b")) + tar_file(b"c") + END)
    refused(long_name(b"a") + long_name(b"b") + tar_file(b"c") + END)
    refused(pax((b"path", b"a"), (b"path", b"b")) + tar_file(b"c") + END)
    refused(long_name(b"a", b"K") + pax((b"linkpath", b"b")) + tar_file(b"c", kind=b"2", link=b"x") + END)


def test_global_headers_change_nothing():
    assert members(pax((b"comment", b"abc"), kind=b"g") + tar_file(b"a") + END) == [("a", "f", b"")]
    refused(pax((b"path", b"b"), kind=b"g") + tar_file(b"a") + END)
    refused(pax((b"SCHILY.xattr.user.a", b"b"), kind=b"g") + tar_file(b"a") + END)


def test_damaged_pax_records():
    for data in (
        b"5 a=b",
        b"0 a=b\n",
        b"99999999999 a=b\n",
        b"x a=b\n",
        b"6 a=b\n\n",
        b"4 =\n",
        b" 6 a=b\n",
        b"6 a b\n",
    ):
        refused(tar_file(b"x", data, kind=b"x") + tar_file(b"a") + END)


def test_sparse_is_refused():
    refused(pax((b"GNU.sparse.major", b"1")) + tar_file(b"a") + END, "GNU.sparse")


def test_content_behind_things_without_content():
    for kind in (b"1", b"2", b"5", b"3", b"6"):
        refused(tar_file(b"z") + tar_header(b"a", kind=kind, size=512, link=b"z") + bytes(512) + END)


def test_directory_named_file():
    refused(tar_file(b"a/", b"") + END, "directory")


def test_checksum_and_format():
    refused(tar_header(b"a", checksum=b"0000000\0") + END, "checksum")
    refused(tar_header(b"a", magic=b"xstar\x0000") + END, "format")


def test_end_marks():
    refused(b"")
    refused(tar_file(b"a"))
    refused(tar_file(b"a") + bytes(512))
    refused(tar_file(b"a", b"x" * 600)[:-512] + b"")
    refused(tar_file(b"a") + END + b"x" * 512, "behind the end")
    refused(tar_file(b"a") + END + tar_file(b"b") + END, "behind the end")
    assert members(tar_file(b"a") + END + bytes(9216))
    refused(pax((b"path", b"a")) + END, "extended header")


def test_truncated_everywhere():
    whole = pax((b"path", b"a" * 120)) + tar_file(b"a", b"x" * 1000) + tar_file(b"b", b"y") + END
    for cut in range(0, len(whole) - 1, 97):
        refused(whole[:cut])


def test_attributes_by_allow_list():
    records = [
        (b"SCHILY.xattr.user.mime", b"text"),
        (b"SCHILY.xattr.security.capability", b"\1\0\0\2"),
        (b"SCHILY.xattr.user.overlay.redirect", b"/etc"),
        (b"SCHILY.xattr.user.overlay.opaque", b"y"),
        (b"SCHILY.xattr.trusted.overlay.opaque", b"y"),
        (b"SCHILY.xattr.security.selinux", b"x"),
    ]
    (member,) = read_tar(stream(pax(*records) + tar_file(b"a") + END), "demo.tar")
    assert member.xattrs == (("security.capability", b"\1\0\0\2"), ("user.mime", b"text"))


def test_owner_ranges():
    for uid in (b"\x80\0\0\0\xff\xff\xff\xff", b"\x80\0\0\1\0\0\0\0", b"\xff" * 8):
        refused(tar_header(b"a", uid=uid) + END)
    for uid in (b"4294967295", b"-1", b"99999999999999999999999"):
        refused(pax((b"uid", uid)) + tar_file(b"a") + END)


def test_times_before_1970_and_impossible_ones():
    (member,) = read_tar(stream(tar_header(b"a", mtime=b"\xff" * 12) + END), "demo.tar")
    assert member.mtime == 0
    (member,) = read_tar(stream(pax((b"mtime", b"-5.5")) + tar_file(b"a") + END), "demo.tar")
    assert member.mtime == 0
    (member,) = read_tar(stream(pax((b"mtime", b"12.9")) + tar_file(b"a") + END), "demo.tar")
    assert member.mtime == 12
    for wrong in (b"nan", b"1e9", b"99999999999999", b"", b"1.x"):
        refused(pax((b"mtime", wrong)) + tar_file(b"a") + END)


def test_caps():
    refused(tar_file(b"a") + tar_file(b"b") + tar_file(b"c") + END, "more than 2", limits=Limits(entries=2))
    refused(tar_header(b"a", size=1 << 40) + END, limits=Limits(total=1 << 30))
    refused(tar_header(b"x", kind=b"x", size=1 << 30) + END, "extended header")
    refused(tar_header(b"x", kind=b"L", size=1 << 30) + END, "extended header")


def test_control_characters_never_reach_the_terminal():
    message = refused(tar_file(b"\x1b[2J/../x") + END)
    assert "\x1b" not in message


def test_many_members_take_linear_time():
    """10^5 links: the caps of entries are far above, so this must not be quadratic."""
    block = b"".join(tar_header(b"d/%d" % n, kind=b"2", link=b"x") for n in range(100_000))
    assert sum(1 for _ in read_tar(stream(block + END), "demo.tar")) == 100_000


def tarfile_view(data: bytes):
    kinds = {
        tarfile.REGTYPE: "f",
        tarfile.AREGTYPE: "f",
        tarfile.DIRTYPE: "d",
        tarfile.SYMTYPE: "l",
        tarfile.LNKTYPE: "h",
    }
    found = []
    with tarfile.open(fileobj=io.BytesIO(data), errorlevel=2) as tar:
        for info in tar:
            content = tar.extractfile(info).read() if info.isreg() else b""
            found.append(
                (
                    info.name,
                    kinds[info.type],
                    info.mode,
                    info.uid,
                    info.gid,
                    int(info.mtime),
                    info.linkname,
                    content,
                )
            )
    return found


def our_view(data: bytes):
    return [
        (m.path, m.kind, m.mode, m.uid, m.gid, m.mtime, m.target, m.content.read())
        for m in read_tar(stream(data), "demo.tar")
    ]


part = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/\\"), min_size=1, max_size=60
).filter(lambda text: text not in (".", "..") and len(text.encode()) <= 255)
paths = st.lists(part, min_size=1, max_size=5).map("/".join)


@settings(max_examples=80)
@given(
    st.lists(
        st.tuples(
            paths,
            st.binary(max_size=2000),
            st.integers(0, 0o7777),
            st.integers(0, 2**31),
            st.integers(0, 2**33 - 1),
        ),
        max_size=6,
        unique_by=lambda item: item[0],
    ),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_reads_what_tarfile_writes(files, form):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, data, mode, uid, mtime in files:
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.uid, info.gid, info.mtime = len(data), mode, uid, uid, mtime
            tar.addfile(info, io.BytesIO(data))
    assert our_view(out.getvalue()) == tarfile_view(out.getvalue())


@pytest.mark.parametrize("form", ["gnu", "posix", "ustar"])
def test_reads_what_gnu_tar_writes(tmp_path, form):
    source = tmp_path / "source"
    deep = source / ("d" * 90) / ("e" * 60)
    deep.mkdir(parents=True)
    (deep / ("f" * 30)).write_bytes(b"deep")
    (source / "plain").write_bytes(b"x" * 513)
    os.link(source / "plain", source / "second")
    os.symlink("plain", source / "link")
    if form != "ustar":
        (source / ("ü" * 70)).write_bytes(b"long")
    done = subprocess.run(
        ["tar", f"--format={form}", "--sort=name", "-C", source, "-cf", "-", "."],
        check=True,
        capture_output=True,
    )
    ours = [
        (path if path == "." else "./" + path, kind, content)
        for path, kind, *_, content in our_view(done.stdout)
    ]
    assert ours == [(name, kind, content) for name, kind, *_, content in tarfile_view(done.stdout)]


def _seed() -> bytes:
    return (
        tar_file(b"./", kind=b"5")
        + pax((b"path", b"long/" + b"n" * 120), (b"mtime", b"5.5"))
        + tar_file(b"x", b"hello")
        + long_name(b"g" * 130)
        + tar_file(b"y", b"world")
        + tar_file(b"l", kind=b"2", link=b"y")
        + END
    )


@settings(max_examples=300, deadline=10_000)
@given(st.data())
def test_damage_is_refused_or_harmless(data):
    """Any change of some bytes: an error of ours, or members that keep every promise; never another exception, never a hang."""
    raw = bytearray(_seed())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(raw) // 512 - 1)) * 512
        header = raw[at : at + 512]
        header[148:156] = b" " * 8
        raw[at + 148 : at + 156] = b"%06o\0 " % sum(header)
    try:
        found = members(bytes(raw))
    except ToolError:
        return
    for path, _, _ in found:
        assert path == "." or not any(part in ("", ".", "..") for part in path.split("/"))
        assert "\0" not in path


@settings(max_examples=200, deadline=10_000)
@given(st.binary(max_size=3000))
def test_noise_is_refused(data):
    with pytest.raises(ToolError):
        members(data)
