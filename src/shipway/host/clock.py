"""Time and the identity of this boot. Code that decides by time takes a `Clock`; only edges pass `now`."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds since 1970, as the machine believes them; may jump."""

now: Clock = time.time
monotonic: Clock = time.monotonic
"""Seconds that never go back, for waits and measurements."""

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def boot_id() -> str:
    """A name of this boot of the kernel; `unknown` where the kernel does not tell.

    Source: random(4), `/proc/sys/kernel/random/boot_id`.
    """
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "unknown"
