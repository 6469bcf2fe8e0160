"""Private folders for work in progress, below the cache, on a disk and not in memory."""

from __future__ import annotations

import os
import tempfile

from shipway.core.errors import ToolError
from shipway.host.dirs import cache_dir
from shipway.host.files import translating_disk_errors


def scratch_folder(prefix: str) -> tempfile.TemporaryDirectory[str]:
    """A new folder that only we can enter; gone when its context ends.

    Raises:
        ToolError, NoSpace: the cache cannot be written.
    """
    place = cache_dir()
    with translating_disk_errors(f"write to the cache `{place}`", error=ToolError):
        os.makedirs(place, mode=0o700, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=prefix, dir=place)
