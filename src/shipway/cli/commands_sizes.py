"""The adapters of `size`, `diff` and `slim`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.cli.call import Answer, Call

if TYPE_CHECKING:
    from collections.abc import Callable


def _size(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.cli.show_sizes import render_sizes, sizes_document
    from shipway.verbs.size import run_size

    result = run_size(call.task(), next(iter(call.arguments.words), ""))
    return Answer(render_json("size", sizes_document(result)) if call.json else render_sizes(result))


def _diff(call: Call) -> Answer:
    from shipway.cli.show_diff import diff_document, render_diff
    from shipway.cli.show_json import render_json
    from shipway.verbs.diff import run_diff

    result = run_diff(call.arguments.words, call.task())
    if call.json:
        return Answer(render_json("diff", diff_document(result)))
    return Answer(render_diff(result, files=call.arguments.flag("files")))


def _slim(call: Call) -> Answer:
    from shipway.cli.parser import UsageError
    from shipway.cli.show_json import render_json
    from shipway.cli.show_sizes import render_slim, slim_document
    from shipway.verbs.slim import SlimRequest, run_slim

    arguments = call.arguments
    if not arguments.words and not arguments.flag("dry-run"):
        raise UsageError(
            "`shipway slim` needs a command that shows that the project works",
            hints=["for example `shipway slim -- python -m pytest -q`"],
        )
    request = SlimRequest(
        check=arguments.words,
        name=arguments.text("name"),
        keep=arguments.values["keep"],
        also=arguments.values["also"],
        engine=arguments.text("engine"),
        dry_run=arguments.flag("dry-run"),
    )
    result = run_slim(request, call.task())
    return Answer(render_json("slim", slim_document(result)) if call.json else render_slim(result))


COMMANDS: dict[str, Callable[[Call], Answer]] = {"size": _size, "diff": _diff, "slim": _slim}
