"""How a run that failed is told: errors with hints, and a report file for what nobody expected."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.cli.console import Console

_CONTAINER_VERBS = ("run", "shell", "exec", "attach", "debug")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@'\"]+@")
_SECRET_OPTIONS = ("-e", "--env")
_KEPT_LINES = 60
"""Lines of foreign output that are shown; the last ones tell most."""


class Terminated(BaseException):
    """A signal asks the process to end. Not an `Exception`, so that nothing swallows it."""

    def __init__(self, signum: int):
        super().__init__(signum)
        self.signum = signum


def exit_code(error: ToolError, verb: str) -> int:
    """The process's answer. Verbs that answer with a command's own code keep theirs at 125 to 127."""
    if verb in _CONTAINER_VERBS and error.code not in (ExitCode.NOT_EXECUTABLE, ExitCode.COMMAND_NOT_FOUND):
        return ExitCode.ENGINE
    return error.code


def tell_failure(error: ToolError, verb: str) -> int:
    """Write the error and return the exit code, in a process that has nothing else to do."""
    from shipway.cli.console import Console

    console = Console(color=bool(sys.stderr and sys.stderr.isatty()) and not os.environ.get("NO_COLOR"))
    console.talk(render_error(error, console))
    return exit_code(error, verb)


def render_error(error: ToolError, console: Console) -> str:
    """`error:`, its detail indented, and each hint after a blank line."""
    text = f"{console.styled('error:', 'error')} {error.message}"
    if error.detail:
        lines = error.detail.rstrip().splitlines()
        if len(lines) > _KEPT_LINES and console.verbosity <= 0:
            lines = [f"… ({len(lines) - _KEPT_LINES} lines before; `-v` shows all)", *lines[-_KEPT_LINES:]]
        text += "\n" + "\n".join(f"    {line}".rstrip() for line in lines)
    if error.hints:
        text += "\n\n" + "\n".join(f"{console.styled('hint:', 'hint')} {hint}" for hint in error.hints)
    return text


def render_report(error: BaseException, words: Sequence[str], home: str) -> str:
    """A text that can be pasted into a bug report: versions, the command line and the trace, without secrets."""
    import platform
    import traceback

    from shipway import __version__

    trace = "".join(traceback.format_exception(error))
    return redact(
        f"shipway {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"command: shipway {' '.join(_without_values(words))}\n\n{trace}",
        home,
    )


def redact(text: str, home: str) -> str:
    """`text` without user names and passwords in addresses, and with `~` for the home folder."""
    text = _CREDENTIALS.sub("***@", text)
    return text.replace(home, "~") if len(home) > 1 else text


def _without_values(words: Sequence[str]) -> list[str]:
    """The command line, with values of variables and everything behind `--` left out."""
    kept: list[str] = []
    secret = False
    for word in words:
        if word == "--":
            return [*kept, "--", "…"]
        if secret or (word.startswith(("--env=", "-e")) and word not in _SECRET_OPTIONS):
            kept.append(word.partition("=")[0] + "=…")
            secret = False
            continue
        secret = word in _SECRET_OPTIONS
        kept.append(word)
    return kept


def tell_unexpected(error: Exception, words: Sequence[str], console: Console, verb: str) -> int:
    """Write the report file, say where it is, and return the exit code."""
    from shipway.verbs.report import write_report

    home = _home()
    text = render_report(error, words, home)
    try:
        place = write_report(text)
    except (OSError, ToolError) as second:
        console.talk(_ends(text))
        place, why = "", f"the report could not be written: {second}"
    else:
        why = f"the report is in `{place}`; it holds no secrets and can be pasted into an issue"
    summary = redact(f"{type(error).__name__}: {error}", home)
    console.talk(
        f"{console.styled('error:', 'error')} shipway met something that it does not expect: {summary}"
    )
    console.talk(f"\n{console.styled('hint:', 'hint')} {why}")
    return ExitCode.ENGINE if verb in _CONTAINER_VERBS else ExitCode.FAILED


def _ends(text: str) -> str:
    """The first and the last lines, which tell most."""
    lines = text.splitlines()
    if len(lines) <= 2 * _KEPT_LINES:
        return text
    return "\n".join([*lines[:_KEPT_LINES], "…", *lines[-_KEPT_LINES:]])


def _home() -> str:

    return os.path.expanduser("~")


def forget_stdout() -> None:
    """Make sure that nothing is written to a pipe that nobody reads any more, also not at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno() if sys.stdout else 1)
    os.close(nowhere)
