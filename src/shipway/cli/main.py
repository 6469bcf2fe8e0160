"""The entry point. Answers at once what needs nothing of ours, and hands the rest to `app.py`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line of this process and return its exit code."""
    words = sys.argv[1:]
    if words in (["--version"], ["-V"]):
        from shipway import __version__

        return _say_version(__version__)
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
    sys.exit(main())
