"""What a folder's files say, as values: each with its place and its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shipway.spec.model import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A project folder as far as inference cares."""

    names: tuple[str, ...]
    """Every file, relative, `/`-separated."""
    texts: Mapping[str, str]
    """Texts of those that `wanted_files` names and that could be read."""


class FactKind(StrEnum):
    """What a fact is about."""

    NAME = "name"
    """What the project calls itself."""
    PYTHON = "python"
    """A version, as far as the file tells it."""
    PYTHON_BOUND = "python bound"
    """A specifier such as `>=3.10`."""
    APT = "apt"
    REQUIREMENT = "requirement"
    """A requirement in a file that lists them."""
    UNREADABLE = "unreadable"
    """A line of such a file that cannot be used, with the reason."""
    PINNED = "pinned"
    """`name==version` out of a lock of another tool."""
    IMPORT = "import"
    """A dotted module name that code imports."""
    INSTALL = "install"
    """A requirement that a notebook installs by a command."""
    PROJECT = "project"
    """The folder is a Python project that can be built and installed."""
    EXTRA = "extra"
    """A set of optional requirements that the project names."""
    REMARK = "remark"
    """Worth saying; changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that one line of one file says."""

    kind: FactKind
    text: str
    origin: Origin = field(compare=False)
    why: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A kind of file that inference reads."""

    matches: Callable[[str], bool]
    """Whether a relative path is one of its files."""
    read: Callable[[str, str], Iterable[Fact]]
    """Path and text -> facts; never raises for odd content, but says so as a remark."""


def split_place(name: str) -> tuple[str, str]:
    """Folder and file name of a relative path."""
    folder, _, base = name.rpartition("/")
    return folder, base


PLACES = ("", "binder", ".binder", "build", "requirements", "docker", "env", "envs", "deps")
"""Folders that files about dependencies are looked for in."""
