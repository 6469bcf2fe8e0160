"""One adapter per verb: parsed arguments -> the verb's request, its result -> text or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.cli.environment import Settings
    from shipway.cli.parser import Arguments
    from shipway.core.events import Emit


class Answer(NamedTuple):
    """What a verb leaves to be written."""

    data: str = ""
    """For standard output."""
    talk: str = ""
    """For standard error, unless it is to be quiet."""
    code: int = ExitCode.OK


class Call(NamedTuple):
    """One parsed command line on its way to a verb."""

    arguments: Arguments
    settings: Settings
    emit: Emit

    @property
    def json(self) -> bool:
        """Whether JSON is wanted."""
        return self.arguments.flag("json")


def _completion(call: Call) -> Answer:
    from shipway.cli.completion import render_completion

    return Answer(render_completion(call.arguments.words[0]))


def _doctor(call: Call) -> Answer:
    from shipway.cli.show_doctor import doctor_document, render_doctor
    from shipway.cli.show_json import render_json
    from shipway.verbs.doctor import run_doctor
    from shipway.verbs.find import find_folder
    from shipway.verbs.machine import ThisMachine

    project = find_folder(call.settings.directory)
    result = run_doctor(ThisMachine(project, offline=call.settings.offline))
    if call.json:
        return Answer(render_json("doctor", doctor_document(result)), code=result.code)
    return Answer(render_doctor(result, color=call.settings.color_data), code=result.code)


COMMANDS: dict[str, Callable[[Call], Answer]] = {
    "doctor": _doctor,
    "completion": _completion,
}
