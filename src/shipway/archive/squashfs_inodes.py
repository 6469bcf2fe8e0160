"""The inodes and directories of a squashfs."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from shipway.archive.paxheader import allowed_xattr
from shipway.archive.squashfs_tables import METADATA, NO_XATTRS, Table
from shipway.core.errors import HostileInput
from shipway.core.manifest import DIRECTORY, FILE, path_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shipway.archive.squashfs_blocks import Content
    from shipway.archive.squashfs_nodes import Node
    from shipway.archive.squashfs_tables import Packers, XattrTable

_DIRECTORY, _FILE, _SYMLINK = 1, 2, 3
_EXTENDED = 7
"""What the extended form of a type has on top of its number."""
_HEAD = struct.Struct("<HHHHII")
_RUN = 256
"""Names that one head of a directory's list can stand for."""
_NAME_FIELDS = 8
_NO_FRAGMENT = 0xFFFFFFFF
_OWNERS = 0xFFFF
_SMALL_LIST = 0xFFFF
_NEAR = range(-0x8000, 0x8000)
_LIST_EXTRA = 3
"""A directory's size counts these for `.` and `..`."""


class InodeTables(NamedTuple):
    """Both tables, and where the root's inode is."""

    inodes: list[bytes]
    directories: list[bytes]
    root: int


class _Name(NamedTuple):
    """One name in a directory."""

    name: bytes
    number: int
    kind: int
    block: int
    offset: int


def write_inodes(
    nodes: Sequence[Node],
    contents: Mapping[int, Content],
    *,
    ids: Sequence[int],
    xattrs: XattrTable,
    pool: Packers,
) -> InodeTables:
    """Inodes of `nodes`, which are sorted by number, and the lists of their directories.

    Raises:
        HostileInput: there are more owners than the format can hold.
    """
    if len(ids) > _OWNERS:
        raise HostileInput(
            f"the image has files of {len(ids)} owners, and a squashfs holds {_OWNERS}",
            hints=("build the image with fewer owners",),
        )
    return _Writer(contents, {number: index for index, number in enumerate(ids)}, xattrs, pool).write(nodes)


class _Writer:
    def __init__(
        self, contents: Mapping[int, Content], ids: Mapping[int, int], xattrs: XattrTable, pool: Packers
    ):
        self._contents, self._ids, self._xattrs = contents, ids, xattrs
        self._inodes, self._lists = Table(pool), Table(pool)
        self._places: dict[int, tuple[int, int]] = {}

    def write(self, nodes: Sequence[Node]) -> InodeTables:
        # A list names the places of inodes and a directory's inode that of its list: so what is inside goes first.
        directories = [node for node in reversed(nodes) if node.entry.kind == DIRECTORY]
        for node in nodes:
            if node.entry.kind != DIRECTORY:
                self._add(node, self._plain(node))
        for node in directories:
            self._add(node, self._directory(node))
        block, offset = self._places[nodes[0].number]
        return InodeTables(self._inodes.blocks(), self._lists.blocks(), block << 16 | offset)

    def _add(self, node: Node, inode: bytes) -> None:
        self._places[node.number] = self._inodes.place()
        self._inodes.add(inode)

    def _plain(self, node: Node) -> bytes:
        if node.entry.kind == FILE:
            return self._file(node, self._attributes(node))
        target = path_bytes(node.entry.target)
        return self._head(node, _SYMLINK) + struct.pack("<II", node.links, len(target)) + target

    def _directory(self, node: Node) -> bytes:
        xattrs = self._attributes(node)
        block, offset, size, index = self._list(node)
        if size <= _SMALL_LIST and xattrs == NO_XATTRS and not index:
            fields = struct.pack("<IIHHI", block, node.links, size, offset, node.parent)
            return self._head(node, _DIRECTORY) + fields
        fields = struct.pack("<IIIIHHI", node.links, size, block, node.parent, len(index), offset, xattrs)
        return self._head(node, _DIRECTORY + _EXTENDED) + fields + b"".join(index)

    def _attributes(self, node: Node) -> int:
        return self._xattrs.number(tuple(pair for pair in node.entry.xattrs if allowed_xattr(pair[0])))

    def _file(self, node: Node, xattrs: int) -> bytes:
        content = self._contents[node.number]
        start = content.start[0] if content.start else 0
        fragment = _NO_FRAGMENT if content.fragment is None else content.fragment
        sizes = struct.pack(f"<{len(content.sizes)}I", *content.sizes)
        small = start < 1 << 32 and content.size < 1 << 32
        if small and node.links == 1 and xattrs == NO_XATTRS:
            fields = struct.pack("<IIII", start, fragment, content.offset, content.size)
            return self._head(node, _FILE) + fields + sizes
        fields = struct.pack("<QQQIIII", start, content.size, 0, node.links, fragment, content.offset, xattrs)
        return self._head(node, _FILE + _EXTENDED) + fields + sizes

    def _head(self, node: Node, kind: int) -> bytes:
        entry = node.entry
        owner, group = self._ids[entry.uid], self._ids[entry.gid]
        return _HEAD.pack(kind, entry.mode & 0o7777, owner, group, entry.mtime, node.number)

    def _list(self, node: Node) -> tuple[int, int, int, list[bytes]]:
        """Write the list of a directory.

        Returns its block, its offset, the size that the inode says, and for each further block the name that it begins with,
        so that nobody has to read a long list from its start.
        """
        first_block, offset = self._lists.place()
        indexed, size = first_block, 0
        index = []
        for run in _runs(
            _Name(name, child.number, _kind(child), *self._places[child.number])
            for name, child in sorted(node.children.items())
        ):
            first, (block, _) = run[0], self._lists.place()
            if block != indexed:
                indexed = block
                index.append(struct.pack("<III", size, block, len(first.name) - 1) + first.name)
            data = struct.pack("<III", len(run) - 1, first.block, first.number)
            for one in run:
                fields = (one.offset, one.number - first.number, one.kind, len(one.name) - 1)
                data += struct.pack("<HhHH", *fields) + one.name
            self._lists.add(data)
            size += len(data)
        return first_block, offset, size + _LIST_EXTRA, index


def _kind(node: Node) -> int:
    return {DIRECTORY: _DIRECTORY, FILE: _FILE}.get(node.entry.kind, _SYMLINK)


def _runs(names: Iterator[_Name]) -> Iterator[list[_Name]]:
    """Names that one head can stand for: in one block of inodes, with numbers near the first one's, in not too many bytes."""
    run: list[_Name] = []
    size = 0
    for one in names:
        size += _NAME_FIELDS + len(one.name)
        near = run and one.block == run[0].block and one.number - run[0].number in _NEAR
        if run and (not near or len(run) == _RUN or size > METADATA):
            yield run
            run, size = [], _NAME_FIELDS + len(one.name)
        run.append(one)
    if run:
        yield run
