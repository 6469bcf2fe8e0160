"""What one key of the spec is: the words of the table in `settings.py`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a value looks like. `readers.py` has one reader for each, `schema.py` one JSON Schema."""

    NAME = "name"
    TEXT = "text"
    FLAG = "true or false"
    WHOLE = "whole number"
    NUMBER = "number"
    SIZE = "size"
    BASE = "base"
    PYTHON = "Python version"
    WORKDIR = "absolute path"
    COMMAND = "command"
    CHOICE = "one of"
    CHOICES = "list of"
    TEXTS = "list of texts"
    NAMES = "list of names"
    PATH = "path"
    PATHS = "list of paths"
    PATTERNS = "list of patterns"
    APT = "list of OS packages"
    PIP = "list of Python requirements"
    PROJECTS = "list of local projects"
    MOUNTS = "list of mounts"
    VARIABLES = "table of variables"
    VARIABLE_NAMES = "list of variable names"
    LABELS = "table of labels"
    URL = "address"
    DROPS = "list of what to drop"


class Where(StrEnum):
    """The table that a key stands in."""

    TOP = ""
    """Top of the spec only."""
    SHARED = "shared"
    """Top of the spec and every `[targets.NAME]`."""
    TARGET = "targets.NAME"
    FILES = "files"
    RUN = "run"
    BUILD = "build"
    PUSH = "push"
    PROJECT = "projects"
    DATA = "data.NAME"
    INDEX = "indexes.ALIAS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key."""

    key: str
    kind: Kind
    where: Where
    help: str
    example: str
    """A TOML value."""
    default: str = ""
    """What leaving it out means, in words or as a TOML value."""
    required: bool = False
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int | None = None
    pattern: str = ""
    """Of a text: what all of it has to match."""
    unlimited: bool = False
    """Of a size: -1 means that there is no limit."""


def setting(where: Where, key: str, kind: Kind, help: str, example: str, **more: object) -> Setting:  # noqa: A002
    """One line of a table."""
    return Setting(where=where, key=key, kind=kind, help=help, example=example, **more)  # type: ignore[arg-type]
