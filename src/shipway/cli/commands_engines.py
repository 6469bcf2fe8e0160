"""Adapters of the verbs about other engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.cli.call import Answer, Call
from shipway.cli.show_json import render_json

if TYPE_CHECKING:
    from collections.abc import Callable


def _give(call: Call) -> Answer:
    from shipway.cli.show_engines import describe_give, give_document
    from shipway.verbs.give import run_give

    arguments = call.arguments
    dry_run = arguments.flag("dry-run")
    (engine,) = arguments.words
    image, name, account = (arguments.text(option) for option in ("image", "name", "account"))
    result = run_give(call.task(), engine, image=image, name=name, account=account, dry_run=dry_run)
    if call.json:
        return Answer(render_json("give", give_document(result, dry_run=dry_run)))
    return Answer(f"{result.id}\n" if result.id else "", describe_give(result, dry_run=dry_run))


COMMANDS: dict[str, Callable[[Call], Answer]] = {"give": _give}
