"""Untrusted text made safe to show."""

from __future__ import annotations


def shown(text: str, limit: int = 200) -> str:
    """`text` with control characters, bidirectional overrides and undecodable bytes escaped, cut at `limit`.

    Every name that came from outside passes here before a terminal or a log sees it.
    """
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    if cut.isascii() and cut.isprintable():
        return cut
    return "".join(
        c
        if c.isprintable() and c not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        else _escaped(c)
        for c in cut
    )


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")
