"""`init`: write a spec from what the folder holds."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, ToolError
from shipway.core.events import silent
from shipway.core.text import shown
from shipway.verbs.find import SPEC_FILE, has_spec
from shipway.verbs.inference import read_inferred
from shipway.verbs.project import parse_project, read_text

if TYPE_CHECKING:
    from shipway.spec.infer import Inferred
    from shipway.verbs.context import Task

_NAME_LINE = re.compile(r'^name = ".*"$', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class InitResult:
    """What was inferred, and where it went."""

    path: str
    dry_run: bool
    replaced: bool
    text: str
    inferred: Inferred


def run_init(task: Task, *, name: str = "", force: bool = False, dry_run: bool = False) -> InitResult:
    """Infer a spec and write it into the folder itself (not one above).

    Raises:
        SpecError: nothing in the folder says what it needs.
        ToolError: there is a spec already.
    """
    folder = os.path.realpath(task.directory or ".")
    path = os.path.join(folder, SPEC_FILE)
    there = os.path.exists(path)
    if not dry_run and not force and (there or _holds_spec(folder)):
        raise ToolError(
            f"there is a spec already: `{path if there else os.path.join(folder, 'pyproject.toml')}`",
            hints=[
                "`shipway init --force` replaces it",
                "`shipway init --dry-run` shows what would be written",
            ],
            code=ExitCode.SPEC,
        )
    inferred = read_inferred(folder, task.emit)
    text = _NAME_LINE.sub(f'name = "{name}"', inferred.text, count=1) if name else inferred.text
    parse_project(
        folder, SPEC_FILE, {"pyproject.toml": read_text(folder, "pyproject.toml")}, silent, text=text
    )
    if not dry_run:
        from shipway.host.files import translating_disk_errors, write_atomic

        with translating_disk_errors(f"write `{shown(path)}`", error=ToolError):
            write_atomic(path, text.encode())
    return InitResult(path=path, dry_run=dry_run, replaced=there, text=text, inferred=inferred)


def _holds_spec(folder: str) -> bool:
    """Whether the folder's `pyproject.toml` has our table; a lock alone is no spec."""
    return has_spec(folder) and not os.path.exists(os.path.join(folder, "shipway.lock"))
