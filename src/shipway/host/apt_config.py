"""The host's apt configuration as flat directives. Source of the format: apt.conf(5)."""

from __future__ import annotations

import os
import re

_TOKEN = re.compile(r"""//[^\n]*|\#[^\n]*|/\*.*?\*/|"((?:[^"\\]|\\.)*)"|([{};])|([^\s{};"]+)""", re.DOTALL)


def read_apt_directives(folder: str) -> dict[str, str]:
    """Directive in lower case (`acquire::http::proxy`) -> value, from `apt.conf.d` and `apt.conf` below `folder`."""
    parts = os.path.join(folder, "apt.conf.d")
    names = sorted(os.listdir(parts)) if os.path.isdir(parts) else []
    chosen = [name for name in names if re.fullmatch(r"[A-Za-z0-9_-]+(\.conf)?", name)]
    found: dict[str, str] = {}
    for path in (*(os.path.join(parts, name) for name in chosen), os.path.join(folder, "apt.conf")):
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                found |= parse_apt_directives(stream.read())
        except (FileNotFoundError, PermissionError, IsADirectoryError):
            continue
    return found


def parse_apt_directives(text: str) -> dict[str, str]:
    """Directives of one file; a later one wins. List items (`X:: "…"`) keep the last."""
    found: dict[str, str] = {}
    scopes: list[str] = []
    words: list[str] = []
    for match in _TOKEN.finditer(text):
        value, mark, word = match.groups()
        if value is not None or word is not None:
            words.append(value if value is not None else word)
        elif mark == "{":
            scopes.append(words[0] if words else "")
            words = []
        elif mark:
            if words and not words[0].startswith("#"):
                name = "::".join((*scopes, words[0])) if len(words) > 1 else "::".join(scopes)
                found[name.lower()] = words[-1]
            words = []
            if mark == "}" and scopes:
                scopes.pop()
    return found
