"""Sizes and durations as people write them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b)?\Z", re.IGNORECASE | re.ASCII)
_AGE = re.compile(r"(\d+)\s*(s|m|h|d|w)\Z", re.ASCII)
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_size(text: str) -> int:
    """Bytes from `512`, `8g`, `1.5 GiB`; every unit is a power of 1024, as container engines read them.

    Raises:
        ValueError: `text` is no size.
    """
    match = _SIZE.match(text.strip())
    if not match:
        raise ValueError(f"not a size: {text!r}")
    return int(float(match[1]) * 1024 ** _POWER[match[2].lower()])


def render_size(count: int) -> str:
    """`count` bytes for a person: `0 B`, `1.5 MiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:  # noqa: PLR2004 - the base of the units
            return f"{int(value)} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def parse_age(text: str) -> int:
    """Seconds from `90s`, `15m`, `12h`, `30d`, `2w`.

    Raises:
        ValueError: `text` is no age.
    """
    match = _AGE.match(text.strip())
    if not match:
        raise ValueError(f"not an age: {text!r}")
    return int(match[1]) * _SECONDS[match[2]]


def render_age(seconds: float) -> str:
    """`5 seconds`, `1 minute`, `3 hours`, `4 days`: whole units, the largest one that fits."""
    count = max(0, int(seconds))
    for letter, name in (("d", "day"), ("h", "hour"), ("m", "minute")):
        number = count // _SECONDS[letter]
        if number:
            return f"{number} {name}{'s' if number > 1 else ''}"
    return f"{count} second{'' if count == 1 else 's'}"
