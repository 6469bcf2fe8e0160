"""uv's own configuration of this host, as far as it says where indexes are.

Places follow uv's documentation, "Configuration files".
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shipway.core.errors import ToolError


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredIndex:
    """One index that uv knows."""

    url: str
    """As written, credentials included; never shown."""
    name: str = ""
    default: bool = False


def read_uv_indexes(environ: Mapping[str, str]) -> tuple[ConfiguredIndex, ...]:
    """Indexes that uv would use, the strongest first: environment, then the user's file, then the system's.

    Raises:
        ToolError: a configuration file is no TOML; uv refuses it too.
    """
    found = list(_from_environment(environ))
    for path in _files(environ):
        found += _from_file(path)
    return tuple(found)


def _from_environment(environ: Mapping[str, str]) -> list[ConfiguredIndex]:
    found = []
    for name, default in (
        ("UV_DEFAULT_INDEX", True),
        ("UV_INDEX_URL", True),
        ("UV_INDEX", False),
        ("UV_EXTRA_INDEX_URL", False),
    ):
        found += [_parse_word(word, default=default) for word in environ.get(name, "").split()]
    return found


def _parse_word(word: str, *, default: bool) -> ConfiguredIndex:
    name, equals, url = word.partition("=")
    if equals and "/" not in name and ":" not in name:
        return ConfiguredIndex(name=name, url=url, default=default)
    return ConfiguredIndex(url=word, default=default)


def _files(environ: Mapping[str, str]) -> list[str]:
    if environ.get("UV_NO_CONFIG"):
        return []
    if environ.get("UV_CONFIG_FILE"):
        return [environ["UV_CONFIG_FILE"]]
    home = environ.get("HOME") or os.path.expanduser("~")
    user = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    shared = [
        os.path.join(folder, "uv", "uv.toml")
        for folder in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")
        if folder
    ]
    # uv takes the first system file that exists, not all of them.
    system = next((path for path in [*shared, "/etc/uv/uv.toml"] if os.path.isfile(path)), None)
    return [os.path.join(user, "uv", "uv.toml"), *([system] if system else [])]


def _from_file(path: str) -> list[ConfiguredIndex]:
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except OSError:
        return []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ToolError(f"`{path}` is no TOML: {error}", hints=["correct it; uv reads it too"]) from error
    found = [
        _parse_table(entry)
        for entry in _list(table.get("index"))
        if isinstance(entry, dict) and entry.get("url")
    ]
    for place in (table, table.get("pip")):
        if isinstance(place, dict):
            found += [ConfiguredIndex(url=url, default=True) for url in _list(place.get("index-url"))]
            found += [ConfiguredIndex(url=url) for url in _list(place.get("extra-index-url"))]
    return found


def _parse_table(entry: dict[str, Any]) -> ConfiguredIndex:
    return ConfiguredIndex(
        name=str(entry.get("name", "")), url=str(entry["url"]), default=entry.get("default") is True
    )


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
