"""A container's file system as `docker export` and `podman export` write it: one tar, read and not unpacked."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from shipway.archive.limits import LIMITS, Limits
from shipway.archive.tar import SPECIAL, read_tar
from shipway.core.manifest import FILE, SYMLINK, Entry, Manifest
from shipway.image.contents import LayerFiles
from shipway.image.databases import find_database

if TYPE_CHECKING:
    from shipway.archive.tar import TarMember


def read_exported(path: str, label: str, limits: Limits = LIMITS) -> LayerFiles:
    """What the archive at `path` holds. Contents are hashed; only those of package databases are kept, in memory.

    Raises:
        HostileInput: it is no strict tar.
    """
    entries = []
    kept: dict[str, bytes] = {}
    room = limits.control
    with open(path, "rb") as file:
        for member in read_tar(file, label, limits):
            if member.kind == SPECIAL or member.path == ".":
                continue
            digest = ""
            if member.kind == FILE:
                keep = bool(find_database(member.path)) and member.size <= room
                digest, data = _read(member, keep=keep)
                if keep:
                    kept[member.path] = data
                    room -= member.size
            entries.append(
                Entry(
                    member.path,
                    member.kind,
                    0o777 if member.kind == SYMLINK else member.mode & 0o7777,
                    member.uid,
                    member.gid,
                    member.mtime,
                    member.size if member.kind == FILE else 0,
                    digest,
                    member.target,
                    member.xattrs,
                )
            )
    return LayerFiles(Manifest(entries), lambda path: kept.get(path, b""))


def _read(member: TarMember, *, keep: bool) -> tuple[str, bytes]:
    """Digest of the member's content, and where `keep` the content."""
    sha, parts = hashlib.sha256(), []
    for data in member.content:
        sha.update(data)
        if keep:
            parts.append(data)
    return sha.hexdigest(), b"".join(parts)
