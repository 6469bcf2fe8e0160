"""Files put into a running container of Docker or Podman, or taken out of it."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from shipway.core.errors import EngineError
from shipway.core.manifest import DIRECTORY, FILE, SYMLINK
from shipway.host.clock import now
from shipway.host.proc import run_fed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipway.run.life.model import Container, Put
    from shipway.run.oci.program import Program

_TYPES = {DIRECTORY: tarfile.DIRTYPE, FILE: tarfile.REGTYPE, SYMLINK: tarfile.SYMTYPE}
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

    command = program.command("cp", *program.dialect.put, "-", f"{container.record.engine_id}:/")
    with tempfile.TemporaryDirectory(prefix="put-", dir=container.folder) as place:
        # Podman writes its input to a file first, and leaves that there.
        environ = {**os.environ, "TMPDIR": place}
        finished = run_fed(type(command)(argv=command.argv, env=environ), partial(_write, chosen))
    if finished.code != 0:
        error = program.trouble(finished, "cp")
        raise EngineError(
            f"the files of `{container.name}` could not be changed", hints=error.hints, detail=error.detail
        )


def _write(puts: Sequence[Put], pipe: BinaryIO) -> None:
    """As a tar archive. Nothing follows the two blocks that end it, as `TarFile.close` would have it: Podman stops reading there,
    and what is written to it beyond is an error.
    """
    for put in puts:
        member = tarfile.TarInfo(put.path)
        member.type, member.mode, member.mtime = _TYPES[put.kind], put.mode, int(now())
        member.linkname = put.target
        with open(put.source, "rb") if put.kind == FILE else io.BytesIO() as content:
            member.size = os.fstat(content.fileno()).st_size if put.kind == FILE else 0
            pipe.write(member.tobuf(tarfile.PAX_FORMAT))
            shutil.copyfileobj(content, pipe)
        pipe.write(bytes(-member.size % tarfile.BLOCKSIZE))
    pipe.write(bytes(2 * tarfile.BLOCKSIZE))
