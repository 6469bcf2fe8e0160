"""The adapter of `import`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.cli.call import Answer, Call

if TYPE_CHECKING:
    from collections.abc import Callable


def _import(call: Call) -> Answer:
    from shipway.cli.show_import import describe_import, import_document, render_import
    from shipway.cli.show_json import render_json
    from shipway.verbs.import_dockerfile import ImportRequest, run_import

    arguments = call.arguments
    words = arguments.words
    request = ImportRequest(
        file=words[1] if len(words) > 1 else "",
        stage=arguments.text("stage"),
        arguments=arguments.values["build-arg"],
        name=arguments.text("name"),
        write=arguments.flag("write"),
        force=arguments.flag("force"),
        dry_run=arguments.flag("dry-run"),
    )
    result = run_import(request, call.task())
    if call.json:
        return Answer(render_json("import", import_document(result)), code=result.code)
    return Answer(render_import(result), describe_import(result), result.code)


COMMANDS: dict[str, Callable[[Call], Answer]] = {"import": _import}
