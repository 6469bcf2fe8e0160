"""The entry point. Answers at once what needs nothing of ours, and hands the rest to `app.py`."""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_COLLECT_AFTER = 20_000
"""Objects that are made before the new ones are looked through; Python's own 700 cost each short command several milliseconds."""


def start() -> NoReturn:
    """What the installed script calls: `main`, then the end of the process at once.

    The interpreter's own way out takes apart every module, which costs a run with nothing to do more than its mounts. So
    does collecting garbage while modules load; what works longer turns that on again, and then it is done seldom.
    """
    gc.disable()
    gc.set_threshold(_COLLECT_AFTER)
    code = main()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            code = code or 1
    os._exit(code)


def main() -> int:
    """Run the command line of this process and return its exit code."""
    words = sys.argv[1:]
    if words in (["--version"], ["-V"]) and sys.stdout is not None:
        from shipway import __version__

        return _say_version(__version__)
    if words[:1] == ["exec"]:
        from shipway.run.life.quick import try_exec

        ended = try_exec(words[1:])
        if ended is not None:
            if ended[1]:
                from shipway.cli.console import Console

                Console(color=False).note(ended[1], "warning")
            return ended[0]
    from shipway.cli.app import execute

    return execute(words)


def _say_version(version: str) -> int:
    try:
        sys.stdout.write(f"shipway {version}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = None  # nothing is left to flush at exit
        return 1
    return 0


if __name__ == "__main__":
    start()
