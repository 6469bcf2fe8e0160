r"""Where the keys and array items of a TOML text stand. Only for text that `tomllib` accepted, so nothing is checked twice."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

Path = tuple[str | int, ...]
"""Keys and array positions from the top: `("targets", "gpu", "pip", 0)`."""

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]*")
_BASIC = re.compile(r'"(?:\\.|[^"\\])*"')
_LONG_BASIC = re.compile(r'"""(?:\\.|[^\\])*?"""(?:"{0,2})(?!")', re.DOTALL)
_LITERAL = re.compile(r"'[^']*'")
_LONG_LITERAL = re.compile(r"'''.*?'''(?:'{0,2})(?!')", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_PLAIN = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


class Span(NamedTuple):
    """Part of a text, as positions of characters."""

    start: int
    end: int
    """Behind its last character."""


@dataclass(slots=True, kw_only=True)
class Layout:
    """Where everything of a TOML text is, by characters."""

    values: dict[Path, Span] = field(default_factory=dict)
    """Of every key and array item; bare words with the blanks behind them."""
    pairs: dict[Path, int] = field(default_factory=dict)
    """Where the line `key = value` of each key begins; keys of inline tables, too."""
    headers: dict[Path, int] = field(default_factory=dict)
    """Where the first `[table]` of each table begins."""
    tails: dict[Path, int] = field(default_factory=dict)
    """Table -> the end of its last own key, or of its header; the top is the empty path, and there only when it has keys."""


def find_layout(text: str) -> Layout:
    """The places of everything in `text`."""
    finder = _Finder(text)
    finder.find()
    return finder.layout


def find_lines(text: str) -> dict[Path, int]:
    """Every key and array item of `text` -> its line, from 1. A table's line is that of its first header or key."""
    return _Finder(text.replace("\r\n", "\n")).find()


class _Finder:
    """One pass over one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.lines: dict[Path, int] = {}
        self.counts: dict[Path, int] = {}
        self.counted_to = 0
        self.line = 1
        self.layout = Layout()

    def find(self) -> dict[Path, int]:
        table: Path = ()
        while self.skip():
            if self.text.startswith("[", self.position):
                table = self.header()
            else:
                self.pair(table)
                self.layout.tails[table] = self.position
        return self.lines

    def skip(self) -> bool:
        """Pass blanks and comments; whether anything is left."""
        self.take(_SPACE)
        return self.position < len(self.text)

    def mark(self, path: Path) -> None:
        """Note the current line for `path` and every table above it that has none yet."""
        self.line += self.text.count("\n", self.counted_to, self.position)
        self.counted_to = self.position
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], self.line)

    def header(self) -> Path:
        start = self.position
        many = self.text.startswith("[[", self.position)
        self.position += 2 if many else 1
        keys = self.dotted()
        path: Path = ()
        for number, key in enumerate(keys, 1):
            path = (*path, key)
            if many and number == len(keys):
                self.counts[path] = self.counts.get(path, -1) + 1
            if path in self.counts:
                path = (*path, self.counts[path])
        self.mark(path)
        self.position = self.text.index("]", self.position) + (2 if many else 1)
        self.layout.headers.setdefault(path, start)
        self.layout.tails[path] = self.position
        return path

    def pair(self, table: Path) -> None:
        start = self.position
        keys = self.dotted()
        end, self.position = self.position, start
        self.mark((*table, *keys))
        self.layout.pairs[(*table, *keys)] = start
        self.position = self.text.index("=", end) + 1
        self.value((*table, *keys))

    def dotted(self) -> Path:
        keys = [self.key()]
        while self.skip() and self.text[self.position] == ".":
            self.position += 1
            keys.append(self.key())
        return tuple(keys)

    def key(self) -> str:
        self.skip()
        quote = self.text[self.position]
        pattern = _BASIC if quote == '"' else _LITERAL if quote == "'" else _BARE
        found = self.take(pattern)
        if quote == '"':
            return _ESCAPE.sub(_unescaped, found[1:-1])
        return found[1:-1] if quote == "'" else found

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.position)
        if match is None:
            raise ValueError("not valid TOML")
        self.position = match.end()
        return match[0]

    def value(self, path: Path) -> None:
        self.skip()
        begin = self.position
        self.any_value(path)
        self.layout.values[path] = Span(begin, self.position)

    def any_value(self, path: Path) -> None:
        start = self.text[self.position : self.position + 3]
        if start[0] == "[":
            self.array(path)
        elif start[0] == "{":
            self.inline_table(path)
        elif start == '"""':
            self.take(_LONG_BASIC)
        elif start == "'''":
            self.take(_LONG_LITERAL)
        elif start[0] == '"':
            self.take(_BASIC)
        elif start[0] == "'":
            self.take(_LITERAL)
        else:
            self.take(_SCALAR)

    def array(self, path: Path) -> None:
        self.position += 1
        number = 0
        while self.skip() and self.text[self.position] != "]":
            self.mark((*path, number))
            self.value((*path, number))
            number += 1
            self.skip()
            if self.text[self.position] == ",":
                self.position += 1
        self.position += 1

    def inline_table(self, path: Path) -> None:
        self.position += 1
        while self.skip() and self.text[self.position] != "}":
            self.pair(path)
            self.skip()
            if self.text[self.position] == ",":
                self.position += 1
        self.position += 1


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if code[0] in "uU" and len(code) > 1 else _PLAIN.get(code, code)
