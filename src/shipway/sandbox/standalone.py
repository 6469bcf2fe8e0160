"""The command line of the folder when it is started alone: a request in, the command's exit code out."""

from __future__ import annotations

import json
import os
import sys

from .launch import run
from .model import SandboxFailure, parse_request
from .probe import probe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_USAGE = """usage: sandbox.py REQUEST.json [--result FILE]
       sandbox.py --probe

Runs the request (`-`: standard input, when the command inside reads nothing) and exits with its code; 125 if it could not be
started. --result FILE writes how it ended as JSON. --probe prints what this host allows.
"""
_FAILED, _USAGE_CODE = 125, 2


def main(arguments: Sequence[str]) -> int:
    """Run; returns the exit code."""
    match list(arguments):
        case ["--probe"]:
            sys.stdout.write(json.dumps(probe().to_json(), indent=1) + "\n")
            return 0
        case [path]:
            return _run(path, None)
        case [path, "--result", result]:
            return _run(path, result)
        case _:
            sys.stderr.write(_USAGE)
            return _USAGE_CODE


def _run(path: str, result_path: str | None) -> int:
    try:
        with sys.stdin if path == "-" else open(path, encoding="utf-8", errors="surrogateescape") as file:
            request = parse_request(json.load(file))
        stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC) if path == "-" else 0
        result = run(request, stdin=stdin)
    except (OSError, ValueError, SandboxFailure) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.stderr.writelines(f"hint: {hint}\n" for hint in getattr(error, "hints", ()))
        return _FAILED
    for text in (result.note, result.message):
        if text:
            sys.stderr.write(f"note: {text}\n")
    if result_path is not None:
        with open(result_path, "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump(result.to_json(), file)
    return result.code
