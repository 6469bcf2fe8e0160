"""The adapters of `add`, `remove`, `status` and `freeze`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.cli.call import Answer, Call

if TYPE_CHECKING:
    from collections.abc import Callable


def _words(call: Call) -> tuple[str, ...]:
    """The packages, those of `--apt` in their other form."""
    from shipway.cli.parser import UsageError

    words = (*call.arguments.words, *(f"apt:{name}" for name in call.arguments.values["apt"]))
    if not words:
        verb = call.arguments.verb.name if call.arguments.verb else ""
        raise UsageError(
            f"`shipway {verb}` needs NAME", hints=[f"`shipway {verb} --help` shows how it is used"]
        )
    return words


def _add(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.cli.show_packages import add_document, render_add
    from shipway.verbs.add import AddRequest, run_add

    arguments = call.arguments
    request = AddRequest(
        words=_words(call),
        target=arguments.text("target"),
        move=arguments.flag("move"),
        dry_run=arguments.flag("dry-run"),
    )
    result = run_add(request, call.task())
    return Answer(render_json("add", add_document(result)) if call.json else render_add(result))


def _remove(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.cli.show_packages import remove_document, render_remove
    from shipway.verbs.remove import RemoveRequest, run_remove

    arguments = call.arguments
    request = RemoveRequest(
        words=_words(call), target=arguments.text("target"), dry_run=arguments.flag("dry-run")
    )
    result = run_remove(request, call.task())
    return Answer(render_json("remove", remove_document(result)) if call.json else render_remove(result))


def _status(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.cli.show_status import render_status, status_document
    from shipway.verbs.status import run_status

    name = next(iter(call.arguments.words), "")
    result, code = run_status(call.task(), name=name, check=call.arguments.flag("check"))
    if call.json:
        return Answer(render_json("status", status_document(result)), code=code)
    return Answer(render_status(result), code=code)


def _freeze(call: Call) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.cli.show_status import freeze_document, render_freeze
    from shipway.verbs.freeze import FreezeRequest, run_freeze

    arguments = call.arguments
    request = FreezeRequest(
        names=arguments.words,
        container=arguments.text("container"),
        discard=arguments.flag("discard"),
        move=arguments.flag("move"),
        dry_run=arguments.flag("dry-run"),
    )
    result = run_freeze(request, call.task())
    return Answer(render_json("freeze", freeze_document(result)) if call.json else render_freeze(result))


COMMANDS: dict[str, Callable[[Call], Answer]] = {
    "add": _add,
    "remove": _remove,
    "status": _status,
    "freeze": _freeze,
}
"""The verbs about packages."""
