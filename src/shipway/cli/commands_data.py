"""The adapter of `data`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.cli.call import Answer, Call
from shipway.cli.parser import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.verbs.data import DataResult


def _data(call: Call) -> Answer:
    from shipway.cli.show_data import data_document, describe_data, render_data
    from shipway.cli.show_json import render_json

    result = _result(call)
    if call.json:
        return Answer(render_json("data", data_document(result)), code=result.code)
    return Answer(render_data(result), describe_data(result), result.code)


def _result(call: Call) -> DataResult:
    from shipway.verbs import data

    words, dry_run = call.arguments.words, call.arguments.flag("dry-run")
    verb, names = (words[0], words[1:]) if words else ("list", ())
    if verb == "fetch":
        return data.fetch_data(names, call.task(), dry_run=dry_run)
    if verb == "verify":
        return data.verify_data(names, call.task())
    if verb == "rm" and names:
        return data.remove_volumes(names, dry_run=dry_run)
    if verb == "rm":
        raise UsageError("`shipway data rm` needs the name of a volume", hints=["`shipway data` lists them"])
    if names:
        raise UsageError("`shipway data list` takes no name", hints=["leave it out"])
    return data.list_data(call.task())


COMMANDS: dict[str, Callable[[Call], Answer]] = {"data": _data}
