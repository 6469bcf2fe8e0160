"""What a command adapter is given and what it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import ExitCode
from shipway.verbs.context import LockMode, Task

if TYPE_CHECKING:
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

    def task(self) -> Task:
        """What every verb that works on a project is told."""
        flag = self.arguments.flag
        made = LockMode.TRIAL if flag("dry-run") else LockMode.UPDATE
        mode = LockMode.LOCKED if flag("locked") else LockMode.FROZEN if flag("frozen") else made
        platform = self.arguments.values.get("platform")
        return Task(
            self.settings.directory,
            self.settings.target,
            platform if isinstance(platform, str) else "",
            offline=self.settings.offline,
            mode=mode,
            repair=flag("repair"),
            vendor=self.settings.vendor,
            emit=self.emit,
        )
