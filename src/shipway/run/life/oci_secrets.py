"""The file of tokens that a container of Docker or Podman has mounted: filled when it starts, empty while it does not run.

It stays the same file, for it is mounted as that.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.host.files import translating_disk_errors
from shipway.run.model import RestartKind
from shipway.run.secrets import FILE, render_secrets

if TYPE_CHECKING:
    from shipway.run.life.model import Record
    from shipway.run.model import RunRequest


def has_secrets(folder: str) -> bool:
    """Whether the container in `folder` was made with some."""
    return os.path.exists(f"{folder}/{FILE}")


def renew_secrets(folder: str, request: RunRequest) -> None:
    """Have the caller's tokens of now in the file.

    Raises:
        NoSpace, StoreError: it cannot be written.
    """
    _write(folder, render_secrets(request))


def forget_secrets(folder: str, record: Record) -> None:
    """Empty the file of a container that has ended, unless the engine starts it again by itself, and without us.

    Raises:
        NoSpace, StoreError: it cannot be written.
    """
    if has_secrets(folder) and record.options.restart.kind is RestartKind.NO:
        _write(folder, b"")


def _write(folder: str, data: bytes) -> None:
    path = f"{folder}/{FILE}"
    with translating_disk_errors(f"write `{path}`"):
        os.chmod(path, 0o644)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, 0o444)
