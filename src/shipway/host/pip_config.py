"""pip's configuration of this host as plain values: files of every level, then `PIP_*`.

Order and places follow pip's documentation, "Configuration": global, user, site, `PIP_CONFIG_FILE`, environment. We read
the files ourselves, because asking pip costs 0.3 s and there may be none.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping

_SECTIONS = ("global", "install", "lock")


def read_pip_config(environ: Mapping[str, str]) -> dict[str, str]:
    """Every option that pip would see, by its long name (`index-url`), later sources over earlier ones."""
    merged: dict[str, str] = {}
    for path in _files(environ):
        for section in _SECTIONS:
            merged.update(_section(path, section))
    for name, value in environ.items():
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE" and value:
            merged[name[4:].lower().replace("_", "-")] = value
    return merged


def _files(environ: Mapping[str, str]) -> list[str]:
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    home = environ.get("HOME") or os.path.expanduser("~")
    shared = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    config = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    paths = [os.path.join(folder, "pip", "pip.conf") for folder in reversed(shared.split(":")) if folder]
    paths += [
        "/etc/pip.conf",
        os.path.join(home, ".pip", "pip.conf"),
        os.path.join(config, "pip", "pip.conf"),
    ]
    paths.append(os.path.join(environ.get("VIRTUAL_ENV") or sys.prefix, "pip.conf"))
    return [*paths, named] if named else paths


def _section(path: str, section: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except (OSError, UnicodeDecodeError, configparser.Error):
        return {}  # pip itself reports a broken file; for us it says nothing
    if not parser.has_section(section):
        return {}
    return {key.lower().replace("_", "-"): value for key, value in parser.items(section)}
