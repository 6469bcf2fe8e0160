"""The files that a container has written, one after another with their content: from its top, or from what its engine exports."""

from __future__ import annotations

import os
import stat
import tarfile
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from shipway.core.manifest import DIRECTORY, FILE, SYMLINK
from shipway.host.scratch import scratch_folder
from shipway.run.top.of_upper import open_beneath

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from shipway.run.life.model import Container

_CHUNK = 1 << 20


class Piece(NamedTuple):
    """One path with what is there."""

    path: str
    kind: str
    """As in manifests: `FILE`, `DIRECTORY`, `SYMLINK`. Sockets, pipes and devices are left out."""
    mode: int
    target: str = ""
    """Of a link."""
    chunks: Callable[[], Iterable[bytes]] = tuple
    """Reads a file; to be called before the next piece is asked for."""


def read_pieces(container: Container, paths: Sequence[str]) -> Iterator[Piece]:
    """What `container` has at `paths`, folders before what is in them.

    Raises:
        EngineError: its engine does not answer.
        OSError: a file cannot be read.
    """
    if container.supervised:
        return _of_upper(f"{container.folder}/upper", paths)
    return _of_engine(container, frozenset(paths))


def _of_upper(upper: str, paths: Sequence[str]) -> Iterator[Piece]:
    for path in sorted(paths):
        full = os.path.join(upper, path)
        info = os.lstat(full)
        mode = stat.S_IMODE(info.st_mode)
        if stat.S_ISDIR(info.st_mode):
            yield Piece(path, DIRECTORY, mode)
        elif stat.S_ISLNK(info.st_mode):
            yield Piece(path, SYMLINK, mode, os.readlink(full))
        elif stat.S_ISREG(info.st_mode):
            with open(open_beneath(upper, path), "rb") as file:
                yield Piece(path, FILE, mode, chunks=lambda file=file: _chunks(file))  # type: ignore[misc]


def _of_engine(container: Container, paths: Collection[str]) -> Iterator[Piece]:
    from shipway.run.life.oci_life import dialect_of  # noqa: PLC0415 - one of two engines
    from shipway.run.oci.program import require_program  # noqa: PLC0415

    program = require_program(dialect_of(container.engine))
    with scratch_folder("top-") as folder:
        archive = f"{folder}/container.tar"
        program.require("export", "--output", archive, container.record.engine_id)
        with tarfile.open(archive) as members:
            found = {os.path.normpath(member.name).lstrip("/"): member for member in members}
            for path in sorted(paths & found.keys()):
                yield from _piece(path, found[path], members)


def _piece(path: str, member: tarfile.TarInfo, archive: tarfile.TarFile) -> Iterator[Piece]:
    mode = member.mode & 0o7777
    if member.isdir():
        yield Piece(path, DIRECTORY, mode)
    elif member.issym():
        yield Piece(path, SYMLINK, mode, member.linkname)
    elif member.isreg() or member.islnk():
        file = archive.extractfile(member)
        if file is not None:
            yield Piece(path, FILE, mode, chunks=lambda: _chunks(file))  # type: ignore[arg-type]


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(_CHUNK), b"")
