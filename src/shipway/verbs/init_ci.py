"""`init --ci`: a workflow that asserts on every push that the project still works, and the output that it is held to."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway import __version__
from shipway.core.errors import ExitCode, SpecError, ToolError, VerifyError
from shipway.core.events import Note
from shipway.core.text import shown
from shipway.export.workflow import PLACE, Workflow, render_workflow
from shipway.verbs.find import SPEC_FILE
from shipway.verbs.project import read_project, require_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipway.verbs.context import Task

EXPECTED = "expected-output.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class CiResult:
    """What was written, or would be."""

    workflow: str
    """The path of the workflow."""
    expected: str
    """The path of the expected output."""
    recorded: bool
    """The expected output was recorded now; it was there before otherwise."""
    text: str
    """Of the workflow."""
    dry_run: bool


def run_init_ci(task: Task, *, expect: str, force: bool, dry_run: bool) -> CiResult:
    """Write the workflow, and record what the project's own command prints if that is not known yet.

    Raises:
        SpecError: there is no spec, or it names no command.
        ToolError: the workflow is there already.
        VerifyError: the command fails.
    """
    project = read_project(task.directory, task.emit)
    if project.inferred:
        raise SpecError(
            "there is no spec that a workflow could check",
            hints=[f"write `{SPEC_FILE}` first: `shipway init`"],
        )
    target = require_target(project.spec, task.target)
    if not target.command:
        raise SpecError(
            f"target `{target.name}` names no command that a workflow could run",
            hints=['say what the project does: `command = ["python", "main.py"]` in the spec'],
        )
    expected = _require_name(expect or EXPECTED)
    place = os.path.join(project.folder, PLACE)
    if os.path.exists(place) and not (force or dry_run):
        raise ToolError(
            f"there is a workflow already: `{shown(place)}`",
            hints=["`--force` replaces it", "`--dry-run` shows what would be written"],
        )
    text = render_workflow(Workflow(__version__, expected, task.target))
    path = os.path.join(project.folder, expected)
    recorded = not os.path.exists(path)
    if not dry_run:
        if recorded:
            _record(path, task)
        _write(place, text.encode())
    return CiResult(workflow=place, expected=path, recorded=recorded, text=text, dry_run=dry_run)


def _require_name(text: str) -> str:
    if text.startswith("/") or ".." in text.split("/") or set(text) & set("'\"\\\n$`"):
        raise ToolError(
            f"`--expect` cannot be `{shown(text)}`",
            hints=["name a file in the project: `--expect tests/expected.txt`"],
            code=ExitCode.USAGE,
        )
    return text


def _record(path: str, task: Task) -> None:
    """Run the project's own command and keep what it prints."""
    from shipway.verbs.run import RunWords, run_command

    task.emit(Note(f"running the project's command, to record what it prints in `{shown(path)}`"))
    with tempfile.TemporaryFile() as file:
        with _standard_output_to(file.fileno()):
            code = run_command(RunWords(), task).code
        if code != 0:
            raise VerifyError(
                f"the project's own command fails: exit code {code}",
                hints=["correct it first: `shipway run`"],
            )
        file.seek(0)
        _write(path, file.read())


@contextlib.contextmanager
def _standard_output_to(fd: int) -> Iterator[None]:
    kept = os.dup(1)
    try:
        os.dup2(fd, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _write(path: str, data: bytes) -> None:
    from shipway.host.files import translating_disk_errors, write_atomic

    with translating_disk_errors(f"write `{path}`", error=ToolError):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_atomic(path, data)
