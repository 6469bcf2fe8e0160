"""Debian version order. Source: Debian policy 5.6.12 and deb-version(7)."""

from __future__ import annotations

import re

_PART = re.compile(r"([^0-9]*)([0-9]*)")


def compare_versions(one: str, other: str) -> int:
    """Negative, zero or positive as `one` is older than, equal to or newer than `other`."""
    (epoch_a, upstream_a, revision_a), (epoch_b, upstream_b, revision_b) = _split(one), _split(other)
    return (
        (epoch_a > epoch_b) - (epoch_a < epoch_b)
        or _compare_part(upstream_a, upstream_b)
        or _compare_part(revision_a, revision_b)
    )


def is_newer(one: str, other: str) -> bool:
    """Whether `one` comes after `other`."""
    return compare_versions(one, other) > 0


def _split(version: str) -> tuple[int, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return (int(epoch) if epoch.isdigit() else 0, upstream, revision)


def _order(char: str) -> int:
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 256


def _compare_part(one: str, other: str) -> int:
    while one or other:
        (text_a, digits_a), (text_b, digits_b) = _first(one), _first(other)
        one, other = one[len(text_a) + len(digits_a) :], other[len(text_b) + len(digits_b) :]
        # The end of the text sorts before letters and after a tilde: it counts as 0.
        order_a = [_order(c) for c in text_a] + [0]
        order_b = [_order(c) for c in text_b] + [0]
        if order_a != order_b:
            return -1 if order_a < order_b else 1
        number_a, number_b = int(digits_a or 0), int(digits_b or 0)
        if number_a != number_b:
            return -1 if number_a < number_b else 1
    return 0


def _first(text: str) -> tuple[str, str]:
    match = _PART.match(text)
    assert match is not None
    return match[1], match[2]
