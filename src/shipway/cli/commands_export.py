"""The adapter of `export`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.cli.call import Answer, Call

if TYPE_CHECKING:
    from collections.abc import Callable


def _export(call: Call) -> Answer:
    from shipway.cli.parser import UsageError
    from shipway.cli.show_export import export_document, render_export
    from shipway.cli.show_json import render_json
    from shipway.verbs.export import run_export

    arguments = call.arguments
    kind, form = arguments.words[0], arguments.text("format")
    if form and kind != "sbom":
        raise UsageError(
            f"`--format` chooses the form of a bill of materials, and `{kind}` has one form only",
            hints=[f"run `shipway export {kind}`"],
        )
    dry_run, output = arguments.flag("dry-run"), arguments.text("output")
    result = run_export(
        kind, call.task(), output=output, form=form, force=arguments.flag("force"), dry_run=dry_run
    )
    if call.json:
        return Answer(render_json("export", export_document(kind, result)))
    return Answer("" if output else result.files[0].text, render_export(result))


COMMANDS: dict[str, Callable[[Call], Answer]] = {"export": _export}
