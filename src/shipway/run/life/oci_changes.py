"""Files put into a running container of Docker or Podman, or taken out of it."""

from __future__ import annotations

import os
import tarfile
from typing import TYPE_CHECKING, BinaryIO

from shipway.core.errors import EngineError
from shipway.core.manifest import DIRECTORY, FILE, SYMLINK
from shipway.host.clock import now
from shipway.host.proc import run_fed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipway.run.life.model import Container, Put
    from shipway.run.oci_program import Program

_AT_ONCE = 500
"""Paths of one call."""


def take_out(program: Program, container: Container, paths: Sequence[str]) -> None:
    """Remove files and whole folders, as the owner of the image's files.

    Raises:
        EngineError: one could not be removed.
    """
    for start in range(0, len(paths), _AT_ONCE):
        chosen = [f"/{path}" for path in paths[start : start + _AT_ONCE]]
        program.require("exec", "--user", "0", container.record.engine_id, "rm", "-rf", "--", *chosen)


def put_in(program: Program, container: Container, puts: Iterable[Put]) -> None:
    """Unpack files there; they belong to root, as all files of an image do, and are of now: trees give all files one time, by
    which Python would take the compiled form of a module of another version for that of the new one.

    Raises:
        EngineError: the engine did not take them.
    """
    chosen = tuple(puts)
    if not chosen:
        return

    def feed(pipe: BinaryIO) -> None:
        with tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for put in chosen:
                _add(archive, put)

    finished = run_fed(
        program.command("cp", *program.dialect.put, "-", f"{container.record.engine_id}:/"), feed
    )
    if finished.code != 0:
        error = program.trouble(finished, "cp")
        raise EngineError(
            f"the files of `{container.name}` could not be changed", hints=error.hints, detail=error.detail
        )


def _add(archive: tarfile.TarFile, put: Put) -> None:
    member = tarfile.TarInfo(put.path)
    member.mode, member.mtime = put.mode, int(now())
    if put.kind == DIRECTORY:
        member.type = tarfile.DIRTYPE
        archive.addfile(member)
    elif put.kind == SYMLINK:
        member.type, member.linkname = tarfile.SYMTYPE, put.target
        archive.addfile(member)
    elif put.kind == FILE:
        with open(put.source, "rb") as file:
            member.size = os.fstat(file.fileno()).st_size
            archive.addfile(member, file)
