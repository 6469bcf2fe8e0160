"""The adapter of `build`: by shipway itself, or by an engine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.cli.call import Answer, Call
from shipway.cli.parser import UsageError
from shipway.cli.show_json import render_json
from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable

_ENGINES_OWN = ("build-arg", "secret", "cache-from", "cache-to", "network", "no-cache")


def _build(call: Call) -> Answer:
    call = _in_folder(call)
    # Only what stands on this line: whoever runs in Docker by default still builds without it.
    engine = call.arguments.text("engine")
    if engine not in ("", "native"):
        return _build_by_engine(call, engine)
    for name in _ENGINES_OWN:
        if call.arguments.values[name]:
            hint = "leave it out, or add the engine"
            raise UsageError(f"`--{name}` is for `--engine docker` or `--engine podman`", hints=[hint])
    from shipway.cli.show_image import build_document, describe_build, render_build
    from shipway.verbs.build import run_build

    result = run_build(call.task(), name=call.arguments.text("tag"), dry_run=call.arguments.flag("dry-run"))
    if call.json:
        return Answer(render_json("build", build_document(result)))
    return Answer(render_build(result), describe_build(result))


def _in_folder(call: Call) -> Call:
    """The same for the folder that is named behind the verb, as in `docker build .`."""
    if not call.arguments.words:
        return call
    folder = call.arguments.words[0]
    directory = os.path.join(call.settings.directory, folder)
    if os.path.isfile(directory) or "://" in folder or folder == "-":
        raise UsageError(
            f"`{shown(folder)}` is no folder with a project",
            hints=[
                "name the folder, `.` for this one; a Dockerfile becomes a spec by `shipway import dockerfile FILE`"
            ],
        )
    return call._replace(settings=call.settings._replace(directory=directory))


def _build_by_engine(call: Call, engine: str) -> Answer:
    from shipway.cli.show_engine_build import (
        describe_engine_build,
        engine_build_document,
        render_engine_build,
    )
    from shipway.verbs.build_by_engine import ByEngineRequest, run_build_by

    arguments, values = call.arguments, call.arguments.values
    if arguments.flag("repair"):
        raise UsageError(
            f"`--repair` is not for `--engine {engine}`",
            hints=["run `shipway lock --repair` first"],
        )
    request = ByEngineRequest(
        engine=engine,
        tag=arguments.text("tag"),
        arguments=values["build-arg"],
        secrets=values["secret"],
        cache_from=values["cache-from"],
        cache_to=values["cache-to"],
        network=arguments.text("network"),
        no_cache=arguments.flag("no-cache"),
        progress=_progress(call),
        dry_run=arguments.flag("dry-run"),
    )
    result = run_build_by(request, call.task())
    if call.json:
        return Answer(render_json("engine-build", engine_build_document(result)))
    return Answer(render_engine_build(result), describe_engine_build(result))


def _progress(call: Call) -> str:
    """The engine's own way to show progress: it knows no JSON lines, and asks the terminal itself."""
    if call.settings.verbosity < 0 or call.settings.progress in ("quiet", "json"):
        return "quiet"
    return "plain" if call.settings.progress == "plain" else "auto"


COMMANDS: dict[str, Callable[[Call], Answer]] = {"build": _build}
