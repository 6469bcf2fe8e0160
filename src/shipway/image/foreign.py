"""A layer of others as a tree of ours. Format: OCI image-spec 1.1, "Image Layer Filesystem Changeset".

Each layer becomes a tree of its own, so no member ever meets a file of another layer on disk. What a layer says about those
below it is settled on manifests: an opaque directory becomes one whiteout for each thing that it hides, and a directory that
the layer leaves out gets the attributes that it has below. So a tree depends on the layers under it, and its key names them.
Devices, FIFOs and sockets are left out, and said. Attributes of overlayfs never pass (`archive.paxheader`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shipway.archive.extract import Extractor
from shipway.archive.limits import LIMITS, Limits
from shipway.archive.names import refuse
from shipway.archive.tar import SPECIAL, TarMember, read_tar
from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, WHITEOUT, Entry, Manifest, path_bytes
from shipway.core.overlay import Placed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shipway.archive.stream import Reader

_MARK = ".wh."
_OPAQUE = ".wh..wh..opq"


class Unpacked(NamedTuple):
    """What became of one layer."""

    manifest: Manifest
    special: int
    """Devices, FIFOs and sockets that were left out."""


def unpack_layer(
    root_fd: int,
    stream: Reader,
    artifact: str,
    below: Callable[[], dict[str, Entry]],
    limits: Limits = LIMITS,
) -> Unpacked:
    """Write the uncompressed layer `stream` below `root_fd`. `below`: the paths of the layers under it, see `visible`.

    Raises:
        HostileInput: the layer is no strict tar, or a whiteout or a path breaks the rules of layers.
        NoSpace: the disk is full.
    """
    extractor = Extractor(root_fd, artifact, limits=limits)
    marks = _Marks(artifact)
    special = 0
    try:
        for member in read_tar(stream, artifact, limits):
            if _MARK in member.path and marks.take(member):
                continue
            if member.kind == SPECIAL:
                special += 1
            elif member.path != ".":
                _place(extractor, member)
        if marks.any() or extractor.implied():
            _settle(extractor, marks, below(), artifact)
        return Unpacked(extractor.finish(), special)
    finally:
        extractor.close()


def visible(manifests: Sequence[Manifest]) -> dict[str, Entry]:
    """All paths that are there when `manifests` (bottom first) are stacked. Linear in their number."""
    return {path: place.entry for path, place in visible_places(manifests).items()}


def visible_places(manifests: Sequence[Manifest]) -> dict[str, Placed]:
    """The same with the tree that each comes from."""
    seen: dict[str, Placed] = {}
    hidden: set[str] = set()
    for number in range(len(manifests) - 1, -1, -1):
        for entry in manifests[number].entries:
            path = entry.path
            parent = path.rpartition("/")[0]
            above = seen.get(parent)
            if parent in hidden or path in hidden or (above is not None and above.entry.kind != DIRECTORY):
                hidden.add(path)
            elif path not in seen:
                seen[path] = Placed(entry, number)
            elif entry.kind != DIRECTORY:
                hidden.add(path)
    return {path: place for path, place in seen.items() if place.entry.kind != WHITEOUT}


class _Marks:
    """The whiteouts of one layer, by what they hide."""

    def __init__(self, artifact: str):
        self._artifact = artifact
        self.paths: set[str] = set()
        self.opaque: dict[str, int] = {}
        """Directories below which nothing of lower layers stays, with the time of the mark; the root is empty."""

    def any(self) -> bool:
        return bool(self.paths or self.opaque)

    def take(self, member: TarMember) -> bool:
        """Take `member` if it is a whiteout."""
        parent, _, name = member.path.rpartition("/")
        if any(part.startswith(_MARK) for part in parent.split("/")):
            raise refuse(self._artifact, member.raw, "lies below a whiteout")
        if not name.startswith(_MARK):
            return False
        if member.kind != FILE or member.size:
            raise refuse(self._artifact, member.raw, "is a whiteout, but no empty file")
        hidden = name[len(_MARK) :]
        if name == _OPAQUE:
            self.opaque[parent] = member.mtime
        elif hidden in ("", ".", "..") or hidden.startswith(_MARK):
            raise refuse(self._artifact, member.raw, "is a whiteout of nothing that could be there")
        else:
            self.paths.add(f"{parent}/{hidden}" if parent else hidden)
        return True


def _place(extractor: Extractor, member: TarMember) -> None:
    match member.kind:
        case "d":
            extractor.directory(
                member.path,
                member.mode,
                member.mtime,
                uid=member.uid,
                gid=member.gid,
                xattrs=member.xattrs,
            )
        case "f":
            extractor.file(
                member.path,
                member.content,
                member.mode,
                member.mtime,
                uid=member.uid,
                gid=member.gid,
                xattrs=member.xattrs,
            )
        case "l":
            extractor.symlink(member.path, member.target, member.mtime, uid=member.uid, gid=member.gid)
        case _:
            extractor.hardlink(member.path, member.target)


def _settle(extractor: Extractor, marks: _Marks, below: dict[str, Entry], artifact: str) -> None:
    """Make the whiteouts that are needed over `below`, then give directories that were left out their attributes."""
    for path, mtime in marks.opaque.items():
        known = extractor.entries.get(path)
        if known is not None and known.kind != DIRECTORY:
            raise refuse(artifact, path, "is no directory, and a whiteout lies below it")
        extractor.ensure_directory(path, mtime)
    directories = set(extractor.implied())
    opaque, gone = set(marks.opaque), set[str]()
    for path in sorted(below, key=path_bytes):
        parent = path.rpartition("/")[0]
        if parent in gone:
            gone.add(path)
            continue
        ours = extractor.entries.get(path)
        hides = parent in opaque or path in marks.paths
        if ours is None and path not in directories:
            if hides:
                extractor.whiteout(path)
                gone.add(path)
        elif ours is not None and ours.kind in (FILE, SYMLINK, HARDLINK):
            gone.add(path)
        elif hides:
            opaque.add(path)
    fresh = marks.paths | (opaque - marks.opaque.keys())
    for path in extractor.implied():
        lower = below.get(path)
        if lower is None or path in fresh:
            continue
        if lower.kind == SYMLINK:
            raise refuse(artifact, path, "is a link in a lower layer, and members of this layer lie below it")
        if lower.kind == DIRECTORY:
            extractor.directory(
                path, lower.mode, lower.mtime, uid=lower.uid, gid=lower.gid, xattrs=lower.xattrs
            )
