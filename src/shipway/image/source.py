"""Where an image is loaded from: a folder or a tar archive, seen as named files. Both are untrusted."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from typing import TYPE_CHECKING, Protocol

from shipway.archive.limits import LIMITS
from shipway.archive.stream import decompress
from shipway.archive.tar import read_tar
from shipway.core.errors import HostileInput, NotFound
from shipway.core.manifest import FILE, HARDLINK, SYMLINK
from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 16
_SUFFIXES = ((b"\x1f\x8b", ".gz"), (b"\x28\xb5\x2f\xfd", ".zst"), (b"\xfd7zXZ\0", ".xz"))
_LINKS = 8


class Source(Protocol):
    """Named files, each of which can be read more than once."""

    @property
    def label(self) -> str:
        """What messages call it."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is a file `name`."""
        ...

    def size(self, name: str) -> int:
        """Bytes of the file `name`."""
        ...

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of the file `name`."""
        ...


def read_small(source: Source, name: str, limit: int) -> bytes:
    """The whole file `name`.

    Raises:
        NotFound: there is none.
        HostileInput: it is larger than `limit` bytes.
    """
    if not source.has(name):
        raise NotFound(
            f"`{shown(source.label)}` has no `{shown(name)}`",
            hints=["give an OCI layout, an OCI archive, or an archive made by `docker save`"],
        )
    if source.size(name) > limit:
        raise HostileInput(
            f"`{shown(name)}` in `{shown(source.label)}` has more than {limit} bytes",
            hints=["no honest tool writes this; ask whoever made it"],
        )
    return b"".join(source.chunks(name))


class FolderSource:
    """A folder. Only plain files count, and no link is followed."""

    def __init__(self, path: str):
        """`path`: an existing folder."""
        self.label = path

    def has(self, name: str) -> bool:
        """Whether there is a plain file `name`."""
        try:
            os.close(self._open(name))
        except OSError as problem:
            if problem.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL):
                return False
            raise
        return True

    def size(self, name: str) -> int:
        """Bytes of the file `name`."""
        return os.stat(f"{self.label}/{name}", follow_symlinks=False).st_size

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of the file `name`."""
        with open(self._open(name), "rb", buffering=0) as file:
            while data := file.read(_CHUNK):
                yield data

    def _open(self, name: str) -> int:
        # A FIFO must not hold us up, so nothing is waited for before the kind is known.
        fd = os.open(f"{self.label}/{name}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "not a plain file")
        return fd


class TarSource:
    """An uncompressed tar, read strictly once for its members' places. Links among members are resolved by name."""

    def __init__(self, path: str, label: str):
        """Index the tar at `path`.

        Raises:
            HostileInput: it is no strict tar.
        """
        self.label = label
        self._path = path
        self._places: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        with open(path, "rb", buffering=0) as file:
            reader = _Counting(file.fileno())
            for member in read_tar(reader, label, LIMITS):
                if member.kind == FILE:
                    self._places[member.path] = (reader.at, member.size)
                elif member.kind == HARDLINK:
                    self._links[member.path] = member.target
                elif member.kind == SYMLINK:
                    self._links[member.path] = posixpath.normpath(
                        posixpath.join(posixpath.dirname(member.path), member.target)
                    )

    def has(self, name: str) -> bool:
        """Whether there is a file `name`."""
        return self._real(name) in self._places

    def size(self, name: str) -> int:
        """Bytes of the file `name`."""
        return self._places[self._real(name)][1]

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of the file `name`."""
        at, left = self._places[self._real(name)]
        with open(self._path, "rb", buffering=0) as file:
            while left:
                data = os.pread(file.fileno(), min(_CHUNK, left), at)
                if not data:
                    raise HostileInput(
                        f"`{shown(self.label)}` became shorter while it was read", hints=["load it again"]
                    )
                at, left = at + len(data), left - len(data)
                yield data

    def _real(self, name: str) -> str:
        for _ in range(_LINKS):
            target = self._links.get(name)
            if target is None:
                break
            name = target
        return name


def read_source(path: str, scratch: str) -> Source:
    """What lies at `path`; a compressed archive is unpacked to the file `scratch` first.

    Raises:
        NotFound: nothing lies there.
        HostileInput: it is no strict tar, or unpacks to too much.
    """
    if os.path.isdir(path):
        return FolderSource(path)
    if not os.path.isfile(path):
        raise NotFound(
            f"there is no file or folder `{shown(path)}`", hints=["give the path of an archive or layout"]
        )
    suffix = packed_suffix(path)
    if not suffix:
        return TarSource(path, path)
    with open(path, "rb", buffering=0) as packed, open(scratch, "wb") as plain:
        chunks = iter(lambda: packed.read(_CHUNK), b"")
        plain.writelines(decompress(f"archive{suffix}", chunks, os.path.getsize(path), path, several=True))
    return TarSource(scratch, path)


def packed_suffix(path: str) -> str:
    """`.gz`, `.zst` or `.xz` by the first bytes of the file `path`; empty for anything else."""
    with open(path, "rb") as file:
        head = file.read(8)
    return next((suffix for magic, suffix in _SUFFIXES if head.startswith(magic)), "")


class _Counting:
    """`archive.stream.Reader` over a descriptor that knows where it is."""

    def __init__(self, fd: int):
        self._fd = fd
        self.at = 0

    def read(self, size: int, /) -> bytes:
        parts = []
        while size:
            data = os.pread(self._fd, size, self.at)
            if not data:
                break
            parts.append(data)
            self.at += len(data)
            size -= len(data)
        return b"".join(parts)
