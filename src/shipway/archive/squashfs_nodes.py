"""Entries as the inodes of a file system: numbers, names in directories, hard links."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shipway.core.errors import HostileInput
from shipway.core.manifest import DIRECTORY, HARDLINK, SYMLINK, WHITEOUT, Entry, path_bytes
from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_NAME, _LONGEST_LINK = 256, 65535


@dataclass(slots=True)
class Node:
    """One inode."""

    entry: Entry
    number: int
    """From 1 up; directories before what is in them."""
    parent: int
    """Number of the directory of its first name."""
    links: int = 1
    """Names; for a directory as `stat` counts them."""
    children: dict[bytes, Node] = field(default_factory=dict)
    """By name, ascending."""


def collect_nodes(entries: Iterable[Entry]) -> list[Node]:
    """The inodes of `entries`, which come in canonical order, by number. The root comes first, made if there is none.

    Raises:
        ValueError: a parent is no directory, a hard link leads nowhere, or there is a whiteout.
        HostileInput: a name or a link's target is too long.
    """
    root = Node(Entry(".", DIRECTORY, 0o755), 1, 0, links=2)
    nodes = [root]
    by_path = {"": root}
    for entry in entries:
        if entry.path == ".":
            root.entry = entry
            continue
        folder, _, _ = entry.path.rpartition("/")
        parent = by_path.get(folder)
        if parent is None or parent.entry.kind != DIRECTORY or entry.kind == WHITEOUT:
            raise ValueError(f"no place for {entry.path!r}")
        name = _name(entry)
        if entry.kind == HARDLINK:
            node = by_path.get(entry.target)
            if node is None or node.entry.kind == DIRECTORY:
                raise ValueError(f"{entry.path!r} is a link to nothing")
            node.links += 1
        else:
            node = Node(entry, len(nodes) + 1, parent.number)
            nodes.append(node)
            if entry.kind == DIRECTORY:
                node.links = 2
                parent.links += 1
        by_path[entry.path] = node
        parent.children[name] = node
    root.parent = len(nodes) + 1
    return nodes


def _name(entry: Entry) -> bytes:
    name = path_bytes(entry.path).rpartition(b"/")[2]
    too_long = len(name) > _LONGEST_NAME or (
        entry.kind == SYMLINK and len(path_bytes(entry.target)) > _LONGEST_LINK
    )
    if too_long:
        raise HostileInput(
            f"`{shown(entry.path)}` has a longer name or target than a squashfs can hold",
            hints=("leave the file out of the image",),
        )
    return name
