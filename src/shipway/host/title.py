"""What a process is called in listings. The words of a command line may hold more than others should read for days."""

from __future__ import annotations

import contextlib
import ctypes


def set_title(text: str) -> None:
    """Overwrite this process's own command line, which is in its own memory (proc(5): `arg_start`, `arg_end` in `stat`).

    What does not fit is cut. Where the kernel does not tell the place, the old words stay.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        start, end = int(fields[45]), int(fields[46])  # 48 and 49 of the whole line
        if 0 < start < end:
            data = text.encode("utf-8", "replace")[: end - start - 1]
            ctypes.memmove(start, data.ljust(end - start, b"\0"), end - start)
