"""The adapters of `ssh` and of the tools that come beside an environment."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from shipway.cli.call import Answer, Call
from shipway.cli.parser import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.verbs.pages import Page
    from shipway.verbs.ssh import Entry


def _ssh(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.verbs.ssh import choose, run_ssh, write_entry

    arguments, task = call.arguments, call.task()
    container, argv = choose(arguments.words, task, call.settings.engine, plain=arguments.plain)
    install = arguments.flag("install")
    if not (install or arguments.flag("show") or call.json):
        return Answer(code=run_ssh(container, argv, task, tty=_is_terminal()))
    entry = write_entry(container, task, install=install)
    if call.json:
        return Answer(render_json("ssh", entry_document(entry)))
    return Answer(render_entry(entry, install=install))


def _ssh_proxy(call: Call) -> Answer:
    from shipway.verbs.ssh import run_proxy

    return Answer(code=run_proxy(call.arguments.words[0], call.task()))


def _is_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _page(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.verbs.pages import JUPYTER, TENSORBOARD, run_page
    from shipway.verbs.ssh import choose, find_running

    arguments, task = call.arguments, call.task()
    kind = TENSORBOARD if arguments.verb is not None and arguments.verb.name == "tensorboard" else JUPYTER
    name = arguments.text("container")
    container = find_running(name) if name else choose((), task, call.settings.engine)[0]
    page = run_page(kind, container, arguments.words, task)
    if call.json:
        return Answer(render_json(kind.name, page_document(page)))
    how = "runs already" if page.found else "was started"
    where = f"{page.tool} {how} in `{page.container.name}`; its output is in `{page.log}`"
    here = f"from here, first: {page.here}\n" if page.here else ""
    talk = f"{here}from another computer, first: {page.tunnel}\n{where}"
    return Answer(f"{page.url}\n", talk)


def _code(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.verbs.code import EDITORS, find_way, write_devcontainer
    from shipway.verbs.ssh import choose, find_running

    arguments, task = call.arguments, call.task()
    dry_run = arguments.flag("dry-run")
    if arguments.flag("devcontainer"):
        form, force = arguments.text("format"), arguments.flag("force")
        files = write_devcontainer(task, form=form, force=force, dry_run=dry_run)
        if call.json:
            return Answer(render_json("code", {"files": list(files), "dry_run": dry_run}))
        return Answer("".join(f"{'would write' if dry_run else 'wrote'} {file}\n" for file in files))
    for option in ("dry-run", "format", "force"):
        if arguments.flag(option):
            raise UsageError(f"`--{option}` belongs to `--devcontainer`", hints=["leave it out"])
    container = (
        find_running(arguments.words[0]) if arguments.words else choose((), task, call.settings.engine)[0]
    )
    install = arguments.flag("install")
    way = find_way(container, arguments.text("editor") or EDITORS[0], task, install=install)
    if call.json:
        document = {**entry_document(way.entry), "editor": way.editor, "steps": list(way.steps)}
        return Answer(render_json("code", document))
    steps = "".join(f"{step}\n" for step in way.steps)
    return Answer(f"{steps}\n{render_entry(way.entry, install=install)}")


def _debug(call: Call) -> Answer:
    from shipway.verbs.containers import explaining_words
    from shipway.verbs.debug import run_debug
    from shipway.verbs.ssh import choose

    task = call.task()
    container, argv = choose(call.arguments.words, task, call.settings.engine, plain=call.arguments.plain)
    with explaining_words(container, call.arguments.words):
        return Answer(code=run_debug(container, argv, task, tty=_is_terminal()))


def page_document(page: Page) -> dict[str, object]:
    """A page as JSON."""
    return {
        "name": page.container.name,
        "tool": page.tool,
        "port": page.port,
        "url": page.url,
        "tunnel": page.tunnel,
        "here": page.here or None,
        "found": page.found,
        "log": page.log,
    }


def entry_document(entry: Entry) -> dict[str, object]:
    """An entry as JSON."""
    return {
        "name": entry.container.name,
        "host": entry.host,
        "config": entry.config,
        "include": entry.include,
        "elsewhere": entry.far,
        "installed": entry.installed,
    }


def render_entry(entry: Entry, *, install: bool) -> str:
    """How to use an entry, from here and from another computer."""
    here = f"ssh {entry.host}" if install else f"ssh -F {entry.config} {entry.host}"
    include = (
        ""
        if install
        else f"for every program, first in ~/.ssh/config (or `shipway ssh --install`):\n\n{entry.include}\n\n"
    )
    return f"from here: {here}\n\n{include}from another computer, in its ~/.ssh/config:\n\n{entry.far}"


COMMANDS: dict[str, Callable[[Call], Answer]] = {
    "ssh": _ssh,
    "ssh-proxy": _ssh_proxy,
    "jupyter": _page,
    "tensorboard": _page,
    "code": _code,
    "debug": _debug,
}
"""The verbs about tools."""
