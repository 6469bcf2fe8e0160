"""`export KIND`: a locked target written down for another tool."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, NotFound, ToolError
from shipway.core.events import Note
from shipway.core.text import shown
from shipway.verbs.context import Task, host_platform
from shipway.verbs.locking import ensure_lock
from shipway.verbs.project import read_project, require_locked, require_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.export.model import Contents
    from shipway.lock.model import Lock, Source, Wheel
    from shipway.spec.model import RunOptions
    from shipway.store.store import Store
    from shipway.verbs.archives import SaveResult
    from shipway.verbs.project import Project

_MARK = b"Written by `shipway export "
"""What says that a file is ours to replace."""
_MAGIC = {"sif": (b"SIF_MAGIC", 32), "squashfs": (b"hsqs", 0)}
"""The same for files that are no text: what they hold, and where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFile:
    """One text. `path` is where it goes, empty for standard output."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """What was exported, or would be."""

    files: tuple[ExportFile, ...]
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Export:
    """What a kind is made from."""

    task: Task
    project: Project
    store: Store
    lock: Lock
    targets: tuple[Contents, ...]
    """All of the spec, the one that was asked for alone where one was."""
    contents: Contents
    """The one that was asked for, or the default one."""
    form: str

    @property
    def run(self) -> RunOptions:
        """How a container of `contents` is run."""
        return self.runs[self.contents.target.name]

    @property
    def runs(self) -> dict[str, RunOptions]:
        """By name of target, with folders and volumes of `[data]` among the mounts."""
        from shipway.verbs.export_data import with_data

        return {target.name: with_data(target.run, target.data) for target in self.project.spec.targets}


def run_export(
    kind: str, task: Task, *, output: str = "", form: str = "", force: bool = False, dry_run: bool = False
) -> ExportResult:
    """Render `kind`, one of `KINDS`, and write it to the file `output` if one is named.

    Args:
        kind: what.
        task: for which project and target. Makefile and compose file are for all targets unless one is asked for.
        output: a file; empty: the text is only returned.
        form: of a bill of materials, or of a development container; empty: the first that there is.
        force: replace a file that was not exported.
        dry_run: write nothing.

    Raises:
        ToolError: no lock can be had, the target has what the format cannot say, or `output` is somebody else's file.
    """
    from shipway.export.dockerfile import render_ignore
    from shipway.verbs.export_data import tell_of_data

    export = _open(task, form)
    if kind in _STARTING:
        tell_of_data(export.targets, export.project.spec, task.emit)
    files = [ExportFile(path=output, text=_RENDERERS[kind](export))]
    if kind == "dockerfile":
        patterns = _ignored(export)
        if output:
            files.append(
                ExportFile(path=f"{output}.dockerignore", text=render_ignore(export.contents, patterns))
            )
        else:
            task.emit(Note("`--output FILE` also writes `FILE.dockerignore`, which keeps the same files out"))
    if output:
        for file in files:
            _require_ours(file, force=force)
        if not dry_run:
            for file in files:
                _write(file)
    return ExportResult(files=tuple(files), dry_run=dry_run)


def export_image(form: str, task: Task, *, output: str, force: bool, dry_run: bool) -> SaveResult:
    """Write the target's image as one file for Apptainer, `sif` or `squashfs`; built if need be.

    Raises:
        ToolError: it cannot be built or written, or `output` is there and is no such file.
    """
    from shipway.verbs.archives import SaveRequest, run_save

    mark, place = _MAGIC[form]
    if not force and os.path.isfile(output):
        with open(output, "rb") as stream:
            if stream.read(64)[place : place + len(mark)] != mark:
                raise _not_ours(output)
    return run_save(SaveRequest(path=output, form=form, dry_run=dry_run), task)


def _open(task: Task, form: str) -> _Export:
    from shipway.export.model import read_contents
    from shipway.store.store import Store

    project = read_project(task.directory, task.emit)
    target = require_target(project.spec, task.target).name
    store = Store.open(emit=task.emit)
    lock, _ = ensure_lock(project, task, store)
    platform = task.platform or host_platform()
    names = [target] if task.target else [one.name for one in project.spec.targets]
    for name in names:
        require_locked(lock, name, platform)
    targets = tuple(read_contents(lock, name, platform) for name in names)
    contents = next(one for one in targets if one.target.name == target)
    return _Export(
        task=task,
        project=project,
        store=store,
        lock=lock,
        targets=targets,
        contents=contents,
        form=form,
    )


def _ignored(export: _Export) -> tuple[str, ...]:
    from shipway.build.files_tree import ignore_patterns

    return ignore_patterns(export.project.folder, export.contents.target.ignore)


def _require_ours(file: ExportFile, *, force: bool) -> None:
    """Refuse to replace a file that was not exported and differs."""
    try:
        with open(file.path, "rb") as stream:
            there = stream.read(4096 + len(file.text.encode()))
    except FileNotFoundError:
        return
    except OSError as problem:
        raise ToolError(
            f"`{shown(file.path)}` cannot be read: {problem.strerror}", hints=["name another file"]
        ) from problem
    if not force and _MARK not in there[:4096] and there != file.text.encode():
        raise _not_ours(file.path)


def _not_ours(path: str) -> ToolError:
    return ToolError(
        f"`{shown(path)}` is there and was not exported by shipway",
        hints=["name another file, or replace it with `--force`"],
        code=ExitCode.USAGE,
    )


def _write(file: ExportFile) -> None:
    from shipway.host.files import write_atomic

    try:
        path = os.path.abspath(file.path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_atomic(path, file.text.encode())
    except OSError as problem:
        raise ToolError(
            f"`{shown(file.path)}` cannot be written: {problem.strerror}", hints=["name another file"]
        ) from problem


def _dockerfile(export: _Export) -> str:
    from shipway.export.dockerfile import render_dockerfile

    return render_dockerfile(export.contents)


def _apptainer(export: _Export) -> str:
    from shipway.export.apptainer import render_apptainer

    return render_apptainer(export.contents)


def _devcontainer(export: _Export) -> str:
    from shipway.export.devcontainer import render_devcontainer

    return render_devcontainer(export.contents, export.run, export.form or "dockerfile")


def _compose(export: _Export) -> str:
    from shipway.export.compose import render_compose

    return render_compose(export.targets, export.runs)


def _requirements(export: _Export) -> str:
    from shipway.export.requirements import render_requirements

    return render_requirements(export.contents)


def _pylock(export: _Export) -> str:
    from shipway.export.pylock import render_pylock

    return render_pylock(export.contents, _addresses(export))


def _addresses(export: _Export) -> dict[str, str]:
    """Where every wheel and sdist is, as this host sees it, without credentials."""
    from shipway.verbs.locate import open_locate
    from shipway.verbs.workshop import open_fetcher

    wanted: list[Wheel | Source] = [*export.contents.wheels]
    wanted += [one.source for one in export.contents.built if one.source.kind == "sdist"]
    fetcher = open_fetcher(export.task)
    try:
        # What was collected has no address that anyone else could use.
        project = replace(export.project, spec=replace(export.project.spec, vendor=""))
        task = export.task._replace(vendor="")
        locate = open_locate(project, export.lock, export.store, fetcher, task)
        found = {}
        for artifact in wanted:
            place = next(iter(locate(artifact)), None)
            if place is None:
                raise NotFound(
                    f"no index of this host offers `{shown(artifact.filename)}`",
                    hints=[
                        "run `shipway lock --repair`, or use `shipway export requirements`, which needs no address"
                    ],
                )
            found[artifact.filename] = place.url
        return found
    finally:
        fetcher.close()


def _sbom(export: _Export) -> str:
    from shipway import __version__
    from shipway.export.sbom import render_sbom

    return render_sbom(export.contents, export.form or "spdx", version=__version__)


def _makefile(export: _Export) -> str:
    from shipway.export.makefile import render_makefile

    return render_makefile(export.targets, export.runs, default=export.project.spec.default_target)


_RENDERERS: dict[str, Callable[[_Export], str]] = {
    "dockerfile": _dockerfile,
    "apptainer": _apptainer,
    "devcontainer": _devcontainer,
    "compose": _compose,
    "requirements": _requirements,
    "pylock": _pylock,
    "sbom": _sbom,
    "makefile": _makefile,
}
KINDS = tuple(_RENDERERS)
_STARTING = ("compose", "devcontainer", "makefile")
"""What starts containers, and so mounts."""
