"""The adapters of `vendor` and `bundle`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.cli.call import Answer, Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.verbs.vendor import VendorResult


def _vendor(call: Call) -> Answer:
    from shipway.verbs.vendor import run_vendor

    folder = call.arguments.words[0] if call.arguments.words else ""
    return _answer(call, run_vendor(folder, call.task(), **_choice(call)))


def _bundle(call: Call) -> Answer:
    from shipway.verbs.vendor import run_bundle

    path = call.arguments.words[0]
    return _answer(call, run_bundle(path, call.task(), **_choice(call)))


def _choice(call: Call) -> dict[str, bool]:
    return {"dry_run": call.arguments.flag("dry-run"), "data": not call.arguments.flag("no-data")}


def _answer(call: Call, result: VendorResult) -> Answer:
    from shipway.cli.show_json import render_json
    from shipway.cli.show_vendor import describe_vendor, render_vendor, vendor_document

    if call.json:
        return Answer(render_json("vendor", vendor_document(result)))
    return Answer(render_vendor(result), describe_vendor(result))


COMMANDS: dict[str, Callable[[Call], Answer]] = {"vendor": _vendor, "bundle": _bundle}
