"""Which files a spec needs to be read, so that a verb can read them and hand them in."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from shipway.core.errors import SpecError
from shipway.spec.grammar import find_inside
from shipway.spec.model import Origin
from shipway.spec.parse import PROJECT_FILE, SPEC_FILE, Texts, open_sheet
from shipway.spec.requirement_lines import Reader, find_included
from shipway.spec.sheet import Findings

METADATA_FILES = (PROJECT_FILE, "setup.cfg", "setup.py")
"""Files of a local Python project whose words decide its dependencies."""

PROJECT_METADATA = ("name", "version", "dynamic", "requires-python", "dependencies", "optional-dependencies")
"""Keys of a `[project]` table that decide what is locked."""


def find_spec_file(texts: Texts) -> str | None:
    """Which of `texts` (at least the two that can be one, if they exist) holds the spec, or None.

    Raises:
        SpecError: two of them do, or the `pyproject.toml` is no TOML.
    """
    has_own = texts.get(SPEC_FILE) is not None
    project = texts.get(PROJECT_FILE)
    has_table = project is not None and "shipway" in project and _has_table(project)
    if has_own and has_table:
        hint = f"keep one of them: `{SPEC_FILE}`, or the table in `{PROJECT_FILE}`"
        raise SpecError(
            f"both `{SPEC_FILE}` and `[tool.shipway]` in `{PROJECT_FILE}` hold a spec", hints=[hint]
        )
    return SPEC_FILE if has_own else PROJECT_FILE if has_table else None


def _has_table(text: str) -> bool:
    try:
        open_sheet(text, PROJECT_FILE, Findings())
    except SpecError as error:
        if "no TOML" in error.message:
            raise
        return False
    return True


def find_missing_files(text: str, have: Texts, *, file: str = SPEC_FILE) -> tuple[str, ...]:
    """Names of files to read before the spec in `text` can be parsed, beyond those that `have` holds.

    Requirements files name further ones, so ask again with what was read until nothing is missing. A file that is not there
    goes into `have` as None; `parse_spec` says what is wrong, with the line that names it.

    Raises:
        SpecError: `text` is no TOML or has no spec.
    """
    document, _ = open_sheet(text, file, Findings())
    wanted: dict[str, None] = {PROJECT_FILE: None}
    for table in (document, *_tables(document.get("targets"))):
        for name in (*_texts(table.get("requirements")), *_texts(table.get("constraint-files"))):
            _add_with_included(find_inside(name), have, wanted)
        for item in _list(table.get("projects")):
            _add_metadata(find_inside(str(item.get("path", "") if isinstance(item, dict) else item)), wanted)
    for name in list(wanted):
        content = have.get(name)
        if content is not None and not name.endswith((".toml", ".py", ".cfg")):
            for path in _projects_in(name, content):
                _add_metadata(path, wanted)
    return tuple(name for name in wanted if name not in have)


def _add_with_included(name: str | None, have: Texts, wanted: dict[str, None]) -> None:
    if name is None or name in wanted:
        return
    wanted[name] = None
    text = have.get(name)
    if text is not None and posixpath.basename(name) != PROJECT_FILE:
        for included in find_included(text, name):
            _add_with_included(included, have, wanted)


def _add_metadata(path: str | None, wanted: dict[str, None]) -> None:
    if path is not None:
        wanted.update(dict.fromkeys(find_metadata_names(path)))


def find_metadata_names(path: str) -> tuple[str, ...]:
    """Files of the local project at `path` whose words decide its dependencies."""
    return tuple(name if path == "." else f"{path}/{name}" for name in METADATA_FILES)


def _projects_in(name: str, text: str) -> list[str]:
    reader = Reader({name: text}, Findings())
    reader.read(name, Origin(file=name))
    return [project.path for project in reader.contents.projects]


def _tables(value: Any) -> list[dict[str, Any]]:
    return [item for item in value.values() if isinstance(item, dict)] if isinstance(value, Mapping) else []


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [item for item in _list(value) if isinstance(item, str)]
