"""A project as a verb sees it: its folder, its spec with every file that was read for it, its lock."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import NotFound, SpecError
from shipway.core.text import shown
from shipway.verbs.find import LOCK_FILE, find_folder

if TYPE_CHECKING:
    from shipway.core.events import Emit
    from shipway.lock.model import Lock, TargetLock
    from shipway.spec.model import Spec, Target

_TEXT_LIMIT = 64 << 20
"""Bytes of a file that a spec is read from; a bigger one is no requirements file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One project. `texts` holds every file that was read or looked for, relative to `folder`; None: not there."""

    folder: str
    """Absolute, links resolved."""
    spec: Spec
    texts: dict[str, str | None]
    inferred: str = ""
    """The text of the inferred spec, when there is none in the folder."""

    @property
    def lock_path(self) -> str:
        """Where the lock is: beside the spec, or below the state folder when the spec is inferred."""
        return os.path.join(own_folder(self.folder) if self.inferred else self.folder, LOCK_FILE)

    def inputs(self) -> tuple[str, ...]:
        """Absolute paths of every file that spec and lock follow from."""
        return (*(os.path.join(self.folder, name) for name in self.texts), self.lock_path)


def own_folder(folder: str) -> str:
    """Where we keep what belongs to the project at `folder` and does not go into it."""
    from shipway.host.dirs import state_dir
    from shipway.run.places import project_key

    return os.path.join(state_dir(), "inferred", project_key(folder))


def read_project(directory: str, emit: Emit) -> Project:
    """The project at or above `directory`; without a spec there, one that is inferred.

    Raises:
        SpecError: the spec is wrong, or there is none and nothing to infer one from.
    """
    from shipway.spec.inputs import find_spec_file
    from shipway.spec.parse import PROJECT_FILE, SPEC_FILE

    folder = find_folder(directory)
    texts = {name: read_text(folder, name) for name in (SPEC_FILE, PROJECT_FILE)}
    file = find_spec_file(texts)
    if file is None:
        from shipway.verbs.inference import infer_project

        return infer_project(folder, emit)
    return parse_project(folder, file, texts, emit)


def parse_project(
    folder: str, file: str, texts: dict[str, str | None], emit: Emit, *, text: str = ""
) -> Project:
    """The project whose spec is in `file`, or is `text` when that is given (an inferred one)."""
    from shipway.spec.inputs import find_missing_files
    from shipway.spec.parse import parse_spec

    spec_text = text or texts[file] or ""
    while missing := find_missing_files(spec_text, texts, file=file):
        texts.update({name: read_text(folder, name) for name in missing})
    parsed = parse_spec(spec_text, texts, file=file, folder=os.path.basename(folder))
    for note in parsed.notes:
        emit(note)
    return Project(folder=folder, spec=parsed.spec, texts=texts, inferred=text)


def read_text(folder: str, name: str) -> str | None:
    """The text of the project's file `name`, or None when there is no such file.

    Raises:
        SpecError: it cannot be read, or is no text.
    """
    path = os.path.join(folder, name)
    try:
        with open(path, "rb") as file:
            data = file.read(_TEXT_LIMIT)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as problem:
        raise SpecError(
            f"`{shown(name)}` cannot be read: {problem.strerror}",
            hints=[f"correct the permissions of `{shown(path)}`"],
        ) from problem
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise SpecError(
            f"`{shown(name)}` is no UTF-8 text (byte {problem.start})", hints=["save it as UTF-8"]
        ) from None


def require_target(spec: Spec, name: str) -> Target:
    """The target called `name`, or the default one.

    Raises:
        SpecError: there is none of that name.
    """
    try:
        return spec.target(name)
    except KeyError:
        names = [target.name for target in spec.targets]
        raise SpecError(
            f"the spec has no target `{shown(name)}`",
            hints=[
                f"its targets are: {', '.join(names)}",
                "`-t` is `--target` here: a terminal is `-it` or `--tty`, and the name of an image `--tag`",
            ],
        ) from None


def read_lock(project: Project) -> Lock | None:
    """The project's lock, or None when there is none.

    Raises:
        LockFormatError: it cannot be read.
    """
    from shipway.lock.parse import parse_lock

    folder, name = os.path.split(project.lock_path)
    text = read_text(folder, name)
    return None if text is None else parse_lock(text, file=name)


def require_locked(lock: Lock, target: str, platform: str) -> TargetLock:
    """The locked target.

    Raises:
        NotFound: the lock has no such target on that platform.
    """
    try:
        return lock.target(target, platform)
    except KeyError:
        there = ", ".join(f"{one.name} on {one.platform}" for one in lock.targets)
        raise NotFound(
            f"the lock has no target `{shown(target)}` on {platform}; it has {there or 'none'}",
            hints=[f"run `shipway lock --platform {platform}`"],
        ) from None
