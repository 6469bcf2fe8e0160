"""What a source tree says about its own building: PEP 518 and PEP 621, read as text, never executed. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from packaging.utils import canonicalize_name

from shipway.core.errors import BuildError
from shipway.core.text import shown
from shipway.sources.values import SourceFile

_DEFAULT = ("setuptools>=40.8.0",)
"""What PEP 517 says a tree without `[build-system]` means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSystem:
    """How to build, and what is known without building."""

    requires: tuple[str, ...]
    name: str = ""
    """Normalised; empty where only the build can tell."""
    version: str = ""
    backend: str = "setuptools.build_meta:__legacy__"
    backend_path: tuple[str, ...] = ()
    """Folders of the tree that the backend itself lies in."""


def read_build_system(files: Iterable[SourceFile], subdirectory: str, label: str) -> BuildSystem:
    """What `pyproject.toml` of the tree says.

    Raises:
        BuildError: there is nothing to build, or the file is no TOML.
    """
    prefix = f"{subdirectory}/" if subdirectory else ""
    by_path = {file.path: file.data for file in files}
    text = by_path.get(prefix + "pyproject.toml")
    if text is None:
        if prefix + "setup.py" in by_path or prefix + "setup.cfg" in by_path:
            return BuildSystem(requires=_DEFAULT)
        raise BuildError(
            f"{label} has neither `pyproject.toml` nor `setup.py`",
            hints=["name the folder that has one: `#subdirectory=…`, or `path` of the project"],
        )
    try:
        table = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BuildError(
            f"`pyproject.toml` of {label} is broken: {shown(str(error))}", hints=["correct it"]
        ) from error
    build, project = _table(table, "build-system"), _table(table, "project")
    requires = build.get("requires")
    listed = tuple(map(str, requires)) if isinstance(requires, list) else _DEFAULT
    backend, paths = build.get("build-backend"), build.get("backend-path")
    name, version = project.get("name"), project.get("version")
    return BuildSystem(
        requires=listed,
        name=canonicalize_name(name) if isinstance(name, str) else "",
        version=version if isinstance(version, str) else "",
        backend=backend if isinstance(backend, str) else "setuptools.build_meta:__legacy__",
        backend_path=tuple(map(str, paths)) if isinstance(paths, list) else (),
    )


def _table(table: dict[str, Any], key: str) -> dict[str, Any]:
    value = table.get(key)
    return value if isinstance(value, dict) else {}
