"""The deterministic writer of SquashFS 4.0: the same entries are the same bytes, whatever the number of threads.

Format: "SquashFS Binary Format" (squashfs-tools-ng, doc/format.adoc) and fs/squashfs/squashfs_fs.h of Linux. Rules: data in
the order of the entries, files of one digest stored once, their ends packed into fragments; inode numbers by path; ids
ascending; no export table. Zlib's and zstd's bytes depend on their versions, so only one installation writes the same twice.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

from shipway.archive.squashfs_blocks import BLOCK_SIZE, DataWriter
from shipway.archive.squashfs_inodes import write_inodes
from shipway.archive.squashfs_nodes import Node, collect_nodes
from shipway.archive.squashfs_tables import ABSENT, XattrTable, lookup_table, packers
from shipway.core.manifest import FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shipway.archive.squashfs_blocks import Content
    from shipway.core.manifest import Entry

    Member = tuple[Entry, Callable[[], BinaryIO]]

COMPRESSIONS = ("gzip", "zstd")
"""`gzip` is read by every kernel; `zstd` by Linux 4.14 and newer, in less time."""
_NUMBERS = {"gzip": 1, "zstd": 6}
_SUPERBLOCK = struct.Struct("<4sIIIIHHHHHHQQQQQQQQ")
_FRAGMENT = struct.Struct("<QII")
_DUPLICATES, _NO_XATTRS = 0x40, 0x200
_PAD = 4096
"""Loop devices have whole blocks."""


def write_squashfs(
    members: Iterable[Member], file: BinaryIO, *, epoch: int, compression: str = "gzip", workers: int = 2
) -> int:
    """Write a file system of `members` to `file` from where it stands; returns its size, a multiple of 4096.

    Args:
        members: in canonical order, a hard link after its target; each with a function that opens its content (files only).
        file: seekable; the superblock is written last.
        epoch: the time of the file system itself, seconds since 1970.
        compression: one of `COMPRESSIONS`.
        workers: threads that compress.

    Raises:
        ValueError: an entry's parent is no directory, or a hard link's target is none of the files before it.
        StoreError: a file has another size or digest than its entry.
        HostileInput: there is more than the format can hold: of owners, of one name's or link's length.
    """
    start = file.tell()
    file.write(bytes(_SUPERBLOCK.size))
    with packers(compression, workers) as pool:
        nodes, contents, fragments = _write_data(members, DataWriter(file, start, pool))
        xattrs = XattrTable()
        ids = sorted({number for node in nodes for number in (node.entry.uid, node.entry.gid)})
        tables = write_inodes(nodes, contents, ids=ids, xattrs=xattrs, pool=pool)
        places = []
        for table in (tables.inodes, tables.directories):
            places.append(file.tell() - start)
            file.writelines(table)
        lookups = [[_FRAGMENT.pack(*one, 0) for one in fragments], [struct.pack("<I", one) for one in ids]]
        for rows in lookups:
            blocks, head = lookup_table(rows, file.tell() - start, pool)
            file.writelines(blocks)
            places.append(file.tell() - start)
            file.write(head)
        chunks, offset = xattrs.render(file.tell() - start, pool)
        places.append(file.tell() - start + offset if chunks else ABSENT)
        file.writelines(chunks)
    used = file.tell() - start
    file.write(bytes(-used % _PAD))
    end = file.tell()
    file.seek(start)
    file.write(
        _superblock(places, used, tables.root, len(nodes), len(fragments), len(ids), epoch, compression)
    )
    file.seek(end)
    return end - start


def _write_data(
    members: Iterable[Member], writer: DataWriter
) -> tuple[list[Node], dict[int, Content], list[tuple[int, int]]]:
    """All nodes by number, where the content of each file is, and the fragments (place, size)."""
    contents: dict[str, Content] = {}

    def seen() -> Iterable[Entry]:
        for entry, open_content in members:
            if entry.kind == FILE:
                contents[entry.path] = writer.add(entry, open_content)
            yield entry

    nodes = collect_nodes(seen())
    fragments = writer.finish()
    by_number = {node.number: contents[node.entry.path] for node in nodes if node.entry.kind == FILE}
    return nodes, by_number, fragments


def _superblock(
    places: Sequence[int],
    used: int,
    root: int,
    inodes: int,
    fragments: int,
    ids: int,
    epoch: int,
    compression: str,
) -> bytes:
    inode_table, directory_table, fragment_table, id_table, xattr_table = places
    flags = _DUPLICATES | (_NO_XATTRS if xattr_table == ABSENT else 0)
    return _SUPERBLOCK.pack(
        b"hsqs",
        inodes,
        epoch,
        BLOCK_SIZE,
        fragments,
        _NUMBERS[compression],
        BLOCK_SIZE.bit_length() - 1,
        flags,
        ids,
        4,
        0,
        root,
        used,
        id_table,
        xattr_table,
        inode_table,
        directory_table,
        fragment_table,
        ABSENT,
    )
