"""One run: words -> arguments -> verb -> answer -> exit code. The only place where the process's end is decided."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

from shipway.cli.console import Console, NoOutput
from shipway.cli.environment import Settings, read_settings
from shipway.cli.failures import Terminated, exit_code, forget_stdout, render_error, tell_unexpected
from shipway.cli.parser import Arguments, UsageError, parse_arguments
from shipway.core.errors import ExitCode, ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.cli.call import Answer
    from shipway.cli.progress import Progress
    from shipway.core.events import Event


def execute(words: Sequence[str]) -> int:
    """Run the command line `words` and return its exit code. Raises nothing."""
    if sys.stdout is None:
        sys.stdout = NoOutput()
    terminal = bool(sys.stderr and sys.stderr.isatty())
    console = Console(
        color=terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in ("dumb", None)
    )
    verb = ""
    try:
        arguments = parse_arguments(words)
        verb = arguments.verb.name if arguments.verb else ""
        data_terminal = bool(sys.stdout and sys.stdout.isatty())
        settings = read_settings(os.environ, arguments, terminal=terminal, data_terminal=data_terminal)
        console = Console(color=settings.color, verbosity=settings.verbosity)
        return _answer(arguments, settings, console)
    except UsageError as error:
        console.talk(render_error(error, console))
        return exit_code(error, error.verb or verb)
    except ToolError as error:
        console.talk(render_error(error, console))
        return exit_code(error, verb)
    except KeyboardInterrupt:
        console.talk(f"{console.styled('error:', 'error')} interrupted")
        return ExitCode.INTERRUPTED
    except Terminated as end:
        console.talk(f"{console.styled('error:', 'error')} stopped by {signal.Signals(end.signum).name}")
        return 128 + end.signum
    except BrokenPipeError:
        forget_stdout()
        return ExitCode.FAILED
    except Exception as error:  # noqa: BLE001 - the border: told to the user, with the trace in a file
        return tell_unexpected(error, words, console, verb)


def _answer(arguments: Arguments, settings: Settings, console: Console) -> int:
    if arguments.verb is None or arguments.flag("help"):
        return _without_work(arguments, console)
    if arguments.verb.name not in ("run", "shell"):
        gc.enable()
    import importlib

    from shipway.cli.call import Call

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup's SIG_IGN stays
            signal.signal(number, _on_signal)
    listener = _Listener(settings, console)
    try:
        _tell(arguments, listener)
        home = importlib.import_module(f"shipway.cli.{arguments.verb.home}")
        answer: Answer = home.COMMANDS[arguments.verb.name](Call(arguments, settings, listener))
    finally:
        listener.close()
    if answer.data:
        console.data(answer.data)
    if answer.talk:
        console.note(answer.talk.rstrip("\n"))
    return answer.code


def _tell(arguments: Arguments, listener: _Listener) -> None:
    """What there is to say about how the words were read."""
    for text in arguments.notes:
        from shipway.core.events import Note

        listener(Note(text, "warning"))


class _Listener:
    """Opens the progress display at the first event, so that a run with nothing to do never loads it."""

    def __init__(self, settings: Settings, console: Console):
        self.settings = settings
        self.console = console
        self.progress: Progress | None = None

    def __call__(self, event: Event) -> None:
        if self.progress is None:
            from shipway.cli.progress import open_progress

            self.progress = open_progress(self.settings.progress, self.console)
        self.progress(event)

    def close(self) -> None:
        if self.progress is not None:
            self.progress.close()


def _on_signal(number: int, frame: object) -> None:
    del frame
    raise Terminated(number)


def _without_work(arguments: Arguments, console: Console) -> int:
    from shipway import __version__
    from shipway.cli.help import render_help

    if arguments.flag("version"):
        console.data(f"shipway {__version__}")
        return ExitCode.OK
    text = render_help(arguments.verb, _width())
    if arguments.flag("help"):
        console.data(text)
        return ExitCode.OK
    console.talk(text.rstrip())
    return ExitCode.USAGE


def _width() -> int:
    import shutil

    return min(shutil.get_terminal_size((100, 24)).columns, 110)
