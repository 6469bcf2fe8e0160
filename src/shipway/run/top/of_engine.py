"""What a container of Docker or Podman has written over its trees: the engine lists the paths, and hands out files as archives.

Its own way out is taken, `cp`, so that nothing in the container has to be there or to be trusted, and one that has ended is read
as well.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import tarfile
import tempfile
from typing import TYPE_CHECKING, BinaryIO

from shipway.core.manifest import DIRECTORY, FILE
from shipway.host.proc import run
from shipway.host.scratch import scratch_folder
from shipway.run.top.installed import Top, Written
from shipway.run.top.of_upper import reader_below
from shipway.run.top.trees import visible_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shipway.run.life.lives import Changed
    from shipway.run.life.model import Container
    from shipway.run.top.trees import Seen, TreeFiles

_LARGEST = 64 << 20
"""Bytes of a file that is read whole; metadata is never so large."""
_PACKAGE = re.compile(r"(.*-packages/[^/]+)/")
_CHUNK = 1 << 20


def read_engine_top(
    container: Container, changed: Sequence[Changed], trees: Sequence[TreeFiles], *, compare: bool
) -> Top:
    """What of `changed` (the engine's own list) differs from `trees`, bottom first.

    What the engine's image lacks and the trees have was put there by us. Files that both have are read and compared only with
    `compare`, for that takes a moment for each package; else they count as the trees' own.

    Raises:
        EngineError: the engine does not answer.
    """
    seen = visible_at(trees, [one.path for one in changed])
    leading = {folder for one in changed for folder in _parents(one.path)}
    doubtful = [one.path for one in changed if one.what == "C" and _is_file(seen.get(one.path))]
    digests = _digests(container, doubtful) if compare else {}
    written, same = [], set()
    for one in changed:
        below = seen.get(one.path)
        is_folder = one.kind == DIRECTORY or one.path in leading
        differs = one.path in digests and below is not None and digests[one.path] != below.entry.digest
        if _is_alike(one, below, is_folder=is_folder) and not differs:
            same.add(one.path)
        else:
            written.append(Written(one.path, _what(one, below), is_folder and one.what != "D"))
    gone = {one.path for one in written if one.what == "D"}
    touched = {one.path for one in changed if one.what != "D"}
    read_below = reader_below(trees, seen)
    fetch = functools.cache(functools.partial(_fetch, container))

    def read(path: str) -> bytes | None:
        if gone & {path, *_parents(path)}:
            return None
        return fetch(path) if path in touched else read_below(path)

    return Top(tuple(written), read, read_below, frozenset(same))


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _is_file(seen: Seen | None) -> bool:
    return seen is not None and seen.entry.kind == FILE


def _what(one: Changed, below: Seen | None) -> str:
    return one.what if one.what == "D" else "A" if below is None else "C"


def _is_alike(one: Changed, below: Seen | None, *, is_folder: bool) -> bool:
    """Whether the container shows at that path the kind of thing that the trees show."""
    if one.what == "D" or below is None:
        return one.what == "D" and below is None
    return is_folder == (below.entry.kind == DIRECTORY)


def _fetch(container: Container, path: str) -> bytes | None:
    """The bytes of a plain file as the container has it."""
    with tempfile.TemporaryFile() as stream:
        for _, file in _members(container, path, stream):
            return file.read(_LARGEST)
    return None


def _digests(container: Container, paths: Iterable[str]) -> dict[str, str]:
    """What the container has at `paths`, hex sha256; a file that is not there, or none, has the empty text.

    Files of one Python package come in one archive.
    """
    groups: dict[str, set[str]] = {}
    for path in paths:
        match = _PACKAGE.match(path)
        groups.setdefault(match[1] if match else path, set()).add(path)
    found = {path: "" for wanted in groups.values() for path in wanted}
    with scratch_folder("top-") as folder:
        for group, wanted in groups.items():
            one = next(iter(wanted)) if len(wanted) == 1 else group
            with tempfile.TemporaryFile(dir=folder) as stream:
                for path, file in _members(container, one, stream):
                    if path in wanted:
                        found[path] = _digest(file)
    return found


def _members(container: Container, path: str, stream: BinaryIO) -> Iterator[tuple[str, BinaryIO]]:
    """Every plain file at and below `path`, as an archive that is written to `stream`."""
    from shipway.run.life.oci_life import dialect_of  # noqa: PLC0415 - one of two engines
    from shipway.run.oci.program import require_program  # noqa: PLC0415

    program = require_program(dialect_of(container.engine))
    command = program.command("cp", f"{container.record.engine_id}:/{path}", "-")
    if run(command, stdout=stream.fileno()).code != 0:
        return
    stream.seek(0)
    parent = path.rpartition("/")[0]
    try:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isreg() or member.islnk() else None
                if file is not None:
                    yield os.path.normpath(f"{parent}/{member.name}").lstrip("/"), file  # type: ignore[misc]
    except (tarfile.TarError, KeyError):  # cut short, or a link to what is not in it
        return


def _digest(file: BinaryIO) -> str:
    found = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        found.update(chunk)
    return found.hexdigest()
