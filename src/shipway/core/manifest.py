r"""What a tree holds: every path with its type, mode, owner, time, size, digest, link and extended attributes.

The text form is canonical, so its digest names the tree. One line per path, sorted by the raw bytes of the path:

    kind mode uid gid mtime size digest-or-target path xattrs

separated by tabs. Paths are relative, without a leading `./`; the root itself is the path `.`. In paths and targets the
bytes below 0x21, 0x7f and above, `%` and `\` stand as `%XX`, so the text is ASCII and has one form. An absent field is `-`.
Extended attributes are `name=hex` pairs joined by `,`, sorted by name.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from shipway.core.digest import TreeId

if TYPE_CHECKING:
    from collections.abc import Iterable

DIRECTORY, FILE, SYMLINK, HARDLINK, WHITEOUT = "d", "f", "l", "h", "w"
_SAFE = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in "%\\")
HEADER = "shipway-tree 1"


class Entry(NamedTuple):
    """One path of a tree. A tuple and no dataclass, because a big wheel has twelve thousand of them."""

    path: str
    """Relative to the tree's root, `/`-separated, `surrogateescape` for bytes that are no UTF-8."""
    kind: str
    """`d`, `f`, `l`, `h` (hard link to the earlier path `target`) or `w` (hides a lower path)."""
    mode: int
    """Permission bits with setuid, setgid and sticky (0o7777); 0o777 for links."""
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    """Whole seconds since 1970, never negative."""
    size: int = 0
    """Bytes; 0 unless a file."""
    digest: str = ""
    """64 hex digits of sha256 over the content; files only."""
    target: str = ""
    """What a link points to."""
    xattrs: tuple[tuple[str, bytes], ...] = ()


def disk_mode(kind: str, mode: int) -> int:
    """The mode that a tree's file or directory has on disk, where its manifest says `mode`.

    Set-id and sticky bits are in the manifest only; the owner can always read and search. Write bits stay, because programs
    that copy a file copy its mode: what a package's script or a user makes of it must come out as it would elsewhere.
    """
    return mode & 0o777 | (0o700 if kind == DIRECTORY else 0o400)


def path_bytes(path: str) -> bytes:
    """The bytes the kernel knows `path` by; also its sort key."""
    return path.encode("utf-8", "surrogateescape")


class Manifest:
    """The entries of one tree in canonical order. Immutable."""

    __slots__ = ("entries",)

    def __init__(self, entries: Iterable[Entry]) -> None:
        """Sort `entries`.

        Raises:
            ValueError: a path occurs twice.
        """
        ordered = sorted(entries, key=lambda entry: path_bytes(entry.path))
        for one, other in itertools.pairwise(ordered):
            if one.path == other.path:
                raise ValueError(f"path twice in one tree: {one.path!r}")
        self.entries = tuple(ordered)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)

    def render(self) -> bytes:
        """The canonical text."""
        return (HEADER + "\n" + "".join(map(_line, self.entries))).encode("ascii")

    def identity(self) -> TreeId:
        """The digest of the canonical text."""
        return TreeId.of(self.render())


def parse_manifest(text: bytes) -> Manifest:
    """The manifest that `text` renders.

    Raises:
        ValueError: the text is not canonical.
    """
    lines = text.decode("ascii").split("\n")
    if lines[0] != HEADER or lines[-1] != "":
        raise ValueError("not a tree manifest, or cut short")
    return Manifest([_entry(line) for line in lines[1:-1]])


def _quote(text: str) -> str:
    raw = path_bytes(text)
    return quote_from_bytes(raw, safe=_SAFE)


def _quote_target(target: str) -> str:
    """`-` is for what has none, so a link to a file of that name is written otherwise."""
    return "%2D" if target == "-" else _quote(target) or "-"


def unquote_path(text: str) -> str:
    """The path or target that stands as `text` in a manifest."""
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape") if "%" in text else text


def _line(entry: Entry) -> str:
    subject = entry.digest if entry.kind == FILE else _quote_target(entry.target)
    xattrs = ",".join(f"{_quote(name)}={value.hex()}" for name, value in sorted(entry.xattrs)) or "-"
    head = f"{entry.kind}\t{entry.mode:04o}\t{entry.uid}\t{entry.gid}\t{entry.mtime}\t{entry.size}"
    return f"{head}\t{subject}\t{_quote(entry.path)}\t{xattrs}\n"


def _entry(line: str) -> Entry:
    kind, mode, uid, gid, mtime, size, subject, path, xattrs = line.split("\t")
    is_file = kind == FILE
    return Entry(
        unquote_path(path),
        kind,
        int(mode, 8),
        int(uid),
        int(gid),
        int(mtime),
        int(size),
        subject if is_file else "",
        "" if is_file or subject == "-" else unquote_path(subject),
        () if xattrs == "-" else tuple(_xattr(pair) for pair in xattrs.split(",")),
    )


def _xattr(pair: str) -> tuple[str, bytes]:
    name, _, value = pair.partition("=")
    return unquote_path(name), bytes.fromhex(value)
