"""Readers of lists and tables, and the table of all readers by kind of value."""

from __future__ import annotations

import re
from typing import Any

from shipway.core.ignore import IgnoreRules
from shipway.core.labels import find_label_fault
from shipway.core.secrets import looks_secret
from shipway.spec.grammar import MISNAMED
from shipway.spec.model import MountRule, Wish
from shipway.spec.requirement_lines import wish_of
from shipway.spec.settings import Kind, Setting
from shipway.spec.sheet import Place, nearest
from shipway.spec.single import (
    SYSTEM,
    Reader,
    find_apt_name,
    is_typed,
    read_base,
    read_choice,
    read_command,
    read_flag,
    read_items,
    read_name,
    read_number,
    read_path,
    read_python,
    read_size,
    read_text,
    read_url,
    read_whole,
    read_workdir,
    type_word,
)

_ITEM_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)
_DROP = re.compile(r"(?P<kind>[a-z-]+):(?P<name>.+)\Z")
DROPS = (
    *("apt", "pip", "constraints", "projects", "extras", "env", "labels", "include", "ignore"),
    *("mounts", "ports", "ulimits", "tmpfs", "run-env", "pass-env", "secrets", "data", "build"),
)
"""What `without` can drop, before the colon."""


def read(value: Any, place: Place, setting: Setting) -> Any:
    """The spec value that `value` says, or None after noting what is wrong with it."""
    return READERS[setting.kind](value, place, setting)


def _list_of(reader: Reader) -> Reader:
    def read_each(value: Any, place: Place, setting: Setting) -> tuple[Any, ...] | None:
        items = read_items(value, place, setting, reader)
        return None if items is None else tuple(dict.fromkeys(items))

    return read_each


def _item_name(value: Any, place: Place, setting: Setting) -> str | None:
    text = read_text(value, place, setting)
    if text is not None and not _ITEM_NAME.match(text):
        place.refuse(f"`{text}` is no name", f"for example `{setting.key} = {setting.example}`")
        return None
    return text


def _pattern(value: Any, place: Place, setting: Setting) -> str | None:
    text = read_text(value, place, setting)
    if text is None:
        return None
    try:
        IgnoreRules([text])
    except ValueError as error:
        place.refuse(str(error), f"for example `{setting.key} = {setting.example}`")
        return None
    return text


def _apt(value: Any, place: Place, setting: Setting) -> Wish | None:
    text = read_text(value, place, setting)
    if text is None:
        return None
    if find_apt_name(text) is None:
        hint = (
            "one package an item"
            if " " in text
            else "names hold lower-case letters, digits, `+`, `.` and `-`; `NAME=VERSION` asks for one version"
        )
        place.refuse(f"`{text}` is no name of an OS package", hint)
        return None
    return Wish(text=text, origin=place.origin)


def _pip(value: Any, place: Place, setting: Setting) -> Wish | None:
    text = read_text(value, place, setting)
    if text is None:
        return None
    if text.startswith(("-r", "-c", "-e", "--", "./", ".[")) or text == ".":
        place.refuse(
            f"`{text}` is a line of a requirements file",
            "files go to `requirements`, local folders to `projects`, indexes to `[indexes.ALIAS]`",
        )
        return None
    return wish_of(text, place.origin, place.sheet.findings)


def _mount(value: Any, place: Place, setting: Setting) -> MountRule | None:
    text = read_text(value, place, setting)
    if text is None:
        return None
    parts = text.split(":")
    mode = parts.pop() if parts[-1] in ("ro", "rw") and len(parts) > 2 else "rw"  # noqa: PLR2004
    if len(parts) != 2 or not parts[0] or not parts[1].startswith("/") or ".." in parts[1].split("/"):  # noqa: PLR2004
        place.refuse(
            f"`{text}` is no mount",
            "mounts are `SOURCE:TARGET` or `SOURCE:TARGET:ro`, where TARGET is an absolute path inside",
        )
        return None
    target = "/" + "/".join(part for part in parts[1].split("/") if part not in ("", "."))
    if target == "/" or target in SYSTEM:
        place.refuse(f"`{target}` belongs to the system", "choose a folder of its own, such as `/data`")
        return None
    return MountRule(source=parts[0], target=target, read_only=mode == "ro")


def _variables(value: Any, place: Place, setting: Setting) -> dict[str, str] | None:
    if not is_typed(value, place, setting, dict, "a table"):
        return None
    result = {}
    for name, content in value.items():
        spot = place.at(name)
        if not _VARIABLE.match(name):
            spot.refuse(
                "is no name of a variable",
                "names hold letters, digits and `_`, and do not start with a digit",
            )
        elif not isinstance(content, str | int | float) or isinstance(content, bool):
            spot.refuse(f"must be a text, and is {type_word(content)}", f'for example `{name} = "1"`')
        elif "\0" in str(content):
            spot.refuse("must not hold a zero byte")
        else:
            result[name] = str(content)
            if name in MISNAMED:
                spot.warn(f"no program reads this variable; the one that is read is `{MISNAMED[name]}`")
            if looks_secret(name, str(content)):
                spot.warn(
                    "looks like a secret, and whoever has this file or the image can read it; "
                    "name it in `run.secrets` instead"
                )
    return result


def _variable_name(value: Any, place: Place, setting: Setting) -> str | None:
    text = read_text(value, place, setting)
    if text is not None and not _VARIABLE.match(text):
        hint = (
            "write the name only; its value is taken from your environment"
            if "=" in text
            else "names hold letters, digits and `_`"
        )
        place.refuse(
            f"`{text.split(chr(61))[0]}…` is no name of a variable"
            if "=" in text
            else f"`{text}` is no name of a variable",
            hint,
        )
        return None
    return text


def _labels(value: Any, place: Place, setting: Setting) -> dict[str, str] | None:
    if not is_typed(value, place, setting, dict, "a table"):
        return None
    result = {}
    for name, content in value.items():
        spot = place.at(name)
        if not isinstance(content, str):
            spot.refuse(f"must be a text, and is {type_word(content)}", f'for example `"{name}" = "1"`')
        elif fault := find_label_fault(name, content):
            spot.refuse(*fault)
        else:
            result[name] = content
    return result


def _variable_names(value: Any, place: Place, setting: Setting) -> tuple[str, ...] | None:
    items = read_items(value, place, setting, _variable_name)
    for name in sorted({name for name in items or () if (items or ()).count(name) > 1}):
        place.refuse(f"`{name}` is named twice", "leave one of them out")
    return items


def _drop(value: Any, place: Place, setting: Setting) -> str | None:
    text = read_text(value, place, setting)
    if text is None:
        return None
    match = _DROP.match(text)
    if match is None or match["kind"] not in DROPS:
        kind = text.split(":", maxsplit=1)[0]
        place.refuse(
            f"`{text}` does not say what to drop",
            nearest(kind, [f"{it}:" for it in DROPS])
            if ":" in text
            else f"for example `pip:{text}` or `apt:{text}`",
        )
        return None
    return text


def _projects(value: Any, place: Place, setting: Setting) -> tuple[Any, ...] | None:
    """Raw items; `tables.py` reads them, for they may be tables."""
    return tuple(value) if is_typed(value, place, setting, list, "a list") else None


READERS: dict[Kind, Reader] = {
    Kind.NAME: read_name,
    Kind.TEXT: read_text,
    Kind.FLAG: read_flag,
    Kind.WHOLE: read_whole,
    Kind.NUMBER: read_number,
    Kind.SIZE: read_size,
    Kind.BASE: read_base,
    Kind.PYTHON: read_python,
    Kind.WORKDIR: read_workdir,
    Kind.COMMAND: read_command,
    Kind.CHOICE: read_choice,
    Kind.CHOICES: _list_of(read_choice),
    Kind.TEXTS: _list_of(read_text),
    Kind.NAMES: _list_of(_item_name),
    Kind.PATH: read_path,
    Kind.PATHS: _list_of(read_path),
    Kind.PATTERNS: _list_of(_pattern),
    Kind.APT: _list_of(_apt),
    Kind.PIP: _list_of(_pip),
    Kind.PROJECTS: _projects,
    Kind.MOUNTS: _list_of(_mount),
    Kind.VARIABLES: _variables,
    Kind.LABELS: _labels,
    Kind.VARIABLE_NAMES: _variable_names,
    Kind.URL: read_url,
    Kind.DROPS: _list_of(_drop),
}
