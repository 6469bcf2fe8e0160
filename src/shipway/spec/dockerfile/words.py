"""Words of an instruction: split at blanks, quotes taken off, variables replaced.

Source: "Environment replacement" in Docker's Dockerfile reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

Variables = Mapping[str, str | None]
"""None: there is such a variable, and its value is not known here, or is a secret."""

LONGEST = 64 << 10
"""Characters that variables may grow a text by."""
_DEEPEST = 10
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_BRACED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(:?[-+?])?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word after replacement."""

    text: str
    unknown: tuple[str, ...] = ()
    """Names of variables (or forms of replacement) that have no value here; they are empty or verbatim in `text`."""


def word_set(words: str) -> frozenset[str]:
    """The words of a table that is written as one text."""
    return frozenset(words.split())


def split_words(text: str, escape: str = "\\") -> tuple[str, ...]:
    """`text` cut at blanks outside quotes; quotes and escapes stay."""
    words: list[str] = []
    current, quote, position = "", "", 0
    while position < len(text):
        char = text[position]
        if char == escape and quote != "'" and position + 1 < len(text):
            current += text[position : position + 2]
            position += 2
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in " \t\n":
            if current:
                words.append(current)
            current = ""
            position += 1
            continue
        current += char
        position += 1
    return (*words, current) if current else tuple(words)


def expand(raw: str, variables: Variables, escape: str = "\\", depth: int = 0) -> Word:
    """`raw` with quotes taken off and variables replaced; `depth` counts replacements inside replacements."""
    out: list[str] = []
    unknown: list[str] = []
    quote, position, grown = "", 0, 0
    while position < len(raw):
        char = raw[position]
        if char == escape and quote != "'" and position + 1 < len(raw):
            follows = raw[position + 1]
            out.append(char + follows if quote == '"' and follows not in '"$' + escape else follows)
            position += 2
        elif char == quote:
            quote, position = "", position + 1
        elif not quote and char in "\"'":
            quote, position = char, position + 1
        elif char == "$" and quote != "'":
            text, missing, position = expand_variable(raw, position, variables, escape, depth)
            grown += len(text)
            if grown > LONGEST:
                return Word(text="", unknown=("a text without end",))
            out.append(text)
            unknown += missing
        else:
            out.append(char)
            position += 1
    return Word(text="".join(out), unknown=tuple(dict.fromkeys(unknown)))


def expand_variable(
    raw: str, position: int, variables: Variables, escape: str = "\\", depth: int = 0
) -> tuple[str, tuple[str, ...], int]:
    """What the `$` at `position` stands for, names without a value, and where the rest begins."""
    plain = _NAME.match(raw, position + 1)
    if plain is not None:
        value = variables.get(plain[0])
        return value or "", () if value is not None else (plain[0],), plain.end()
    braced = _BRACED.match(raw, position + 1)
    if braced is None:
        return "$", (), position + 1
    end = _closing(raw, braced.end())
    if end < 0 or depth > _DEEPEST or (braced[2] is None and end != braced.end()):
        stop = len(raw) if end < 0 else end + 1
        return raw[position:stop], (braced[1],), stop
    value, form = variables.get(braced[1]), braced[2] or ""
    known = braced[1] in variables and value is None
    given = value is not None and (bool(value) or not form.startswith(":"))
    inner = expand(raw[braced.end() : end], variables, escape, depth + 1)
    if known or (not given and not form.endswith(("-", "+"))):
        return "", (braced[1],), end + 1
    if form.endswith("+"):
        return (inner.text, inner.unknown, end + 1) if given else ("", (), end + 1)
    return (value or "", (), end + 1) if given else (inner.text, inner.unknown, end + 1)


def _closing(raw: str, position: int) -> int:
    depth = 1
    while position < len(raw):
        depth += {"{": 1, "}": -1}.get(raw[position], 0)
        if depth == 0:
            return position
        position += 1
    return -1


def read_pairs(text: str, variables: Variables, escape: str = "\\") -> tuple[tuple[str, Word], ...] | None:
    """`NAME=VALUE …` of ENV, LABEL and ARG; None for the old form `NAME VALUE`."""
    words = split_words(text, escape)
    if "=" not in words[0]:
        return None
    pairs = []
    for raw in words:
        name, _, value = raw.partition("=")
        pairs.append((expand(name, variables, escape).text, expand(value, variables, escape)))
    return tuple(pairs)
