"""Plain values as TOML text, in the form that people write."""

from __future__ import annotations

import json
import re
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z", re.ASCII)
WIDTH = 100
"""Characters of a line before a list is written one item a line."""


def render_key(key: str) -> str:
    """`key` bare where TOML allows it, else in quotes."""
    return key if _BARE.match(key) else render_text(key)


def render_text(text: str) -> str:
    """`text` as a basic string."""
    # JSON escapes are TOML escapes, but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def render_value(value: Any) -> str:
    """`value` (texts, numbers, booleans, lists, tables) on one line."""
    if isinstance(value, str):
        return render_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(render_value, value)) + "]"
    if isinstance(value, dict):
        inside = ", ".join(f"{render_key(key)} = {render_value(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    return repr(value)


def render_pair(key: str, value: Any) -> str:
    """A line `key = value`, or several for a list that is too long for one."""
    line = f"{render_key(key)} = {render_value(value)}"
    if len(line) <= WIDTH or not isinstance(value, list | tuple):
        return line
    return f"{render_key(key)} = [\n" + "".join(f"    {render_value(item)},\n" for item in value) + "]"
