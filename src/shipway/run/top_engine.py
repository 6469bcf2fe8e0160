"""What a container of Docker or Podman has written over its trees: the engine lists the paths, and hands out single files."""

from __future__ import annotations

import functools
import hashlib
import io
import tarfile
from typing import TYPE_CHECKING

from shipway.core.manifest import DIRECTORY, FILE
from shipway.run.installed import Top, Written
from shipway.run.top_reading import reader_below
from shipway.run.tree_changes import visible_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shipway.run.life.lives import Changed
    from shipway.run.life.model import Container
    from shipway.run.tree_changes import Seen, TreeFiles

_LARGEST = 64 << 20
"""Bytes of a file that is looked into."""


def read_engine_top(container: Container, changed: Sequence[Changed], trees: Sequence[TreeFiles]) -> Top:
    """What of `changed` (the engine's own list) differs from `trees`, bottom first.

    What the engine's image lacked and the trees have was put there by us; what it had and lost the trees may have lost, too.

    Raises:
        EngineError: the engine does not answer.
    """
    seen = visible_at(trees, [one.path for one in changed])
    fetch = functools.cache(functools.partial(_fetch, container))
    leading = {folder for one in changed for folder in _parents(one.path)}
    written, same = [], set()
    for one in changed:
        below = seen.get(one.path)
        is_folder = one.kind == DIRECTORY or one.path in leading
        if _is_same(one, below, fetch, is_folder=is_folder):
            same.add(one.path)
        else:
            written.append(Written(one.path, _what(one, below), is_folder and one.what != "D"))
    gone = {one.path for one in written if one.what == "D"}
    touched = {one.path for one in changed if one.what != "D"}
    read_below = reader_below(trees, seen)

    def read(path: str) -> bytes | None:
        if gone & {path, *_parents(path)}:
            return None
        return fetch(path) if path in touched else read_below(path)

    return Top(tuple(written), read, read_below, frozenset(same))


def _parents(path: str) -> list[str]:
    found = []
    while path := path.rpartition("/")[0]:
        found.append(path)
    return found


def _what(one: Changed, below: Seen | None) -> str:
    return one.what if one.what == "D" else "A" if below is None else "C"


def _is_same(
    one: Changed, below: Seen | None, fetch: Callable[[str], bytes | None], *, is_folder: bool
) -> bool:
    """Whether the container shows at that path what the trees show."""
    if one.what == "D":
        return below is None
    if below is None:
        return False
    if below.entry.kind != FILE:
        return is_folder == (below.entry.kind == DIRECTORY)
    if one.what == "A":
        return not is_folder
    data = fetch(one.path)
    return data is not None and hashlib.sha256(data).hexdigest() == below.entry.digest


def _fetch(container: Container, path: str) -> bytes | None:
    """The bytes of a plain file as the container has it, by the engine's own way, so that nothing in it has to be trusted."""
    from shipway.run.life.oci_life import dialect_of  # noqa: PLC0415 - one of two engines
    from shipway.run.oci_program import require_program  # noqa: PLC0415

    program = require_program(dialect_of(container.engine))
    finished = program.ask("cp", f"{container.record.engine_id}:/{path}", "-")
    if finished.code != 0:
        return None
    try:
        with tarfile.open(fileobj=io.BytesIO(finished.stdout)) as archive:
            member = archive.next()
            file = archive.extractfile(member) if member is not None and member.isreg() else None
            return file.read(_LARGEST) if file else None
    except tarfile.TarError:
        return None
