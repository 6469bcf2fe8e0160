"""The file in which X clients find their right to a display (pure).

Source: `Xau(3)` of libXau: entries of a family (16 bits) and four counted texts (address, display number, name of the
protocol, data), every number with its high byte first.
"""

from __future__ import annotations

from typing import NamedTuple

COOKIE = "MIT-MAGIC-COOKIE-1"
"""The one protocol that works for whoever has the data."""
INTERNET, INTERNET6, LOCAL, WILD = 0, 6, 256, 0xFFFF
_WORD = 2


class Entry(NamedTuple):
    """The right to one display."""

    family: int
    address: bytes
    """Of the server: four or sixteen bytes, or with family `LOCAL` a host's name."""
    number: str
    """Of the display; empty: any."""
    name: str
    data: bytes


def parse_xauthority(data: bytes) -> tuple[Entry, ...]:
    """The entries, in the file's order.

    Raises:
        ValueError: it is no such file, or a part of one.
    """
    entries, place = [], 0
    while place < len(data):
        family = _number(data, place)
        place += _WORD
        texts = []
        for _ in range(4):
            size = _number(data, place)
            place += _WORD
            if place + size > len(data):
                raise ValueError("it ends inside an entry")
            texts.append(data[place : place + size])
            place += size
        address, number, name, secret = texts
        entries.append(Entry(family, address, number.decode("ascii"), name.decode("ascii"), secret))
    return tuple(entries)


def render_xauthority(entries: tuple[Entry, ...]) -> bytes:
    """The inverse of `parse_xauthority`."""
    parts = []
    for entry in entries:
        parts.append(entry.family.to_bytes(_WORD, "big"))
        for text in (entry.address, entry.number.encode(), entry.name.encode(), entry.data):
            parts += [len(text).to_bytes(_WORD, "big"), text]
    return b"".join(parts)


def find_cookie(
    entries: tuple[Entry, ...], number: str, *, host: str, addresses: tuple[bytes, ...]
) -> Entry | None:
    """The cookie of display `number`. `addresses`: of its server; none: it is on this host, which is called `host`.

    A cookie that was written under another name of this host counts after its own: names change with networks.
    """
    usable = [entry for entry in entries if entry.name == COOKIE and entry.number in (number, "")]
    if addresses:
        ranked = [
            *(one for one in usable if one.family in (INTERNET, INTERNET6) and one.address in addresses),
            *(one for one in usable if one.family == WILD),
        ]
    else:
        ranked = [
            *(one for one in usable if one.family == LOCAL and one.address == host.encode()),
            *(one for one in usable if one.family in (LOCAL, WILD)),
        ]
    return ranked[0] if ranked else None


def for_any_host(cookie: Entry, number: str) -> Entry:
    """The same right for just this display, under whatever name the host has for whoever uses it."""
    return Entry(WILD, b"", number, cookie.name, cookie.data)


def _number(data: bytes, place: int) -> int:
    if place + _WORD > len(data):
        raise ValueError("it ends inside an entry")
    return int.from_bytes(data[place : place + _WORD], "big")
