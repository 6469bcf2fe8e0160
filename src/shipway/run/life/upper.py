"""What a container that a supervisor runs has written outside its mounts: its upper folder, read and left as it is."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from shipway.core.manifest import DIRECTORY, FILE, SYMLINK
from shipway.core.units import render_size
from shipway.host.overlay import is_opaque
from shipway.run.facts import find_inside
from shipway.run.life.lives import Changed
from shipway.run.top.kept import is_of_start, places_of_mounts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from shipway.run.life.model import Container


def list_changed(container: Container) -> tuple[Changed, ...]:
    """By path.

    Raises:
        OSError: something cannot be read.
    """
    places = places_of_mounts(container.environment, container.record.asked)
    return list_written(f"{container.folder}/upper", container.environment.lowers, places)


def list_written(upper: str, lowers: tuple[str, ...], places: Collection[str]) -> tuple[Changed, ...]:
    """What the overlay's folder `upper` holds over `lowers` (the top one first). `places`: see `is_of_start`.

    Raises:
        OSError: something cannot be read.
    """
    if not os.path.isdir(upper):
        return ()
    found = _below(upper, "", lowers)
    return tuple(one for one in found if not is_of_start(one.path, places, is_folder=one.kind == DIRECTORY))


def describe_files(count: int, size: int) -> str:
    """`3 files (12 KiB)`; without a size where none is known."""
    return f"{count} file{'' if count == 1 else 's'}" + (f" ({render_size(size)})" if size else "")


def describe_lost(changes: Iterable[Changed]) -> str:
    """The files among `changes`, counted; empty for none."""
    files = [one for one in changes if one.kind != DIRECTORY]
    return describe_files(len(files), sum(one.size for one in files)) if files else ""


def describe_removal(name: str, lost: str) -> str:
    """What goes with a container that is removed at its end; empty where nothing does."""
    if not lost:
        return ""
    return f"`{name}` was removed, as `--rm` asks, and with it {lost} that it wrote outside mounts"


def _below(upper: str, folder: str, lowers: tuple[str, ...]) -> Iterator[Changed]:
    here = os.path.join(upper, folder)
    names = sorted(os.listdir(here))
    if folder and is_opaque(here):
        below = find_inside(lowers, folder)
        hidden = set(os.listdir(below.host)) if below and os.path.isdir(below.host) else set()
        for name in sorted(hidden - set(names)):
            yield Changed(f"{folder}/{name}", "D")
    for name in names:
        path = f"{folder}/{name}" if folder else name
        info = os.lstat(os.path.join(upper, path))
        there = find_inside(lowers, path) is not None
        if stat.S_ISCHR(info.st_mode) and info.st_rdev == 0:
            if there:
                yield Changed(path, "D")
        elif stat.S_ISDIR(info.st_mode):
            if not there:
                yield Changed(path, "A", DIRECTORY)
            yield from _below(upper, path, lowers)
        else:
            kind = SYMLINK if stat.S_ISLNK(info.st_mode) else FILE
            yield Changed(path, "C" if there else "A", kind, info.st_size)
