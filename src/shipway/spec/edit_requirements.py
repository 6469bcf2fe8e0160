"""Small changes of a requirements file: one line is added, replaced or taken out. Pure."""

from __future__ import annotations

import re

_COMMENT = re.compile(r"(?:^|\s+)#.*$")


def add_line(text: str, requirement: str) -> str:
    """`text` with `requirement` as its last line."""
    newline = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text or text.endswith("\n") else newline
    return text + gap + requirement + newline


def replace_line(text: str, number: int, requirement: str) -> str:
    """`text` with `requirement` in place of the one that begins in line `number` (from 1); hashes go, a comment stays."""
    lines = text.splitlines(keepends=True)
    first, last = _span(lines, number)
    body = lines[last].rstrip("\r\n")
    comment = _COMMENT.search(body)
    end = lines[last][len(body) :]
    indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    lines[first : last + 1] = [indent + requirement + (comment[0] if comment else "") + end]
    return "".join(lines)


def drop_line(text: str, number: int) -> str:
    """`text` without the requirement that begins in line `number` (from 1)."""
    lines = text.splitlines(keepends=True)
    first, last = _span(lines, number)
    del lines[first : last + 1]
    return "".join(lines)


def _span(lines: list[str], number: int) -> tuple[int, int]:
    """First and last physical line, from 0, of the logical line that begins in line `number`."""
    first = last = number - 1
    while last + 1 < len(lines) and lines[last].rstrip("\r\n").endswith("\\"):
        last += 1
    return first, last
