"""What `--dry-run` of `ssh`, `code`, `jupyter` and `tensorboard` says. Nothing is started, made or written for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.core.text import shown
from shipway.host.dirs import home_dir
from shipway.run.life import client
from shipway.verbs.lasting import require_engine_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.run.life.model import Container
    from shipway.verbs.context import Task
    from shipway.verbs.pages import Kind


def plan_container(task: Task, engine: str) -> tuple[Container | None, tuple[str, ...]]:
    """The project's own container if it is there, and what would be done to have it run: as `ssh.choose` without words.

    Raises:
        ToolError: it could not be made or started.
    """
    from shipway.verbs.run import RunWords
    from shipway.verbs.starting import run_up

    result = run_up(RunWords(engine=engine), task, recreate=False, dry_run=True)
    if result.container is None:
        return None, ("would make the project's container and start it, as `shipway up --dry-run` says",)
    if result.done == "started":
        return result.container, (f"would start `{result.container.name}` again as it was",)
    return result.container, ()


def plan_entry(container: Container | None, *, install: bool) -> tuple[str, ...]:
    """What would be written for the container to be a host of ssh. None: one that is still to be made.

    Raises:
        EngineError: it goes with its command.
        ToolError: the host lacks a program that is needed.
    """
    from shipway.verbs.ssh import is_installed, require_program

    if container is not None:
        require_engine_of(container)
    require_program("ssh-keygen")
    folder = os.path.join(home_dir(), ".ssh", "shipway")
    name = container.name if container else "NAME"
    lines = [f"would write `{shown(folder)}/hosts/{name}.conf`, and beside it keys and what `ssh` reads"]
    if install and is_installed(f"{folder}/config"):
        lines.append("`~/.ssh/config` includes that already")
    elif install:
        lines.append("would put one `Include` line into `~/.ssh/config`")
    return tuple(lines)


def plan_ssh(container: Container | None, argv: Sequence[str]) -> tuple[str, ...]:
    """What would be done to connect.

    Raises:
        ToolError: the host has no client.
    """
    import shlex

    from shipway.verbs.ssh import require_program

    require_program("ssh")
    host = f"{container.name if container else 'NAME'}.shipway"
    what = f"run `{shown(shlex.join(argv))}`" if argv else "open a shell"
    return (f"would connect to `{host}` and {what}",)


def plan_page(kind: Kind, container: Container | None, task: Task) -> tuple[str, ...]:
    """What would be done to have the tool of `kind` answer in the container; None: in one that is still to be made.

    Raises:
        EngineError: it goes with its command, or has no Python.
    """
    from shipway.verbs.side_layers import choose_tool
    from shipway.verbs.tool_folders import is_provided

    if container is None or not container.running:
        return (f"would start {kind.name} in it",)
    require_engine_of(container)
    there = client.list_services(container)
    if any(one.name == kind.name and not one.ended for one in there):
        return (f"{kind.name} runs already in `{container.name}`",)
    tool = choose_tool(container, kind.name, kind.module, kind.packages, task)
    made = () if tool is None or is_provided(tool) else (f"would choose, fetch and unpack {kind.name} first",)
    return (*made, f"would start {kind.name} in `{container.name}` as the service `{kind.name}`")
