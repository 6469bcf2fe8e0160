"""`cp`: files into a container that runs, or out of it, as a tar stream that its own `tar` reads or writes.

What comes out of a container is hostile: it is unpacked by our own strict reader, below the one folder that was named.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import posixpath
import stat
import tempfile
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from shipway.archive.extract import Extractor
from shipway.archive.tar import read_tar
from shipway.archive.tarwriter import write_layer
from shipway.core.errors import EngineError, ExitCode, NotFound, ToolError
from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry, path_bytes
from shipway.core.text import shown
from shipway.core.units import render_size
from shipway.host.files import FULL, disk_error, translating_disk_errors
from shipway.run.life import client
from shipway.verbs.containers import find_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shipway.run.life.model import Container
    from shipway.verbs.context import Task


def copy(source: str, target: str, task: Task, *, dry_run: bool = False) -> str:
    """Do it, or with `dry_run` only see that it can be done; what was copied where, in words.

    Raises:
        ToolError: not exactly one of the two is in a container, or something is not there.
    """
    inside = [text for text in (source, target) if _is_inside(text)]
    if len(inside) != 1:
        raise ToolError(
            "`shipway cp` copies between this machine and one container",
            hints=("one of the two places is `NAME:PATH`: `shipway cp model.pt digits:/tmp/`",),
            code=ExitCode.USAGE,
        )
    name, _, path = inside[0].partition(":")
    container = find_whole(name, task)
    client.require_running(container)
    if inside[0] == target:
        return _copy_in(container, source, path, dry_run=dry_run)
    return _copy_out(container, path, target, dry_run=dry_run)


def _is_inside(text: str) -> bool:
    head, colon, _ = text.partition(":")
    return bool(colon) and "/" not in head and head not in (".", "..")


def _copy_in(container: Container, source: str, path: str, *, dry_run: bool) -> str:
    if not os.path.lexists(source):
        raise ToolError(
            f"`{shown(source)}` does not exist", hints=("correct the first place",), code=ExitCode.USAGE
        )
    if not (os.path.islink(source) or os.path.isfile(source) or os.path.isdir(source)):
        raise ToolError(
            f"`{shown(source)}` is neither a file nor a folder",
            hints=("put what it gives into a file, and copy that",),
            code=ExitCode.USAGE,
        )
    is_folder = path.endswith("/") or _is_there(container, "-d", path or "/")
    folder = path if is_folder else posixpath.dirname(path)
    name = os.path.basename(os.path.abspath(source)) if is_folder else posixpath.basename(path)
    if (path.endswith("/") or not is_folder) and not _is_there(container, "-d", folder or "."):
        raise NotFound(
            f"the folder `{shown(folder)}` does not exist in `{container.name}`",
            hints=(f"make it: `shipway exec {container.name} mkdir -p {shown(folder)}`",),
        )
    place = f"{container.name}:{shown(posixpath.join(folder, name))}"
    with _reading(source):
        members = list(_members(source, name))
    size = sum(entry.size for entry, _ in members)
    told = f"`{shown(source)}` ({render_size(size)}) to `{place}`"
    if dry_run:
        return told
    words = ["tar", "-x", "-f", "-", "--no-same-owner", "-C", folder or "."]
    with tempfile.TemporaryFile() as stream, tempfile.TemporaryFile() as errors:
        with _reading(source):
            write_layer(members, stream)
        stream.seek(0)
        ends = client.Ends(stream.fileno(), errors.fileno(), errors.fileno())
        code = client.exec_in(container, words, ends=ends)
        _require_done(code, errors, container, path)
    return told


def _is_there(container: Container, test: str, path: str) -> bool:
    return client.exec_captured(container, ["test", test, path]).code == 0


@contextlib.contextmanager
def _reading(source: str) -> Iterator[None]:
    """Say which file it was that could not be read."""
    try:
        yield
    except OSError as problem:
        if problem.errno in FULL:
            raise disk_error(problem, f"keep a copy of `{shown(source)}` for its way", ToolError) from problem
        raise ToolError(
            f"`{shown(problem.filename or source)}` cannot be read: {problem.strerror}",
            hints=("let yourself read it, or copy what you can read",),
            code=ExitCode.USAGE,
        ) from problem


def _raise(problem: OSError) -> None:
    raise problem


def _members(source: str, name: str) -> Iterator[tuple[Entry, Callable[[], io.FileIO]]]:
    """What is at `source` as members of an archive, called `name`; sockets, pipes and devices are left out."""
    found = [(name, source)]
    if os.path.isdir(source) and not os.path.islink(source):
        for folder, folders, files in os.walk(source, onerror=_raise):
            inner = os.path.relpath(folder, source)
            here = name if inner == "." else f"{name}/{inner}"
            found += [(f"{here}/{one}", os.path.join(folder, one)) for one in (*folders, *files)]
    for path, file in sorted(found, key=lambda pair: path_bytes(pair[0])):
        info = os.lstat(file)
        mode, mtime = stat.S_IMODE(info.st_mode), max(0, int(info.st_mtime))
        if stat.S_ISDIR(info.st_mode):
            yield Entry(path, DIRECTORY, mode, mtime=mtime), partial(io.FileIO, file)
        elif stat.S_ISLNK(info.st_mode):
            yield (
                Entry(path, SYMLINK, 0o777, mtime=mtime, target=os.readlink(file)),
                partial(io.FileIO, file),
            )
        elif stat.S_ISREG(info.st_mode):
            if not os.access(file, os.R_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), file)
            yield Entry(path, FILE, mode, mtime=mtime, size=info.st_size), partial(io.FileIO, file)


def _copy_out(container: Container, path: str, target: str, *, dry_run: bool) -> str:
    folder, name = posixpath.split(path.rstrip("/") or "/")
    if not name:
        raise ToolError(
            "the whole root cannot be copied", hints=("name a folder in it",), code=ExitCode.USAGE
        )
    into = os.path.isdir(target)
    place = target if into else os.path.dirname(os.path.abspath(target))
    final = os.path.join(target, name) if into else target
    _require_room(place, final)
    if dry_run:
        _require_there(container, path)
        return f"`{container.name}:{shown(path)}` to `{shown(final)}`"
    with tempfile.TemporaryFile() as stream, tempfile.TemporaryFile() as errors:
        ends = client.Ends(errors.fileno(), stream.fileno(), errors.fileno())
        code = client.exec_in(
            container,
            ["tar", "-c", "-f", "-", "-C", folder or ".", name],
            ends=ends,
            interactive=False,
        )
        if code:
            _require_there(container, path)
        _require_done(code, errors, container, path)
        stream.seek(0)
        with (
            translating_disk_errors(f"write `{shown(final)}`", error=ToolError),
            tempfile.TemporaryDirectory(dir=place, prefix=".shipway-cp-") as scratch,
        ):
            size = _unpack(stream, scratch, f"{container.name}:{path}")
            os.replace(os.path.join(scratch, name), final)
    return f"`{container.name}:{shown(path)}` ({render_size(size)}) to `{shown(final)}`"


def _require_there(container: Container, path: str) -> None:
    """Make sure that it can be copied out; a link that leads nowhere can."""
    if not (_is_there(container, "-e", path) or _is_there(container, "-L", path)):
        raise NotFound(
            f"`{shown(path)}` does not exist in `{container.name}`", hints=("correct the first place",)
        )


def _require_room(place: str, final: str) -> None:
    """Make sure that there is a folder to write to, and nothing that would be lost."""
    if os.path.isdir(final):
        raise ToolError(
            f"`{shown(final)}` is there already", hints=("remove it first, or choose another place",)
        )
    if not os.path.isdir(place):
        raise ToolError(
            f"the folder `{shown(place)}` does not exist",
            hints=("make it, or correct the second place",),
            code=ExitCode.USAGE,
        )


def _unpack(stream: BinaryIO, folder: str, label: str) -> int:
    """Unpack what came out of a container, which may say anything; the bytes of its files."""
    size = 0
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    extractor = Extractor(root, label)
    try:
        for member in read_tar(stream, label):
            if member.path == ".":
                continue
            if member.kind == DIRECTORY:
                extractor.directory(member.path, member.mode | 0o700, member.mtime)
            elif member.kind == FILE:
                size += member.size
                extractor.file(member.path, member.content, member.mode, member.mtime)
            elif member.kind == SYMLINK:
                extractor.symlink(member.path, member.target, member.mtime)
            elif member.kind == HARDLINK:
                extractor.hardlink(member.path, member.target)
    finally:
        extractor.close()
        os.close(root)
    return size


def _require_done(code: int | None, errors: BinaryIO, container: Container, path: str) -> None:
    if code:
        errors.seek(0)
        raise EngineError(
            f"`{shown(path)}` in `{container.name}` could not be copied",
            hints=("`shipway exec` lets you look inside",),
            detail=errors.read().decode("utf-8", "replace"),
        )
