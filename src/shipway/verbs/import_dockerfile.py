"""`import dockerfile`: read a Dockerfile, say what each line becomes in a spec and what is wrong, and write the spec if asked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, NotFound, SpecError, ToolError
from shipway.core.events import silent
from shipway.core.text import shown
from shipway.verbs.find import SPEC_FILE, has_spec
from shipway.verbs.inference import list_files
from shipway.verbs.project import parse_project, read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.spec.dockerfile.near import Mount
    from shipway.spec.dockerfile.report import Imported
    from shipway.verbs.context import Task

_NAMES = ("Dockerfile", "Containerfile", "docker/Dockerfile", ".devcontainer/Dockerfile")
_LARGEST = 256 << 10
"""Bytes of a Dockerfile, and of a script or page beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What is asked of an import."""

    file: str = ""
    """Relative to the project's folder or absolute; empty: the usual names."""
    stage: str = ""
    arguments: tuple[str, ...] = ()
    """`NAME=VALUE` for ARGs."""
    name: str = ""
    write: bool = False
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What the Dockerfile becomes."""

    path: str
    """Of the spec."""
    written: bool
    replaced: bool
    imported: Imported
    mistake: str
    """Why the text is no spec yet, such as a line of a requirements file that no lock can be made of; empty: it is one."""
    hints: tuple[str, ...]

    @property
    def code(self) -> int:
        """0, or 10 when a person has to correct something before there is a spec."""
        return ExitCode.SPEC if self.mistake else ExitCode.OK


def run_import(request: ImportRequest, task: Task) -> ImportResult:
    """Read the Dockerfile; write `shipway.toml` into the folder when the request says so.

    Raises:
        NotFound: there is no such file.
        SpecError: it is no Dockerfile, or it is to be written and is no spec yet.
        ToolError: there is a spec already, or an argument has no `=`.
    """
    from shipway.spec.dockerfile.convert import Around, import_dockerfile
    from shipway.spec.dockerfile.parse import parse_dockerfile

    folder = os.path.realpath(task.directory or ".")
    path = os.path.join(folder, SPEC_FILE)
    there = os.path.exists(path) or has_spec(folder)
    if request.write and there and not request.force:
        raise ToolError(
            f"there is a spec already in `{shown(folder)}`",
            hints=["`--force` replaces `shipway.toml`", "without `--write` it is only shown"],
            code=ExitCode.SPEC,
        )
    file = _require_file(folder, request.file)
    names = list_files(folder)
    around = Around(
        name=request.name or os.path.basename(folder),
        stage=request.stage,
        arguments=_read_arguments(request.arguments),
        names=names,
        mounts=_read_mounts(folder, names),
    )
    imported = import_dockerfile(parse_dockerfile(_read_dockerfile(folder, file), file), around)
    mistake, hints = _check(folder, imported.text)
    if mistake and request.write:
        raise SpecError(f"`{shown(file)}` gives no spec yet: {mistake}", hints=hints)
    written = request.write and not request.dry_run
    if written:
        from shipway.host.files import write_atomic

        write_atomic(path, imported.text.encode())
    return ImportResult(
        path=path,
        written=written,
        replaced=written and there,
        imported=imported,
        mistake=mistake,
        hints=hints,
    )


def _require_file(folder: str, file: str) -> str:
    """The Dockerfile's path, relative to `folder` where it is inside."""
    wanted = (file,) if file else _NAMES
    for name in wanted:
        full = os.path.join(folder, name)
        if os.path.isdir(full) and file:
            full = os.path.join(full, "Dockerfile")
        if os.path.isfile(full):
            below = os.path.relpath(os.path.realpath(full), folder)
            return full if below.startswith("..") else below
    raise NotFound(
        f"there is no `{shown(wanted[0])}` in `{shown(folder)}`",
        hints=["name the file: `shipway import dockerfile FILE`", "`shipway -C DIR` chooses another folder"],
    )


def _read_dockerfile(folder: str, file: str) -> str:
    if os.path.getsize(os.path.join(folder, file)) > _LARGEST:
        raise SpecError(
            f"`{shown(file)}` is larger than 256 KiB and no Dockerfile", hints=["name another file"]
        )
    return read_text(folder, file) or ""


def _read_arguments(pairs: Sequence[str]) -> dict[str, str]:
    for pair in pairs:
        if not pair.partition("=")[0] or "=" not in pair:
            name = shown(pair.partition("=")[0])
            raise ToolError(
                f"`--build-arg` has no value for `{name}`",
                hints=[f"write `--build-arg {name or 'NAME'}=VALUE`"],
                code=ExitCode.USAGE,
            )
    return dict(pair.split("=", 1) for pair in pairs)


def _read_mounts(folder: str, names: Sequence[str]) -> tuple[Mount, ...]:
    """Where scripts and pages of the project mount it; what cannot be read says nothing."""
    from shipway.spec.dockerfile.near import find_mounts, is_wanted_beside

    texts: dict[str, str] = {}
    for name in names:
        full = os.path.join(folder, name)
        if is_wanted_beside(name) and os.path.isfile(full) and os.path.getsize(full) <= _LARGEST:
            try:
                texts[name] = read_text(folder, name) or ""
            except SpecError:
                continue
    return find_mounts(texts)


def _check(folder: str, text: str) -> tuple[str, tuple[str, ...]]:
    """What the spec's own reader finds wrong with `text`, and its hints."""
    try:
        parse_project(
            folder, SPEC_FILE, {"pyproject.toml": read_text(folder, "pyproject.toml")}, silent, text=text
        )
    except SpecError as problem:
        return problem.message, problem.hints
    return "", ()
