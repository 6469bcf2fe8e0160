"""A folder without a spec: read what it holds, infer a spec, and work with it from outside the folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.core.events import Note
from shipway.core.text import shown
from shipway.verbs.project import Project, own_folder, parse_project, read_text

if TYPE_CHECKING:
    from shipway.core.events import Emit
    from shipway.spec.facts import Folder
    from shipway.spec.infer import Inferred

_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist"})
_MOST_FILES = 20000
"""A folder with more is no project, or holds data that says nothing about packages."""
_LARGEST = 2 << 20
"""Bytes; a notebook may be large, source code is not."""


def infer_project(folder: str, emit: Emit) -> Project:
    """The project at `folder` with an inferred spec, which is shown unless it is the one that was used before.

    Raises:
        SpecError: nothing in the folder says what it needs.
    """
    from shipway.spec.parse import PROJECT_FILE, SPEC_FILE

    inferred = read_inferred(folder, emit)
    if read_text(own_folder(folder), SPEC_FILE) != inferred.text:
        for line in describe_inference(inferred):
            emit(Note(line))
    texts = {PROJECT_FILE: read_text(folder, PROJECT_FILE)}
    return parse_project(folder, SPEC_FILE, texts, emit, text=inferred.text)


def read_inferred(folder: str, emit: Emit) -> Inferred:
    """What the files of `folder` imply.

    Raises:
        SpecError: nothing.
    """
    from shipway.spec.infer import infer_spec

    return infer_spec(read_folder(folder, emit), name=os.path.basename(folder))


def describe_inference(inferred: Inferred) -> tuple[str, ...]:
    """What was inferred from which line and why, what was dropped, and the spec itself."""
    return (
        "inferred, for there is no spec here:",
        *(f"  {shown(str(one), 400)}" for one in inferred.inferences),
        *(f"  {shown(str(one), 400)}" for one in inferred.dropped),
        *(f"  {shown(str(one), 400)}" for one in inferred.remarks),
        "`shipway init` writes this as `shipway.toml`",
    )


def read_folder(folder: str, emit: Emit) -> Folder:
    """Names of all files, and the texts of those that inference wants."""
    from shipway.spec.facts import Folder
    from shipway.spec.survey import wanted_files

    names = list_files(folder)
    if len(names) >= _MOST_FILES:
        emit(Note(f"only the first {_MOST_FILES} files of `{shown(folder)}` were looked at", "warning"))
    texts = {}
    for name in wanted_files(names):
        text = _read_small(folder, name, emit)
        if text is not None:
            texts[name] = text
    return Folder(names=names, texts=texts)


def list_files(folder: str) -> tuple[str, ...]:
    """Files below `folder` in a fixed order, without hidden folders, environments and build output. Links are not followed."""
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if _is_searched(place, name))
        below = os.path.relpath(place, folder)
        prefix = "" if below == "." else below + "/"
        found += [prefix + name for name in sorted(files)]
        if len(found) >= _MOST_FILES:
            break
    return tuple(found[:_MOST_FILES])


def _is_searched(place: str, name: str) -> bool:
    if name in _SKIPPED or (name.startswith(".") and name != ".binder"):
        return False
    return not os.path.exists(os.path.join(place, name, "pyvenv.cfg"))


def _read_small(folder: str, name: str, emit: Emit) -> str | None:
    path = os.path.join(folder, name)
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as problem:
        emit(Note(f"`{shown(name)}` was not looked at: {problem.strerror}", "warning"))
        return None
    if len(data) > _LARGEST:
        emit(
            Note(f"`{shown(name)}` was not looked at, for it is larger than {_LARGEST >> 20} MiB", "warning")
        )
        return None
    return data.decode("utf-8-sig", "replace")
