"""The home volume of each project: made on the first run, shared by all its targets, listed and removed by name.

Beside it, the modules that Python compiled, one folder for each environment: the sources in trees all have the same time, by
which Python would take the old for the new if two environments shared a folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from typing import NamedTuple

from shipway.core.errors import NotFound
from shipway.host.files import (
    make_directory,
    reflink_or_copy,
    remove_tree,
    translating_disk_errors,
    write_atomic,
)
from shipway.run.places import bytecode_folder, home_folder, homes_folder

_RECORD = "project.json"
_BYTECODES = 4
"""Environments of one project whose compiled modules are kept."""


class Home(NamedTuple):
    """One home volume."""

    project: str
    """The folder it belongs to, which may be gone."""
    path: str
    size: int
    """Bytes of its files."""
    used: float
    """Seconds since 1970 of the last change of its top folder."""


def ensure_home(state: str, project: str, skeleton: str = "") -> str:
    """The home volume of `project`, made with the files of `skeleton` (a host folder, /etc/skel of the image) if it is new.

    Raises:
        NoSpace: the disk is full.
        StoreError: it cannot be made.
    """
    home = home_folder(state, project)
    if os.path.isdir(home):
        return home
    with translating_disk_errors(f"make the home volume `{home}`"):
        make_directory(homes_folder(state, project))
        write_atomic(
            f"{homes_folder(state, project)}/{_RECORD}",
            json.dumps({"project": project}).encode(),
            0o600,
            durable=False,
        )
        with contextlib.suppress(FileExistsError):
            os.mkdir(home, 0o700)
            _copy_skeleton(skeleton, home)
    return home


def _copy_skeleton(skeleton: str, home: str) -> None:
    """Regular files only, and never through links: the skeleton came with an image."""
    if not skeleton:
        return
    with os.scandir(skeleton) as found:
        entries = list(found)
    for entry in entries:
        if entry.is_file(follow_symlinks=False):
            with contextlib.suppress(FileExistsError):
                reflink_or_copy(entry.path, f"{home}/{entry.name}", 0o644)


def ensure_bytecode(folder: str) -> None:
    """Make `folder` for compiled modules, and remove those of the project's environments that were used longest ago.

    Raises:
        NoSpace, StoreError: it cannot be made.
    """
    with translating_disk_errors(f"make the folder for compiled modules `{folder}`"):
        make_directory(folder)
        os.utime(folder)
        with os.scandir(os.path.dirname(folder)) as found:
            others = [entry for entry in found if entry.path != folder]
        if len(others) >= _BYTECODES:
            others.sort(key=lambda entry: entry.stat(follow_symlinks=False).st_mtime)
            for entry in others[: len(others) - _BYTECODES + 1]:
                remove_tree(entry.path)


def remove_home(state: str, project: str, *, dry_run: bool = False) -> int:
    """Remove the home volume of `project`, with its compiled modules, or with `dry_run` neither; the bytes of its files.

    Raises:
        NotFound: it has none.
    """
    folder = homes_folder(state, project)
    if not os.path.isdir(folder):
        raise NotFound(f"`{project}` has no home volume", hints=("a run makes one",))
    size = folder_size(home_folder(state, project))
    if dry_run:
        return size
    remove_tree(bytecode_folder(state, project))
    with translating_disk_errors(f"remove the home volume `{folder}`"):
        remove_tree(folder)
    return size


def folder_size(path: str) -> int:
    """Bytes of all regular files below `path`; what vanishes meanwhile or cannot be read counts nothing."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                status = os.lstat(os.path.join(folder, name))
                total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total
