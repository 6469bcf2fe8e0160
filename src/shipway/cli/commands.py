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


def _completion(arguments: Arguments, settings: Settings, emit: Emit) -> Answer:
    del settings, emit
    from shipway.cli.completion import render_completion

    return Answer(render_completion(arguments.words[0]))


COMMANDS: dict[str, Callable[[Arguments, Settings, Emit], Answer]] = {
    "completion": _completion,
}
