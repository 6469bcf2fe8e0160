"""Where the report of an unexpected failure is put."""

from __future__ import annotations

import os
import time


def write_report(text: str) -> str:
    """Write `text` to a new file below the state folder and return its path.

    Raises:
        OSError: it cannot be written.
    """
    from shipway.host.dirs import state_dir

    folder = os.path.join(state_dir(), "reports")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    path = os.path.join(folder, f"{stamp}-{os.getpid()}.txt")
    with open(path, "x", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return path
