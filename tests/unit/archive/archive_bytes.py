"""Honest and dishonest archives, byte by byte."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zlib

NAMES_THAT_ESCAPE = {
    "parent": "../evil",
    "parent inside": "a/../../evil",
    "parent in the middle": "a/../b",
    "absolute": "/evil",
    "double slash in front": "//evil",
    "double slash": "a//b",
    "dot component": "a/./b",
    "NUL": "a\0b",
    "newline": "a\nb",
    "carriage return": "a\rb",
    "empty": "",
    "only slash": "/",
    "dotdot": "..",
    "dotdot behind dot": "./../evil",
    "too deep": "/".join("d" * 200),
    "component too long": "x" * 256,
    "path too long": "/".join(["y" * 200] * 20),
}


def tar_header(
    name: bytes = b"f",
    *,
    mode: bytes = b"0000644\0",
    uid: bytes = b"0000000\0",
    gid: bytes = b"0000000\0",
    size: bytes | int = 0,
    mtime: bytes = b"00000000000\0",
    kind: bytes = b"0",
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
    checksum: bytes | None = None,
) -> bytes:
    field = size if isinstance(size, bytes) else b"%011o\0" % size
    block = bytearray(
        struct.pack(
            "100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x",
            name, mode, uid, gid, field, mtime, b" " * 8, kind, link, magic, b"", b"", b"", b"", prefix,
        )
    )  # fmt: skip
    block[148:156] = b"%06o\0 " % sum(block) if checksum is None else checksum
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def tar_file(name: bytes, data: bytes = b"", **fields) -> bytes:
    return tar_header(name, size=len(data), **fields) + padded(data)


def pax(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    data = b""
    for key, value in records:
        rest = b" " + key + b"=" + value + b"\n"
        length = len(rest) + len(str(len(rest)))
        length = len(rest) + len(str(length))
        data += b"%d" % length + rest
    return tar_file(b"PaxHeaders/x", data, kind=kind)


def long_name(name: bytes, kind: bytes = b"L") -> bytes:
    return tar_file(b"././@LongLink", name + b"\0", kind=kind, magic=b"ustar  \0")


END = bytes(1024)


def ar_member(name: bytes, data: bytes, size: bytes | None = None) -> bytes:
    stated = b"%d" % len(data) if size is None else size
    header = (
        name.ljust(16)
        + b"0".ljust(12)
        + b"0".ljust(6)
        + b"0".ljust(6)
        + b"100644".ljust(8)
        + stated.ljust(10)
    )
    return header + b"`\n" + data + b"\n" * (len(data) % 2)


CONTROL = b"Package: demo\nVersion: 1\nArchitecture: all\nDescription: x\n"


def deb(data_tar: bytes, *, control: bytes = CONTROL, extra_control: bytes = b"", tail: bytes = b"") -> bytes:
    control_tar = tar_file(b"./control", control) + extra_control + END
    return (
        b"!<arch>\n"
        + ar_member(b"debian-binary", b"2.0\n")
        + ar_member(b"control.tar.gz", gzip.compress(control_tar, mtime=0))
        + ar_member(b"data.tar", data_tar)
        + tail
    )


class Zip:
    """A zip written by hand, so that every field can lie."""

    def __init__(self) -> None:
        self.body = b""
        self.directory = b""
        self.count = 0

    def add(
        self,
        name: str | bytes,
        data: bytes = b"",
        *,
        local_name: bytes | None = None,
        method: int = 8,
        flags: int | None = None,
        local_flags: int | None = None,
        crc: int | None = None,
        local_crc: int | None = None,
        size: int | None = None,
        local_size: int | None = None,
        packed: bytes | None = None,
        packed_size: int | None = None,
        attributes: int = 0o100644 << 16,
        extra: bytes = b"",
        local_extra: bytes = b"",
        offset: int | None = None,
        descriptor: bytes | None = None,
        in_directory: bool = True,
    ) -> Zip:
        raw = name if isinstance(name, bytes) else name.encode()
        if packed is None:
            packed = _deflate(data) if method == 8 else data
        flags = (0 if raw.isascii() else 0x800) if flags is None else flags
        crc = zlib.crc32(data) if crc is None else crc
        size = len(data) if size is None else size
        packed_size = len(packed) if packed_size is None else packed_size
        at = len(self.body) if offset is None else offset
        local_raw = raw if local_name is None else local_name
        local_flag = flags if local_flags is None else local_flags
        streamed = descriptor is not None
        self.body += struct.pack(
            "<4s5H3L2H", b"PK\3\4", 20, local_flag, method, 0, 0x21,
            0 if streamed else crc if local_crc is None else local_crc,
            0 if streamed else packed_size,
            0 if streamed else size if local_size is None else local_size,
            len(local_raw), len(local_extra),
        ) + local_raw + local_extra + packed + (descriptor or b"")  # fmt: skip
        if in_directory:
            self.directory += struct.pack(
                "<4s6H3L5H2L", b"PK\1\2", 0x314, 20, flags, method, 0, 0x21, crc, packed_size, size,
                len(raw), len(extra), 0, 0, 0, attributes, at,
            ) + raw + extra  # fmt: skip
            self.count += 1
        return self

    def bytes(
        self,
        *,
        comment: bytes = b"",
        between: bytes = b"",
        tail: bytes = b"",
        count: int | None = None,
        front: bytes = b"",
    ) -> bytes:
        start = len(self.body) + len(between)
        number = self.count if count is None else count
        end = struct.pack(
            "<4s4H2LH", b"PK\5\6", 0, 0, number, number, len(self.directory), start, len(comment)
        )
        return front + self.body + between + self.directory + end + comment + tail


def _deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def descriptor(data: bytes, *, signed: bool = True, crc: int | None = None) -> bytes:
    body = struct.pack("<3L", zlib.crc32(data) if crc is None else crc, len(_deflate(data)), len(data))
    return (b"PK\7\x08" if signed else b"") + body


def opened(data: bytes) -> int:
    """A descriptor of an unnamed file that holds `data`."""
    fd = os.memfd_create("archive", os.MFD_CLOEXEC)
    os.write(fd, data)
    return fd


def stream(data: bytes) -> io.BytesIO:
    return io.BytesIO(data)
