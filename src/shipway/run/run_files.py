"""A run's own files, in the folder that lives as long as its container."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shipway.run.model import RunRequest


def write_run_files(folder: str, request: RunRequest) -> None:
    """Write what is laid over the environment below `folder`/files.

    Nobody but the caller can enter `folder` itself, so the modes are those that the container sees.

    Raises:
        OSError: they cannot be written.
    """
    for file in request.files:
        path = f"{folder}/files/{file.path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_run_file(path, file.data, file.mode)


def write_run_file(path: str, data: bytes, mode: int) -> None:
    """Write the new file `path`.

    Raises:
        OSError: it is there, or cannot be written.
    """
    with open(path, "xb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)
