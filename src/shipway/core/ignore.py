r"""The grammar of `.dockerignore` and `.containerignore`, as container engines read it.

Rules: one pattern a line; a line that starts with `#` is a comment; blanks around a pattern do not count; `!` takes back; the
last pattern that matches wins; a pattern is anchored at the root (`*.pyc` is the root's files only, `**/*.pyc` all);
`*` and `?` stop at `/`, `**` crosses it, `[a-z]` and `[^a-z]` are one character, `\` quotes. A pattern that matches a directory
holds for everything below. Source of the rules: the manual of the `.dockerignore` file, and what `docker build` does.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


VENDOR_INDEX = "SHIPWAY-VENDOR.txt"
"""A folder that holds a file of this name was made by `shipway vendor`, and is no part of a project."""


class _Rule(NamedTuple):
    matches: re.Pattern[str]
    takes_back: bool
    lead: str
    """The part of the pattern before its first special character: what it can match starts so."""


def parse_ignore(text: str) -> tuple[str, ...]:
    """The patterns of an ignore file, comments and empty lines dropped."""
    lines = text.removeprefix("\ufeff").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


class IgnoreRules:
    """An ordered list of patterns. Immutable."""

    __slots__ = ("_rules",)

    def __init__(self, patterns: Iterable[str]):
        """Compile `patterns`.

        Raises:
            ValueError: one of them is malformed; the message quotes it.
        """
        self._rules = tuple(rule for pattern in patterns if (rule := _compile(pattern)) is not None)

    def ignored(self, path: str, is_dir: bool = False) -> bool:  # noqa: FBT001, FBT002 - read as a word by callers
        """Whether `path` (relative, `/`-separated) stays out. The grammar treats files and directories alike."""
        del is_dir
        answer = False
        chain = _parents(path)
        for rule in self._rules:
            if rule.takes_back == answer and any(map(rule.matches.match, chain)):
                answer = not rule.takes_back
        return answer

    def can_skip(self, directory: str) -> bool:
        """Whether nothing below `directory` can be wanted, so that a walk need not enter it."""
        if not self.ignored(directory, is_dir=True):
            return False
        inside = directory + "/"
        return not any(
            rule.takes_back and (rule.lead.startswith(inside) or inside.startswith(rule.lead))
            for rule in self._rules
        )


def _parents(path: str) -> tuple[str, ...]:
    parts = path.split("/")
    return tuple("/".join(parts[: count + 1]) for count in range(len(parts)))


def _compile(pattern: str) -> _Rule | None:
    text = pattern.strip()
    takes_back = text.startswith("!")
    if takes_back:
        text = text[1:].strip()
        if not text:
            raise ValueError(f"`{pattern}` takes back nothing")
    if not text:
        return None
    text = posixpath.normpath(text).lstrip("/")
    if text in (".", ""):
        return None
    lead = re.split(r"[*?\[\\]", text, maxsplit=1)[0]
    try:
        return _Rule(re.compile(_regex(text), re.DOTALL), takes_back, lead)
    except (re.error, IndexError):
        raise ValueError(f"`{pattern}` is no pattern: its bracket or backslash has no end") from None


def _regex(text: str) -> str:
    parts: list[str] = []
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char == "*" and text.startswith("*", position):
            position += 1
            if text.startswith("/", position):
                position += 1
            parts.append(".*" if position == len(text) else "(?:.*/)?")
        elif char == "*":
            parts.append("[^/]*")
        elif char == "?":
            parts.append("[^/]")
        elif char == "\\":
            parts.append(re.escape(text[position]))
            position += 1
        elif char == "[":
            end = _class_end(text, position)
            parts.append(_class(text[position:end]))
            position = end + 1
        else:
            parts.append(re.escape(char))
    return "".join(parts) + r"\Z"


def _class_end(text: str, start: int) -> int:
    position = start + 1 if text.startswith("^", start) else start
    while text[position] != "]" or position == start:
        position += 2 if text[position] == "\\" else 1
    return position


def _class(body: str) -> str:
    negated = body.startswith("^")
    members = body[1:] if negated else body
    safe = re.sub(r"[\[&~|]", r"\\\g<0>", members)
    return f"(?!/)[{'^' if negated else ''}{safe}]"
