"""Bundles: only what `shipway bundle` writes is read; everything else is refused by name."""

import hashlib
import io
import os

import pytest

from shipway.archive.bundle import bundle_entry, read_bundle
from shipway.archive.limits import Limits
from shipway.archive.tarwriter import write_layer
from shipway.core.errors import HostileInput
from shipway.core.ignore import VENDOR_INDEX

FIRST, SECOND = b"first", b"second" * 200
NAMES = [f"sha256/{hashlib.sha256(data).hexdigest()}" for data in (FIRST, SECOND)]


def write(members):
    sink = io.BytesIO()
    entries = [
        (bundle_entry(name, len(data)), lambda data=data: io.BytesIO(data))
        for name, data in sorted(members.items())
    ]
    write_layer(entries, sink)
    return sink.getvalue()


GOOD = {VENDOR_INDEX: b"shipway vendor 1\n", NAMES[0]: FIRST, NAMES[1]: SECOND, f"tree/{'0' * 64}.tar": b""}


def read(tmp_path, data, **limits):
    path = tmp_path / "b.tar"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        return read_bundle(fd, "b.tar", Limits(**limits))
    finally:
        os.close(fd)


def test_each_member_is_found_where_its_bytes_are(tmp_path):
    data = write(GOOD)
    found = read(tmp_path, data)
    assert list(found) == sorted(GOOD)
    assert {name: data[at : at + size] for name, (at, size) in found.items()} == GOOD


def altered(**fields):
    """A bundle of one member whose header has other bytes in some fields, and a checksum that fits."""
    data = bytearray(write({NAMES[0]: FIRST}))
    for field, value in fields.items():
        at, length = FIELDS[field]
        data[at : at + length] = value.ljust(length, b"\0")
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


FIELDS = {
    "name": (0, 100), "mode": (100, 8), "uid": (108, 8), "gid": (116, 8), "size": (124, 12), "mtime": (136, 12),
    "type": (156, 1), "link": (157, 100), "magic": (257, 8), "owner": (265, 32), "prefix": (345, 155), "rest": (500, 12),
}  # fmt: skip


def test_an_unaltered_header_is_read(tmp_path):
    assert read(tmp_path, altered(name=NAMES[0].encode())) == {NAMES[0]: (512, len(FIRST))}


@pytest.mark.parametrize(
    "fields",
    [
        {"name": b"../escape"},
        {"name": b"/etc/passwd"},
        {"name": b"sha256/../" + b"0" * 64},
        {"name": NAMES[0].encode().upper()},
        {"name": NAMES[0].encode() + b"/x"},
        {"name": NAMES[0].encode() + b"\0/../x"},
        {"name": b""},
        {"type": b"2", "link": b"/etc/passwd", "size": b"00000000000"},
        {"type": b"1", "link": NAMES[1].encode(), "size": b"00000000000"},
        {"type": b"5"},
        {"type": b"6"},
        {"type": b"x"},
        {"type": b"g"},
        {"type": b"L"},
        {"type": b"S"},
        {"link": b"x"},
        {"uid": b"0001750"},
        {"gid": b"0001750"},
        {"mode": b"0004755"},
        {"mtime": b"00000000005"},
        {"owner": b"root"},
        {"prefix": b"../.."},
        {"magic": b"ustar  "},
        {"rest": b"x"},
        {"size": b"5"},
        {"size": b"\x80".ljust(11, b"\0") + b"\x05"},
        {"size": b"-0000000005"},
    ],
    ids=str,
)
def test_what_no_bundle_holds_is_refused(tmp_path, fields):
    with pytest.raises(HostileInput):
        read(tmp_path, altered(**fields))


def test_a_wrong_checksum_is_refused(tmp_path):
    data = bytearray(write({NAMES[0]: FIRST}))
    data[150] ^= 1
    with pytest.raises(HostileInput):
        read(tmp_path, bytes(data))


def test_two_members_of_one_name_are_refused(tmp_path):
    one = write({NAMES[0]: FIRST})[:-1024]
    with pytest.raises(HostileInput, match="twice"):
        read(tmp_path, one + one + bytes(1024))


def test_wrong_order_is_refused(tmp_path):
    low, high = sorted(NAMES)
    with pytest.raises(HostileInput, match="order"):
        read(tmp_path, write({high: b""})[:-1024] + write({low: b""}))


@pytest.mark.parametrize("cut", [1, 512, 1024, 1025, 2000])
def test_a_bundle_that_is_cut_short_is_refused(tmp_path, cut):
    with pytest.raises(HostileInput):
        read(tmp_path, write(GOOD)[:-cut])


def test_bytes_after_the_end_are_refused(tmp_path):
    with pytest.raises(HostileInput, match="after"):
        read(tmp_path, write(GOOD) + bytes(512))


def test_a_size_beyond_the_file_is_refused(tmp_path):
    header = write({NAMES[0]: b"x" * 5000})[:512]
    with pytest.raises(HostileInput, match="cut short"):
        read(tmp_path, header + bytes(1024))


def test_endless_members_are_refused(tmp_path):
    with pytest.raises(HostileInput, match="more than 3"):
        read(tmp_path, write(GOOD), entries=3)


@pytest.mark.parametrize("data", [b"", b"\0" * 512, b"PK\x03\x04" + bytes(2000), b"x" * 511])
def test_what_is_no_tar_is_refused(tmp_path, data):
    with pytest.raises(HostileInput):
        read(tmp_path, data)
