"""Readers of single values: text, number, path, base, command. Each gives the value, or None after noting a mistake."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from shipway.core.errors import ToolError
from shipway.core.image_source import is_image_source, parse_image_source
from shipway.core.units import parse_size
from shipway.spec.bases import NUMBERS, SUITES
from shipway.spec.grammar import find_inside, holds_credentials
from shipway.spec.model import Base
from shipway.spec.requirement_lines import NETRC
from shipway.spec.settings import Setting
from shipway.spec.sheet import Place, nearest

NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?\Z", re.ASCII)
SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/run", "/sbin", "/sys", "/usr", "/var")
"""Folders inside that belong to the system."""
_APT = re.compile(r"[a-z0-9][a-z0-9+.-]+(?:=[A-Za-z0-9][A-Za-z0-9.+~:-]*)?\Z", re.ASCII)
_PYTHON = re.compile(r"3\.\d{1,2}(?:\.\d{1,3})?\Z", re.ASCII)
_BASE = re.compile(
    r"(?P<distribution>[a-z][a-z0-9]*):(?P<suite>[a-z0-9][a-z0-9.-]*)(?:@(?P<date>.+))?\Z", re.ASCII
)
_DATE = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])\Z", re.ASCII)

Reader = Callable[[Any, Place, Setting], Any]


def find_apt_name(text: str) -> str | None:
    """The package name in `NAME` or `NAME=VERSION`; None if `text` is neither."""
    return text.partition("=")[0] if _APT.match(text) else None


def is_typed(value: Any, place: Place, setting: Setting, kinds: type | tuple[type, ...], word: str) -> bool:
    """Whether `value` is of one of `kinds` (`word` to people); notes a mistake if not. True and false are no numbers."""
    if isinstance(value, kinds) and (
        bool in (kinds if isinstance(kinds, tuple) else (kinds,))
        or (value is not True and value is not False)
    ):
        return True
    place.refuse(
        f"must be {word}, and is {type_word(value)}", f"for example `{setting.key} = {setting.example}`"
    )
    return False


def type_word(value: Any) -> str:
    """What people call the type of `value`."""
    words = {
        str: "a text",
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        list: "a list",
        dict: "a table",
    }
    return words.get(type(value), "a date or time")


def read_text(value: Any, place: Place, setting: Setting) -> str | None:
    """A text that is not empty."""
    if not is_typed(value, place, setting, str, "a text"):
        return None
    if not value or "\0" in value:
        place.refuse(
            "must not be empty" if not value else "must not hold a zero byte",
            f"for example `{setting.key} = {setting.example}`",
        )
        return None
    if setting.pattern and not re.fullmatch(setting.pattern, value, re.ASCII):
        place.refuse(
            f"`{value}` has not the form that it needs", f"for example `{setting.key} = {setting.example}`"
        )
        return None
    return str(value)


def read_name(value: Any, place: Place, setting: Setting) -> str | None:
    """The name of a project, target or alias."""
    text = read_text(value, place, setting)
    if text is not None and not NAME.match(text):
        place.refuse(
            f"`{text}` is no name",
            "names hold lower-case letters, digits, `.`, `_` and `-`, at most 63, and start and end with a letter or digit",
        )
        return None
    return text


def read_flag(value: Any, place: Place, setting: Setting) -> bool | None:
    """True or false."""
    return bool(value) if is_typed(value, place, setting, bool, "true or false") else None


def read_whole(value: Any, place: Place, setting: Setting) -> int | None:
    """A whole number within the setting's bounds."""
    if not is_typed(value, place, setting, int, "a whole number"):
        return None
    if value < setting.minimum or (setting.maximum is not None and value > setting.maximum):
        bound = (
            f"between {setting.minimum} and {setting.maximum}"
            if setting.maximum is not None
            else f"at least {setting.minimum}"
        )
        place.refuse(f"must be {bound}, and is {value}", f"for example `{setting.key} = {setting.example}`")
        return None
    return int(value)


def read_number(value: Any, place: Place, setting: Setting) -> float | None:
    """A number above zero."""
    if not is_typed(value, place, setting, (int, float), "a number"):
        return None
    if not 0 < value < 1e6:  # noqa: PLR2004 - refuses nan and inf as well
        place.refuse(
            f"must be more than 0, and is {value}", f"for example `{setting.key} = {setting.example}`"
        )
        return None
    return float(value)


def read_size(value: Any, place: Place, setting: Setting) -> int | None:
    """Bytes, above zero."""
    if not is_typed(value, place, setting, (str, int), "a size"):
        return None
    if setting.unlimited and str(value) == "-1":
        return -1
    try:
        size = parse_size(str(value))
    except ValueError:
        size = 0
    if size <= 0:
        place.refuse(
            f"`{value}` is no size",
            f"for example `{setting.key} = {setting.example}`; units are k, m, g and t",
        )
        return None
    return size


def read_choice(value: Any, place: Place, setting: Setting) -> str | None:
    """One of the setting's choices."""
    text = read_text(value, place, setting)
    if text is not None and text not in setting.choices:
        place.refuse(f"`{text}` is none of its values", nearest(text, setting.choices))
        return None
    return text


def read_base(value: Any, place: Place, setting: Setting) -> Base | None:
    """Distribution, suite and perhaps a date; or an image of others."""
    text = read_text(value, place, setting)
    if text is None:
        return None
    if is_image_source(text):
        return _read_image(text, place)
    match = _BASE.match(text)
    if match is None or match["distribution"] not in SUITES:
        word = text.split(":", maxsplit=1)[0].split("@", maxsplit=1)[0]
        near = nearest(word, SUITES)
        known = f"write an image of a registry with its path or a prefix: `docker://{text}`"
        place.refuse(f"`{text}` is no base", near if near.startswith("did you mean") else known)
        return None
    distribution, suite, date = match["distribution"], match["suite"], match["date"] or ""
    if suite in NUMBERS[distribution]:
        place.refuse(
            f"`{suite}` is not the name of a suite", f"write `{distribution}:{NUMBERS[distribution][suite]}`"
        )
        return None
    if suite not in SUITES[distribution]:
        hint = nearest(suite, SUITES[distribution])
        if hint.startswith("did you mean"):
            place.refuse(f"`{suite}` is no suite of {distribution} that is known", hint)
            return None
    if date and not _DATE.match(date):
        place.refuse(f"`{date}` is no date", "dates are written `YYYY-MM-DD`: `debian:bookworm@2026-07-01`")
        return None
    return Base(distribution=distribution, suite=suite, date=date)


def _read_image(text: str, place: Place) -> Base | None:
    try:
        return Base(image=str(parse_image_source(text)))
    except ToolError as error:
        place.refuse(error.message, next(iter(error.hints), ""))
        return None


def read_python(value: Any, place: Place, setting: Setting) -> str | None:
    """A version of Python 3."""
    if isinstance(value, float):
        place.refuse(
            "must be a text, for as a number 3.10 is 3.1",
            'put it in quotes: `python = "3.12"`',
        )
        return None
    text = read_text(value, place, setting)
    if text is not None and not _PYTHON.match(text):
        place.refuse(
            f"`{text}` is no version of Python", 'for example `python = "3.12"` or `python = "3.12.4"`'
        )
        return None
    return text


def read_workdir(value: Any, place: Place, setting: Setting) -> str | None:
    """An absolute path inside that is no folder of the system."""
    text = read_text(value, place, setting)
    if text is None:
        return None
    clean = text.rstrip("/")
    if not clean.startswith("/") or set(clean[1:].split("/")) & {"", ".", ".."} or not clean.isprintable():
        place.refuse(
            f"`{text}` is no absolute path inside, other than `/`", 'for example `workdir = "/work"`'
        )
        return None
    if any(clean == folder or clean.startswith(folder + "/") for folder in (*SYSTEM, "/opt/venv")):
        place.refuse(
            f"`{text}` belongs to the system", 'choose a folder of its own, such as `workdir = "/work"`'
        )
        return None
    return clean


def read_command(value: Any, place: Place, setting: Setting) -> tuple[str, ...] | None:
    """The arguments of a program: a list as it is, a text as a line for the shell."""
    if isinstance(value, str):
        text = read_text(value, place, setting)
        return None if text is None else ("/bin/sh", "-c", text)
    items = read_items(
        value,
        place,
        setting,
        lambda item, spot, how: is_typed(item, spot, how, str, "a text") and "\0" not in item and item,
    )
    if items is not None and (not items or not items[0]):
        place.refuse("must name a program", f"for example `{setting.key} = {setting.example}`")
        return None
    return items


def read_items(value: Any, place: Place, setting: Setting, reader: Reader) -> tuple[Any, ...] | None:
    """Each item of a list read by `reader`; those that are wrong are noted and left out."""
    if not is_typed(value, place, setting, list, "a list"):
        return None
    results = [reader(item, place.at(number), setting) for number, item in enumerate(value)]
    return tuple(result for result in results if result is not None and result is not False)


def read_url(value: Any, place: Place, setting: Setting) -> str | None:
    """The address of an index, without credentials."""
    text = read_text(value, place, setting)
    if text is None:
        return None
    if holds_credentials(text):
        place.refuse("the address holds a user or password", NETRC)
        return None
    if not re.match(r"https?://[A-Za-z0-9\[]", text) or not text.isprintable() or " " in text:
        place.refuse(
            f"`{text}` is no address of an index",
            "addresses start with `https://`; for a folder use `folder`",
        )
        return None
    return text.rstrip("/")


def read_path(value: Any, place: Place, setting: Setting) -> str | None:
    """A path relative to the project that stays inside."""
    text = read_text(value, place, setting)
    if text is None:
        return None
    path = find_inside(text)
    if path is None:
        place.refuse(
            f"`{text}` is outside the project", "paths are relative to the spec's folder and stay below it"
        )
    return path
