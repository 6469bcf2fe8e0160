"""A bundle: what a lock needs, named by digest, as one plain tar whose bytes follow from its content alone.

Members are `SHIPWAY-VENDOR.txt` (the index, for people), `sha256/HEX` (an artifact) and `tree/HEX.tar` (a source tree, named by
its canonical digest), in the order of their names. Each header is exactly the one that `archive.tarwriter` gives a file of that
name and size with mode 0644, owner 0 and time 0; the reader compares bytes, so no two readers can disagree about a bundle.
Only headers are read; contents are proved by their digests when they are used.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from shipway.archive.limits import LIMITS, Limits
from shipway.archive.names import refuse, refuse_archive
from shipway.archive.tarwriter import BLOCK, render_header
from shipway.core.ignore import VENDOR_INDEX
from shipway.core.manifest import FILE, Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMBER_LIMIT = 0o77777777777
"""Bytes of one member: what the size field of a ustar header can say."""
_NAME = re.compile(rf"{re.escape(VENDOR_INDEX)}|sha256/[0-9a-f]{{64}}|tree/[0-9a-f]{{64}}\.tar", re.ASCII)
_SIZE = re.compile(rb"[0-7]{11}\0", re.ASCII)
_ZERO = bytes(BLOCK)


def bundle_entry(name: str, size: int = 0, digest: str = "") -> Entry:
    """The member `name` of a bundle."""
    return Entry(name, FILE, 0o644, size=size, digest=digest)


def read_bundle(fd: int, artifact: str, limits: Limits = LIMITS) -> dict[str, tuple[int, int]]:
    """Where each member of the bundle open at `fd` is: name -> offset and size of its content.

    Raises:
        HostileInput: it is no bundle, is cut short, or says anything that `shipway bundle` does not.
    """
    return {name: (at, size) for name, at, size in _members(fd, artifact, limits)}


def _members(fd: int, artifact: str, limits: Limits) -> Iterator[tuple[str, int, int]]:
    end, at, previous = os.fstat(fd).st_size, 0, ""
    for _ in range(limits.entries):
        header = os.pread(fd, BLOCK, at)
        at += BLOCK
        if header == _ZERO:
            if at + BLOCK != end or os.pread(fd, BLOCK, at) != _ZERO:
                raise refuse_archive(artifact, "has no end mark, or bytes after it")
            return
        name, size = _header(header, artifact)
        if name <= previous:
            raise refuse(artifact, name, "is there twice, or not in order")
        if at + size > end:
            raise refuse(artifact, name, "is cut short")
        yield name, at, size
        previous = name
        at += size + -size % BLOCK
    raise refuse_archive(artifact, f"has more than {limits.entries} members")


def _header(header: bytes, artifact: str) -> tuple[str, int]:
    name = header[:100].rstrip(b"\0").decode("ascii", "replace")
    if not _NAME.fullmatch(name):
        raise refuse(artifact, name, "is nothing that a bundle holds")
    size = int(header[124:135], 8) if _SIZE.fullmatch(header[124:136]) else 0
    if header != render_header(bundle_entry(name, size), name.encode("ascii")):
        raise refuse(
            artifact, name, "has a header that no bundle has: a link, an owner, a date, or another size"
        )
    return name, size
