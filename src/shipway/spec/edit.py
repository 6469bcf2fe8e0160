"""Small changes of a TOML text: one item of a list is added, replaced or taken out, and nothing else moves. Pure.

Comments, order, indentation and line ends stay as they are. What cannot be done so that the text then says what it should is
refused with `ValueError`; nothing is written in another form than the one that is there.
"""

from __future__ import annotations

import copy
import tomllib
from typing import TYPE_CHECKING, Any

from shipway.spec.lines import Layout, Path, Span, find_layout
from shipway.spec.toml_text import render_key, render_pair, render_text

if TYPE_CHECKING:
    from collections.abc import Callable

_BLANK = " \t"
_NEIGHBOURS = ("pip", "apt", "requirements", "python", "base", "name")
"""Keys that a new list of packages stands behind, the first that is there."""


def add_item(text: str, path: Path, item: str) -> str:
    """`text` with `item` at the end of the list at `path`, which is made where it is missing.

    Raises:
        ValueError: the table that it belongs to is written in a form that leaves no place for it.
    """
    document = tomllib.loads(text)

    def change(value: Any) -> Any:
        return [*(value or []), item]

    layout = find_layout(text)
    if path in layout.values:
        return _checked(_with_item(text, layout, path, render_text(item)), document, path, change)
    return _checked(_with_list(text, layout, path, item), document, path, change)


def replace_item(text: str, path: Path, item: str) -> str:
    """`text` with `item` in place of the list item at `path`."""

    def change(value: Any) -> Any:
        return [item if number == path[-1] else one for number, one in enumerate(value)]

    span = find_layout(text).values[path]
    quote = text[span.start]
    plain = quote == "'" and not text.startswith("'''", span.start) and "'" not in item and item.isprintable()
    new = text[: span.start] + (f"'{item}'" if plain else render_text(item)) + text[span.end :]
    return _checked(new, tomllib.loads(text), path[:-1], change)


def drop_item(text: str, path: Path) -> str:
    """`text` without the list item at `path`, and without the list if that was its only item."""
    layout = find_layout(text)
    count = _count(layout, path[:-1])

    def change(value: Any) -> Any:
        left = [one for number, one in enumerate(value) if number != path[-1]]
        return left or None

    if count == 1 and (dropped := _without_pair(text, layout, path[:-1])) is not None:
        return _checked(dropped, tomllib.loads(text), path[:-1], change)
    return _checked(_without_item(text, layout, path, count), tomllib.loads(text), path[:-1], change)


def _checked(new: str, document: dict[str, Any], path: Path, change: Callable[[Any], Any]) -> str:
    """`new`, which must say what `document` says with `change` at `path` (an empty list may also be none)."""
    expected = copy.deepcopy(document)
    table: Any = expected
    for key in path[:-1]:
        table = table[key] if isinstance(key, int) else table.setdefault(key, {})
    value = change(table.get(path[-1]))
    try:
        got = tomllib.loads(new)
    except tomllib.TOMLDecodeError as error:
        raise ValueError("the text is written in a form that cannot be changed in place") from error
    for left in [None, []] if value is None else [value]:
        if left is None:
            table.pop(path[-1], None)
        else:
            table[path[-1]] = left
        if got == expected:
            return new
    raise ValueError("the text is written in a form that cannot be changed in place")


def _count(layout: Layout, path: Path) -> int:
    number = 0
    while (*path, number) in layout.values:
        number += 1
    return number


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _line_end(text: str, position: int) -> int:
    """Where the line of `position` ends, its line end not included."""
    end = text.find("\n", position)
    end = len(text) if end < 0 else end
    return end - 1 if text[end - 1 : end] == "\r" and end > position else end


def _line_start(text: str, position: int) -> int:
    return text.rfind("\n", 0, position) + 1


def _is_first(text: str, position: int) -> bool:
    return not text[_line_start(text, position) : position].strip(_BLANK)


def _comma(text: str, position: int, end: int) -> int:
    """Where the comma behind an item stands, or -1."""
    while position < end:
        char = text[position]
        if char == ",":
            return position
        if char == "#":
            position = _line_end(text, position)
        elif char not in " \t\r\n":
            return -1
        position += 1
    return -1


def _with_item(text: str, layout: Layout, path: Path, item: str) -> str:
    span = layout.values[path]
    count = _count(layout, path)
    if count == 0:
        return _first_item(text, span, item)
    last = layout.values[(*path, count - 1)]
    comma = _comma(text, last.end, span.end)
    behind = max(last.end, comma + 1)
    stays = _line_end(text, behind)
    if not _is_first(text, last.start):
        return text[:behind] + (f" {item}," if comma >= 0 else f", {item}") + text[behind:]
    indent = text[_line_start(text, last.start) : last.start]
    new = f"{_newline(text)}{indent}{item}"
    if span.end <= stays:  # the bracket stands behind the last item
        head = text[: last.end] + ("" if comma >= 0 else ",") + text[last.end : behind]
        return head + new + text[behind:]
    if comma >= 0:
        return text[:stays] + new + "," + text[stays:]
    return text[: last.end] + "," + text[last.end : stays] + new + text[stays:]


def _first_item(text: str, span: Span, item: str) -> str:
    inside = text[span.start + 1 : span.end - 1]
    if "\n" not in inside:
        return text[: span.start + 1] + item + inside.strip(_BLANK) + text[span.end - 1 :]
    end = span.end - 1
    start = _line_start(text, end)
    indent = text[start:end] if not text[start:end].strip(_BLANK) else ""
    return text[:start] + f"{indent}    {item},{_newline(text)}" + text[start:]


def _with_list(text: str, layout: Layout, path: Path, item: str) -> str:
    table, key = path[:-1], str(path[-1])
    newline = _newline(text)
    line = render_pair(key, [item])
    spots = [
        layout.values[*table, name].end
        for name in _NEIGHBOURS
        if (*table, name) in layout.values and _is_first(text, layout.pairs[*table, name])
    ]
    if (table in layout.tails) and not _is_dotted(layout, table):
        at = _line_end(text, spots[0] if spots else layout.tails[table])
        return text[:at] + newline + line + text[at:]
    if table == ():
        return line + newline + (newline + text if text.strip() else text)
    below = [place for name, place in layout.headers.items() if name[: len(table)] == table]
    if not below:
        raise ValueError("the table that it belongs to has no header of its own")
    header = ".".join(render_key(str(part)) for part in table)
    at = min(below)
    return text[:at] + f"[{header}]{newline}{line}{newline}{newline}" + text[at:]


def _is_dotted(layout: Layout, table: Path) -> bool:
    """Whether `table` has keys but no header, so that a new key would land in another table."""
    return table != () and table not in layout.headers


def _without_item(text: str, layout: Layout, path: Path, count: int) -> str:
    whole = layout.values[path[:-1]]
    item = layout.values[path]
    number = int(path[-1])
    comma = _comma(text, item.end, whole.end)
    behind = max(item.end, comma + 1)
    end = _line_end(text, behind)
    rest = text[behind:end].strip(_BLANK)
    if _is_first(text, item.start) and end < whole.end and (not rest or rest.startswith("#")):
        after = text.find("\n", end) + 1
        return text[: _line_start(text, item.start)] + text[after:]
    if number < count - 1:
        return text[: item.start] + text[layout.values[(*path[:-1], number + 1)].start :]
    if number == 0:
        return text[: item.start] + text[behind:].lstrip(_BLANK)
    return text[: layout.values[(*path[:-1], number - 1)].end] + text[item.end :]


def _without_pair(text: str, layout: Layout, path: Path) -> str | None:
    """`text` without the whole lines of the key at `path`; None where they hold something else, such as a comment."""
    start, span = layout.pairs[path], layout.values[path]
    end = _line_end(text, span.end)
    item = layout.values[(*path, 0)]
    others = text[span.start + 1 : item.start] + text[item.end : span.end - 1]
    if not _is_first(text, start) or text[span.end : end].strip(_BLANK) or others.strip(" \t\r\n,"):
        return None
    after = text.find("\n", end)
    return text[: _line_start(text, start)] + (text[after + 1 :] if after >= 0 else "")
