"""The adapters of `ssh` and of the tools that come beside an environment."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from shipway.cli.call import Answer, Call
from shipway.cli.parser import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shipway.verbs.containers import Container
    from shipway.verbs.context import Task
    from shipway.verbs.pages import Kind, Page
    from shipway.verbs.ssh import Entry


def _ssh(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.verbs.ssh import choose, run_ssh, write_entry

    arguments, task = call.arguments, call.task()
    install = arguments.flag("install")
    if arguments.flag("dry-run"):
        return _plan_ssh(call, task, install=install)
    container, argv = choose(arguments.words, task, call.settings.engine, plain=arguments.plain)
    if not (install or arguments.flag("show") or call.json):
        return Answer(code=run_ssh(container, argv, task, tty=_is_terminal()))
    entry = write_entry(container, task, install=install)
    if call.json:
        return Answer(render_json("ssh", entry_document(entry)))
    return Answer(render_entry(entry, install=install))


def _plan_ssh(call: Call, task: Task, *, install: bool) -> Answer:
    from shipway.verbs.ssh import choose
    from shipway.verbs.tool_plans import plan_entry, plan_ssh

    arguments = call.arguments
    named, argv = None, tuple(arguments.words)
    if argv and not arguments.plain:
        named, argv = choose(argv, task, call.settings.engine)
    container, lines = _planned(call, named, task)
    lines += plan_entry(container, install=install)
    if not (install or arguments.flag("show") or call.json):
        lines += plan_ssh(container, argv)
    return _plan(call, lines)


def _planned(call: Call, named: Container | None, task: Task) -> tuple[Container | None, tuple[str, ...]]:
    """The container that a dry run is about, and what would be done to have it run: `named`, or the project's own."""
    from shipway.verbs.tool_plans import plan_container

    return (named, ()) if named else plan_container(task, call.settings.engine)


def _plan(call: Call, lines: Sequence[str]) -> Answer:
    from shipway.cli.show_json import render_json

    if call.json:
        assert call.arguments.verb is not None
        return Answer(render_json(call.arguments.verb.name, {"dry_run": True, "plan": list(lines)}))
    return Answer("".join(f"{line}\n" for line in lines))


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
    if arguments.flag("dry-run"):
        return _plan_page(call, kind, find_running(name) if name else None, task)
    container = find_running(name) if name else choose((), task, call.settings.engine)[0]
    page = run_page(kind, container, arguments.words, task)
    if call.json:
        return Answer(render_json(kind.name, page_document(page)))
    how = "runs already" if page.found else "was started"
    where = f"{page.tool} {how} in `{page.container.name}`; its output is in `{page.log}`"
    here = f"from here, first: {page.here}\n" if page.here else ""
    talk = f"{here}from another computer, first: {page.tunnel}\n{where}"
    return Answer(f"{page.url}\n", talk)


def _plan_page(call: Call, kind: Kind, named: Container | None, task: Task) -> Answer:
    from shipway.verbs.tool_plans import plan_page

    container, lines = _planned(call, named, task)
    return _plan(call, (*lines, *plan_page(kind, container, task)))


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
    for option in ("format", "force"):
        if arguments.flag(option):
            raise UsageError(f"`--{option}` belongs to `--devcontainer`", hints=["leave it out"])
    install = arguments.flag("install")
    if dry_run:
        from shipway.verbs.tool_plans import plan_entry

        named = find_running(arguments.words[0]) if arguments.words else None
        found, lines = _planned(call, named, task)
        return _plan(call, (*lines, *plan_entry(found, install=install)))
    container = (
        find_running(arguments.words[0]) if arguments.words else choose((), task, call.settings.engine)[0]
    )
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
