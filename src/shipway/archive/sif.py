"""The writer of SIF 1.0, Apptainer's file: a head, a table of descriptors, and data objects. Deterministic.

Format: github.com/apptainer/sif, pkg/sif/sif.go ("SIF_MAGIC", version "01"). Where other writers put a random number and the
time, this one puts what is given.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HEAD = struct.Struct("<32s10s3s3s16s8q")
_DESCRIPTOR = struct.Struct("<i?IIIqqqqqqq128s384s")
_PARTITION = struct.Struct("<ii3s")
_LAUNCH = b"#!/usr/bin/env run-singularity\n"
_TABLE = 4096
"""Where the descriptors begin."""
_SLOTS = 48
"""Descriptors that there is room for, so that a signature can be added."""
_ALIGNMENT = 4096
_GROUP = 0xF0000001
_SQUASHFS, _PRIMARY = 1, 2
ARCHITECTURES = {"linux/amd64": b"02", "linux/arm64": b"04"}
"""What a SIF calls the platforms that it can be for."""


class Kind(IntEnum):
    """What a data object is."""

    PARTITION = 0x4004
    JSON = 0x4006


class DataObject(NamedTuple):
    """One object."""

    kind: Kind
    name: str
    write: Callable[[BinaryIO], object]
    """Writes it to the file where that stands."""


def write_sif(
    file: BinaryIO, objects: Sequence[DataObject], *, platform: str, identity: bytes, epoch: int
) -> None:
    """Write a SIF of `objects` to the empty, seekable `file`.

    Args:
        file: where to.
        objects: 48 at most; a partition is the squashfs that containers have as root.
        platform: a key of `ARCHITECTURES`.
        identity: 16 bytes that name the image.
        epoch: every time in it, seconds since 1970.
    """
    architecture = ARCHITECTURES[platform] + b"\0"
    data = _TABLE + _SLOTS * _DESCRIPTOR.size
    end = data
    table = b""
    for number, one in enumerate(objects, 1):
        start = end + -end % _ALIGNMENT
        file.seek(start)
        one.write(file)
        size, padded, end = file.tell() - start, file.tell() - end, file.tell()
        extra = _PARTITION.pack(_SQUASHFS, _PRIMARY, architecture) if one.kind is Kind.PARTITION else b""
        fields = (number, _GROUP, 0, start, size, padded, epoch, epoch, 0, 0, one.name.encode(), extra)
        table += _DESCRIPTOR.pack(one.kind, True, *fields)
    file.seek(0)
    free = _SLOTS - len(objects)
    places = (epoch, epoch, free, _SLOTS, _TABLE, _SLOTS * _DESCRIPTOR.size, data, end - data)
    file.write(_HEAD.pack(_LAUNCH, b"SIF_MAGIC", b"01", architecture, identity, *places))
    file.seek(_TABLE)
    file.write(table)
    file.seek(end)
