"""The layer writer: bytes that never change, and that GNU tar and tarfile read back as they were meant."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.archive.tar import read_tar
from shipway.archive.tarwriter import write_layer
from shipway.core.errors import HostileInput, StoreError
from shipway.core.manifest import Entry, path_bytes

T = 315532800


def written(entries, contents: dict[str, bytes] | None = None, **kwargs) -> bytes:
    out = io.BytesIO()
    size = write_layer(
        ((entry, lambda entry=entry: io.BytesIO((contents or {})[entry.path])) for entry in entries),
        out,
        **kwargs,
    )
    assert size == len(out.getvalue())
    return out.getvalue()


def file(path: str, data: bytes = b"", mode: int = 0o644, **fields) -> Entry:
    return Entry(
        path,
        "f",
        mode,
        mtime=fields.pop("mtime", T),
        size=len(data),
        digest=hashlib.sha256(data).hexdigest(),
        **fields,
    )


LONG = "d" * 90 + "/" + "e" * 90
CONTENTS = {
    "a/f": b"hello\n",
    LONG + "/x": b"z",
    "\u00fc/\u00e9": b"1",
    "big": bytes(range(256)) * 8000,
    "caps": b"c",
    "raw\udcff": b"2",
}
SAMPLE = sorted(
    [
        Entry("a", "d", 0o1777, 1, 2, T),
        file("a/f", CONTENTS["a/f"], 0o4755),
        Entry("a/h", "h", 0o4755, mtime=T, target="a/f"),
        Entry("a/l", "l", 0o777, mtime=T, target="../x"),
        Entry("a/gone", "w", 0, mtime=T),
        Entry("d" * 90, "d", 0o755, mtime=T),
        Entry(LONG, "d", 0o755, mtime=T),
        file(LONG + "/x", b"z"),
        Entry("\u00fc", "d", 0o755, mtime=T),
        file("\u00fc/\u00e9", b"1"),
        file("raw\udcff", b"2"),
        file("big", CONTENTS["big"]),
        Entry("long-link", "l", 0o777, mtime=T, target="t" * 150),
        file("caps", b"c", uid=3_000_000, gid=4_000_000, xattrs=(
            ("user.z", b"9"), ("security.capability", b"\1\0"), ("user.overlay.opaque", b"y"), ("trusted.x", b"n"))),
    ],
    key=lambda entry: path_bytes(entry.path),
)  # fmt: skip


def test_golden_bytes():
    """Digests of layers stand in locks and registries. A change here needs a new WRITER_VERSION, never a new number."""
    assert hashlib.sha256(written(SAMPLE, CONTENTS)).hexdigest() == GOLDEN


GOLDEN = "1cf89a8d38a9c7150ef0112a9c944bd5c2f98e984d6faf4c86683bada8cf9f2a"


def test_one_header_byte_by_byte():
    data = written([file("f", b"x", 0o4755)], {"f": b"x"})
    assert len(data) == 512 + 512 + 1024
    assert data[:100] == b"f" + bytes(99)
    assert data[100:148] == b"0004755\x000000000\x000000000\x0000000000001\x0002263461000\0".replace(
        b"02263461000", b"%011o" % T
    )
    assert data[156:157] == b"0"
    assert data[257:265] == b"ustar\x0000"
    assert data[265:329] == bytes(64), "no user or group names"
    assert data[329:345] == b"0000000\x000000000\0"
    assert data[345:512] == bytes(167)
    assert data[512:] == b"x" + bytes(511 + 1024)


def test_empty_layer_is_two_blocks():
    assert written([]) == bytes(1024)


def test_own_reader_reads_it_back():
    found = {
        m.path: m
        for m in read_tar(io.BytesIO(written([e for e in SAMPLE if e.kind != "w"], CONTENTS)), "layer")
    }
    assert set(found) == {e.path for e in SAMPLE if e.kind != "w"}
    for entry in SAMPLE:
        if entry.kind != "w":
            member = found[entry.path]
            assert (member.kind, member.mode, member.uid, member.gid, member.mtime, member.target) == (
                *entry[1:6],
                entry.target,
            )
    assert found["caps"].xattrs == (("security.capability", b"\1\0"), ("user.z", b"9"))


def test_tarfile_reads_it_back():
    with tarfile.open(fileobj=io.BytesIO(written(SAMPLE, CONTENTS)), errorlevel=2) as tar:
        infos = {info.name: info for info in tar.getmembers()}
        for entry in SAMPLE:
            info = infos[entry.path if entry.kind != "w" else "a/.wh.gone"]
            assert int(info.mtime) == T
            assert (info.uid, info.gid, info.uname, info.gname) == (entry.uid, entry.gid, "", "")
            if entry.kind == "f":
                assert tar.extractfile(info).read() == CONTENTS[entry.path]
            if entry.target:
                assert info.linkname == entry.target
    assert (
        infos["caps"].pax_headers
        == {
            "SCHILY.xattr.security.capability": "\1\0",
            "SCHILY.xattr.user.z": "9",
            "uid": "3000000",
            "gid": "4000000",
        }
        or "SCHILY.xattr.user.z" in infos["caps"].pax_headers
    )


def test_gnu_tar_reads_it_back(tmp_path):
    data = written([e for e in SAMPLE if e.kind != "w"], CONTENTS)
    done = subprocess.run(
        ["tar", "--warning=all", "--no-same-owner", "-xf", "-", "-C", tmp_path],
        input=data,
        check=True,
        capture_output=True,
    )
    noise = [line for line in done.stderr.splitlines() if b"unknown extended header keyword" not in line]
    assert noise == []
    for path, content in CONTENTS.items():
        assert (tmp_path / path).read_bytes() == content
    assert (tmp_path / "a/h").samefile(tmp_path / "a/f")


def test_order_is_demanded():
    for paths in (("b", "a"), ("a", "a")):
        with pytest.raises(ValueError, match="order"):
            written([Entry(path, "d", 0o755) for path in paths])


def test_whiteouts_have_no_size_or_owner_to_leak():
    data = written([Entry("a/b", "w", 0o600, mtime=T)])
    assert data[:100].rstrip(b"\0") == b"a/.wh.b"
    assert data[100:108] == b"0000644\0"
    assert len(data) == 512 + 1024


@pytest.mark.parametrize("path", [".wh.x", "a/.wh.x", ".wh..wh..opq", "a/.wh..wh..opq", "a/.wh.", ".wh.a/b"])
def test_real_files_cannot_be_whiteouts(path):
    for kind in "fdlw":
        with pytest.raises(HostileInput, match="wh"):
            written([Entry(path, kind, 0o644, target="x" if kind == "l" else "")])


def test_content_that_is_not_the_manifests():
    for data in (b"", b"shor", b"longer"):
        with pytest.raises(StoreError) as caught:
            written([file("f", b"hello")], {"f": data})
        assert "`f`" in caught.value.message
        assert caught.value.hints
    big = bytes(3 << 20)
    for data in (big[:-1], big + b"x"):
        with pytest.raises(StoreError):
            written([file("f", big)], {"f": data})
    written([file("f", b"hello")], {"f": b"HELLO"})
    with pytest.raises(StoreError):
        written([file("f", b"hello")], {"f": b"HELLO"}, verify=True)
    with pytest.raises(StoreError):
        written([file("f", big)], {"f": b"x" + big[1:]}, verify=True)
    written([file("f", big)], {"f": big}, verify=True)


class Endless(io.RawIOBase):
    """A file of zeros that needs no memory."""

    def __init__(self, size):
        self.left = size

    def readable(self):
        return True

    def readinto(self, buffer):
        count = min(len(buffer), self.left)
        self.left -= count
        return count


def test_sizes_beyond_the_field():
    """8 GiB and more stand in PAX, and never in GNU's base-256. Checked on the header alone."""
    from shipway.archive.tarwriter import render_header

    entry = Entry("f", "f", 0o644, mtime=T, size=8 << 30)
    blocks = render_header(entry, b"f")
    assert b" size=8589934592\n" in blocks
    assert blocks[-512:][124:136] == b"00000000000\0"


def test_memory_does_not_grow_with_files():
    import tracemalloc

    size = 200 << 20
    entry = Entry("f", "f", 0o644, mtime=T, size=size)

    class Drop:
        count = 0

        def write(self, data):
            self.count += len(data)

    sink = Drop()
    tracemalloc.start()
    write_layer([(entry, lambda: Endless(size))], sink)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sink.count == size + 512 + 1024
    assert peak < 8 << 20


part = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="/\0\n\r"), min_size=1, max_size=80
).filter(lambda text: text not in (".", "..") and not text.startswith(".wh.") and len(text.encode()) <= 255)


@settings(max_examples=120)
@given(
    st.lists(
        st.tuples(
            st.lists(part, min_size=1, max_size=4).map("/".join),
            st.integers(0, 0o7777),
            st.integers(0, 2**31),
            st.binary(max_size=900),
        ),
        max_size=5,
        unique_by=lambda item: item[0],
    )
)
def test_whatever_is_written_two_readers_read_the_same(files):
    entries = [
        file(path, data, mode, uid=uid)
        for path, mode, uid, data in sorted(files, key=lambda item: path_bytes(item[0]))
    ]
    data = written(entries, {path: content for path, _, _, content in files})
    ours = [(m.path, m.mode, m.uid, m.content.read()) for m in read_tar(io.BytesIO(data), "layer")]
    with tarfile.open(fileobj=io.BytesIO(data), errorlevel=2) as tar:
        theirs = [(i.name, i.mode, i.uid, tar.extractfile(i).read()) for i in tar]
    assert ours == theirs == [(e.path, e.mode, e.uid, {f[0]: f[3] for f in files}[e.path]) for e in entries]
