"""What `shipway vendor` or `shipway bundle` collected, as one more place to have artifacts from.

Both are read alike: an artifact is a part of a file. Nothing here trusts a name, a link or a size that it finds; every byte is
proved against the lock by whoever fetches it.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING
from urllib.parse import quote

from shipway.archive.bundle import read_bundle
from shipway.archive.names import refuse
from shipway.build.artifacts import digest_of_artifact, name_of_artifact
from shipway.core.errors import HashMismatch, NotFound, ToolError
from shipway.core.ignore import VENDOR_INDEX
from shipway.core.text import shown
from shipway.host.location import Location
from shipway.lock.model import Source

if TYPE_CHECKING:
    from shipway.build.context import Artifact

TREE_LIMIT = 1 << 30
"""Bytes of one packed source tree, which is held in memory while it is built."""
INDEX_HEAD = "shipway vendor 1"
"""The first line of an index."""
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Vendor:
    """A folder or bundle. Safe to use from several threads."""

    def __init__(self, path: str, members: dict[str, tuple[int, int]] | None) -> None:
        """Made by `open_vendor`."""
        self.path = path
        self._members = members
        """Of a bundle; None for a folder."""

    def find(self, artifact: Artifact) -> Location | None:
        """Where `artifact` is in here, or None.

        Raises:
            HostileInput: a link, a device or something else stands in its place.
            HashMismatch: what is there has another size than the lock says.
        """
        name = member_of(artifact)
        path, place = self._place(name)
        if place is None:
            return None
        _, size = place
        if name.startswith("tree/") and size > TREE_LIMIT:
            raise refuse(self.path, name, f"is larger than {TREE_LIMIT} bytes")
        if artifact.size and size != artifact.size:
            raise HashMismatch(
                f"`{shown(name_of_artifact(artifact))}` has {size} bytes in `{shown(self.path)}`, "
                f"and {artifact.size} in the lock",
                hints=[f"run `shipway vendor` again: it replaces `{name}`"],
            )
        return Location("file://" + quote(path), part=place)

    def _place(self, name: str) -> tuple[str, tuple[int, int] | None]:
        if self._members is not None:
            return self.path, self._members.get(name)
        path = os.path.join(self.path, name)
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return path, None
        if not stat.S_ISREG(found.st_mode):
            raise refuse(self.path, name, "is no regular file")
        return path, (0, found.st_size)


def member_of(artifact: Artifact) -> str:
    """The path of `artifact` below a vendor folder and in a bundle: by its digest."""
    digest = digest_of_artifact(artifact)
    if isinstance(artifact, Source) and artifact.kind == "git":
        return f"tree/{digest.hex}.tar"
    return f"sha256/{digest.hex}"


def open_vendor(path: str) -> Vendor:
    """The vendor folder or bundle at `path`.

    Raises:
        NotFound: nothing is there, or a folder that `shipway vendor` did not finish.
        HostileInput: a bundle that `shipway bundle` did not write.
        ToolError: another shipway's format, or it cannot be read.
    """
    path = os.path.realpath(path)
    try:
        members = None if os.path.isdir(path) else _read_members(path)
        at = (members or {}).get(VENDOR_INDEX, (0, 0))[0]
        head = _read_head(path if members else os.path.join(path, VENDOR_INDEX), at)
    except FileNotFoundError:
        raise NotFound(
            f"there is no finished vendor folder and no bundle at `{shown(path)}`",
            hints=[f"where there is network, run `shipway vendor {shown(path)}` to its end"],
        ) from None
    except OSError as problem:
        raise ToolError(
            f"`{shown(path)}` cannot be read: {problem.strerror}", hints=["correct its permissions"]
        ) from problem
    if head != f"{INDEX_HEAD}\n".encode():
        raise ToolError(
            f"the index of `{shown(path)}` does not begin with `{INDEX_HEAD}`",
            hints=["collect it again with this version of shipway"],
        )
    return Vendor(path, members)


def _read_members(path: str) -> dict[str, tuple[int, int]]:
    fd = os.open(path, _FILE)
    try:
        return read_bundle(fd, path)
    finally:
        os.close(fd)


def _read_head(path: str, at: int) -> bytes:
    fd = os.open(path, _FILE)
    try:
        return os.pread(fd, len(INDEX_HEAD) + 1, at)
    finally:
        os.close(fd)
