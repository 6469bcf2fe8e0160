"""`code`: an editor's way into a container, by its entry as a host of ssh or by a development container."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from shipway.verbs.find import find_folder
from shipway.verbs.ssh import Entry, write_entry

if TYPE_CHECKING:
    from shipway.run.life.model import Container
    from shipway.verbs.context import Task

EDITORS = ("vscode", "cursor", "jetbrains")
_PROGRAMS = {"vscode": "code", "cursor": "cursor"}


class Way(NamedTuple):
    """How an editor gets in."""

    entry: Entry
    editor: str
    steps: tuple[str, ...]
    """What to do there, one after another."""


def find_way(container: Container, editor: str, task: Task, *, install: bool) -> Way:
    """The entry of the container, and what an editor is told.

    Raises:
        ToolError: the entry could not be made.
    """
    entry = write_entry(container, task, install=install)
    return Way(entry, editor, describe_steps(editor, entry.host, container.environment.workdir))


def describe_steps(editor: str, host: str, workdir: str) -> tuple[str, ...]:
    """What to do in the editor (pure)."""
    if editor == "jetbrains":
        return (
            "in the IDE or Gateway: Remote Development, SSH, New Connection; take the host of the OpenSSH settings",
            f"host {host}, project folder {workdir}",
        )
    program = _PROGRAMS[editor]
    return (
        f"{program} --install-extension ms-vscode-remote.remote-ssh"
        if editor == "vscode"
        else "Cursor has its ssh extension",
        f"{program} --remote ssh-remote+{host} {shlex.quote(workdir)}",
        f"or open {'vscode' if editor == 'vscode' else editor}://vscode-remote/ssh-remote+{host}{quote(workdir)}",
    )


def write_devcontainer(task: Task, *, form: str, force: bool, dry_run: bool) -> tuple[str, ...]:
    """Write the project's development container, and the Dockerfile that it is built from unless `form` is `image`; the files.

    Raises:
        ToolError: they could not be written, or are somebody else's.
    """
    from shipway.verbs.export import run_export
    from shipway.verbs.project import read_project, require_target

    folder = find_folder(task.directory)
    target = require_target(read_project(folder, task.emit).spec, task.target).name
    outputs = {
        "devcontainer": os.path.join(folder, ".devcontainer", "devcontainer.json"),
        "dockerfile": os.path.join(folder, "build", f"Dockerfile.{target}"),
    }
    if form == "image":
        del outputs["dockerfile"]
    written = []
    for kind, output in outputs.items():
        chosen = form if kind == "devcontainer" else ""
        done = run_export(
            kind, task._replace(target=target), output=output, form=chosen, force=force, dry_run=dry_run
        )
        written += [file.path for file in done.files]
    return tuple(written)
