"""Adapters of the verbs about registries."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from shipway.cli.call import Answer, Call
from shipway.cli.parser import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_PASSWORD = 1 << 20


def _login(call: Call) -> Answer:
    from shipway.cli.show_registry import render_login
    from shipway.verbs.login import run_login

    arguments = call.arguments
    (registry,) = arguments.words
    dry_run = arguments.flag("dry-run")
    user = password = ""
    if not dry_run:
        user, password = _identity(
            arguments.text("username"), registry, from_stdin=arguments.flag("password-stdin")
        )
    result = run_login(
        registry, user or arguments.text("username"), password, offline=call.settings.offline, dry_run=dry_run
    )
    return Answer("", render_login(result))


def _identity(user: str, registry: str, *, from_stdin: bool) -> tuple[str, str]:
    """User and password, from the terminal as far as they are not given."""
    if from_stdin:
        if not user:
            raise UsageError("`--password-stdin` needs `--username`", hints=["add --username NAME"])
        return user, sys.stdin.read(_LONGEST_PASSWORD).rstrip("\r\n")
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            "there is no terminal to ask for the password on",
            hints=["give it on standard input: --username NAME --password-stdin"],
        )
    import getpass

    if not user:
        sys.stderr.write(f"User at {registry}: ")
        sys.stderr.flush()
        user = sys.stdin.readline().strip()
    return user, getpass.getpass("Password: ")


def _logout(call: Call) -> Answer:
    from shipway.cli.show_registry import render_logout
    from shipway.verbs.login import run_logout

    result = run_logout(call.arguments.words[0], dry_run=call.arguments.flag("dry-run"))
    return Answer("", render_logout(result))


def _search(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.cli.show_registry import render_search, search_document
    from shipway.verbs.search import run_search, run_tags

    arguments, offline = call.arguments, call.settings.offline
    word = arguments.words[0] if arguments.words else ""
    if arguments.flag("tags"):
        if not word or arguments.text("registry"):
            raise UsageError(
                "`--tags` needs the image's whole name, and no `--registry`",
                hints=["write `shipway search --tags hub.example.org/team/name`"],
            )
        result = run_tags(word, offline=offline, emit=call.emit)
    else:
        result = run_search(word, arguments.text("registry"), offline=offline, emit=call.emit)
    if call.json:
        return Answer(render_json("search", search_document(result)))
    return Answer(render_search(result))


COMMANDS: dict[str, Callable[[Call], Answer]] = {"login": _login, "logout": _logout, "search": _search}
