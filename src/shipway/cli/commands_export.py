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
    from shipway.cli.verbs_export import FORMATS
    from shipway.verbs.export import run_export

    arguments = call.arguments
    kind, form = arguments.words[0], arguments.text("format")
    if form and form not in FORMATS.get(kind, ()):
        forms = ", ".join(FORMATS.get(kind, ())) or "one form only"
        raise UsageError(
            f"`{kind}` has no form `{form}`, but {forms}", hints=[f"run `shipway export {kind}`"]
        )
    if form in ("sif", "squashfs"):
        return _export_image(call, form)
    dry_run, output = arguments.flag("dry-run"), arguments.text("output")
    result = run_export(
        kind, call.task(), output=output, form=form, force=arguments.flag("force"), dry_run=dry_run
    )
    if call.json:
        return Answer(render_json("export", export_document(kind, result)))
    return Answer("" if output else result.files[0].text, render_export(result))


def _export_image(call: Call, form: str) -> Answer:
    from shipway.cli.parser import UsageError
    from shipway.cli.show_images import describe_save
    from shipway.cli.show_json import render_json
    from shipway.verbs.export import export_image

    arguments = call.arguments
    output = arguments.text("output")
    if not output:
        raise UsageError(f"a {form} is no text to be printed", hints=[f"name a file: `-o NAME.{form}`"])
    force, dry_run = arguments.flag("force"), arguments.flag("dry-run")
    result = export_image(form, call.task(), output=output, force=force, dry_run=dry_run)
    if call.json:
        file = {"path": result.path, "size": result.size, "text": None}
        document = {"kind": "apptainer", "dry_run": dry_run, "files": [file]}
        return Answer(render_json("export", document))
    return Answer("", describe_save(result))


COMMANDS: dict[str, Callable[[Call], Answer]] = {"export": _export}
