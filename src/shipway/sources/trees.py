"""Source trees as values: the content of an sdist or of a folder, and the digest that names it."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterable, Iterator

from shipway.archive.names import checked_path, refuse
from shipway.archive.stream import Bytes, decompress
from shipway.archive.tar import read_tar
from shipway.archive.tarwriter import OpenContent, Sink, write_layer
from shipway.archive.zip import ZipReader
from shipway.core.digest import BlobDigest
from shipway.core.errors import SpecError
from shipway.core.ignore import VENDOR_INDEX, IgnoreRules, parse_ignore
from shipway.core.manifest import FILE, SYMLINK, Entry, Manifest
from shipway.sources.values import LINK, SourceFile

_CHUNK = 1 << 18
_MOST_BYTES = 512 << 20
"""Sources are held in memory while they are packed for the sandbox."""
_SKIPPED = frozenset(
    {".git", ".hg", ".svn", ".tox", ".nox", ".venv", "__pycache__", ".shipway"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints"}
)
"""Folders that are never sources, wherever they are."""
_SKIPPED_ON_TOP = frozenset({"build", "dist", "venv", "node_modules", "shipway.lock"})
"""Results of building, and our own lock: it names the digest of the sources and must not be part of them."""
_IGNORE_FILES = (".containerignore", ".dockerignore")


def read_sdist(path: str, filename: str) -> tuple[SourceFile, ...]:
    """The files of an sdist below its one top folder.

    Raises:
        HostileInput: the archive breaks a rule; or holds more than one top folder, or special files.
    """
    members = _zip_files(path, filename) if filename.endswith(".zip") else _tar_files(path, filename)
    files: list[SourceFile] = []
    tops: set[str] = set()
    for name, mode, data in members:
        top, slash, below = name.partition("/")
        tops.add(top)
        if not slash or len(tops) > 1:
            raise refuse(filename, name, "lies outside the one folder that an sdist has")
        files.append(SourceFile(path=below, mode=mode, data=data))
    return tuple(sorted(files, key=lambda file: file.path))


def _tar_files(path: str, filename: str) -> Iterator[tuple[str, int, bytes]]:
    size = os.path.getsize(path)
    with open(path, "rb") as stream:
        name = filename + ".gz" if filename.endswith(".tgz") else filename
        chunks = decompress(name, iter(lambda: stream.read(_CHUNK), b""), size, filename)
        for member in read_tar(Bytes(chunks), filename):
            if member.kind == FILE:
                yield member.path, 0o755 if member.mode & 0o100 else 0o644, member.content.read()
            elif member.kind == SYMLINK:
                yield member.path, LINK, os.fsencode(member.target)
            elif member.kind != "d":
                raise refuse(filename, member.path, "is neither file, folder nor symbolic link")


def _zip_files(path: str, filename: str) -> Iterator[tuple[str, int, bytes]]:
    with open(path, "rb") as stream:
        reader = ZipReader(stream.fileno(), filename)
        for member in reader.members:
            yield member.path, 0o644, b"".join(reader.read(member))


def pack_files(files: Iterable[SourceFile], sink: Sink) -> int:
    """Write `files` as the one tar that stands for them; how many bytes it has.

    Raises:
        HostileInput: a name cannot be in a tar of ours.
    """

    def member(file: SourceFile) -> tuple[Entry, OpenContent]:
        content = lambda: io.BytesIO(file.data)  # noqa: E731
        return _entry(file), content

    return write_layer((member(file) for file in sorted(files, key=lambda it: os.fsencode(it.path))), sink)


def read_packed(path: str, label: str) -> tuple[SourceFile, ...]:
    """The files of a tar that `pack_files` wrote.

    Raises:
        HostileInput: the archive breaks a rule.
    """
    return tuple(
        SourceFile(path=name, mode=mode, data=data) for name, mode, data in _tar_files(path, f"{label}.tar")
    )


def read_folder(root: str) -> tuple[SourceFile, ...]:
    """The files of a project's folder: all but version control, environments, caches, build results and what it ignores.

    Raises:
        SpecError: it is no folder, or holds far more than sources.
    """
    ignored = _read_rules(root)
    files: list[SourceFile] = []
    total = 0
    for folder, names, leaves in os.walk(root):
        below = os.path.relpath(folder, root)
        prefix = "" if below == "." else below + "/"
        linked = [name for name in names if os.path.islink(os.path.join(folder, name))]
        inner = [name for name in names if name not in linked]
        names[:] = sorted(name for name in inner if not _skips(folder, prefix, name, ignored))
        for name in sorted([*leaves, *linked]):
            skipped = name.endswith((".pyc", ".egg-link")) or (not prefix and name in _SKIPPED_ON_TOP)
            if skipped or ignored.ignored(prefix + name):
                continue
            file = _read_leaf(os.path.join(folder, name), prefix + name)
            if file is not None:
                files.append(file)
                total += len(file.data)
        if total > _MOST_BYTES:
            raise SpecError(
                f"the Python project in `{root}` holds more than {_MOST_BYTES >> 20} MiB",
                hints=["name data folders in `.dockerignore`, or move the package into a folder of its own"],
            )
    if not files:
        raise SpecError(f"there is no Python project in `{root}`", hints=["correct the path in the spec"])
    return tuple(sorted(files, key=lambda file: file.path))


def _read_rules(root: str) -> IgnoreRules:
    """The rules of the folder's ignore file.

    Raises:
        SpecError: a pattern is malformed.
    """
    for name in _IGNORE_FILES:
        try:
            with open(os.path.join(root, name), encoding="utf-8", errors="surrogateescape") as file:
                return IgnoreRules(parse_ignore(file.read()))
        except FileNotFoundError:
            continue
        except ValueError as error:
            raise SpecError(f"`{name}` of `{root}`: {error}", hints=["correct the pattern"]) from error
    return IgnoreRules(())


def _skips(folder: str, prefix: str, name: str, ignored: IgnoreRules) -> bool:
    if name in _SKIPPED or name.endswith(".egg-info") or (not prefix and name in _SKIPPED_ON_TOP):
        return True
    marks = (os.path.join(folder, name, mark) for mark in ("pyvenv.cfg", VENDOR_INDEX))
    return ignored.can_skip(prefix + name) or any(map(os.path.exists, marks))


def _read_leaf(path: str, name: str) -> SourceFile | None:
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return SourceFile(path=name, mode=LINK, data=os.fsencode(os.readlink(path)))
    if not stat.S_ISREG(status.st_mode):
        return None  # a socket or a pipe is no source
    checked_path(name, "project")
    with open(path, "rb") as stream:
        return SourceFile(path=name, mode=0o755 if status.st_mode & 0o100 else 0o644, data=stream.read())


def tree_digest(files: Iterable[SourceFile]) -> BlobDigest:
    """The digest of a tree of sources: paths, the executable bit, contents; no times, no owners."""
    return BlobDigest(str(Manifest(_entry(file) for file in files).identity()))


def _entry(file: SourceFile) -> Entry:
    if file.mode == LINK:
        return Entry(file.path, SYMLINK, 0o777, target=os.fsdecode(file.data))
    digest = hashlib.sha256(file.data).hexdigest()
    return Entry(file.path, FILE, file.mode, size=len(file.data), digest=digest)
