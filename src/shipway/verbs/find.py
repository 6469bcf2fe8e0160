"""Which folder is the project. Light, because every verb starts here, also a run with nothing to do."""

from __future__ import annotations

import os

from shipway.core.errors import ExitCode, ToolError
from shipway.core.text import shown

SPEC_FILE = "shipway.toml"
LOCK_FILE = "shipway.lock"
_METADATA = "pyproject.toml"
_TABLE = b"[tool.shipway"


def find_folder(directory: str = "") -> str:
    """The nearest folder with a spec or a lock, upwards from `directory`, with links resolved; without one, `directory` itself.

    Raises:
        ToolError: `directory` is no folder.
    """
    try:
        start = os.path.realpath(directory or ".")
    except FileNotFoundError:
        raise ToolError(
            "the folder that you are in does not exist any more",
            hints=["go to another one, or name one with `-C`"],
            code=ExitCode.SPEC,
        ) from None
    if not os.path.isdir(start):
        raise ToolError(
            f"the folder `{shown(directory or start)}` does not exist",
            hints=["give `-C` an existing folder"],
            code=ExitCode.SPEC,
        )
    folder = start
    while True:
        if has_spec(folder):
            return folder
        above = os.path.dirname(folder)
        if above == folder:
            return start
        folder = above


def has_spec(folder: str) -> bool:
    """Whether `folder` holds a spec or a lock of ours."""
    if any(os.path.isfile(os.path.join(folder, name)) for name in (SPEC_FILE, LOCK_FILE)):
        return True
    try:
        with open(os.path.join(folder, _METADATA), "rb") as file:
            return _TABLE in file.read()
    except OSError:
        return False
