"""What a `pyproject.toml` says about dependencies, with lines. Source: PEP 621 (metadata) and PEP 735 (groups)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shipway.spec.model import Origin, Wish
from shipway.spec.requirement import normal_name
from shipway.spec.requirement_lines import wish_of
from shipway.spec.sheet import Findings, Place, Sheet, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """The dependency metadata of one Python project."""

    file: str
    name: str = ""
    """As written; empty without a `[project]` table."""
    requires_python: str = ""
    dependencies: tuple[Wish, ...] = ()
    extras: Mapping[str, tuple[Wish, ...]]
    """By normalised name."""
    groups: Mapping[str, tuple[Wish | str, ...]]
    """By normalised name; a text is the name of an included group."""
    dynamic: tuple[str, ...] = ()
    installable: bool = False
    """It has a `[build-system]`."""


def read_project_file(text: str, file: str, findings: Findings) -> ProjectFile:
    """The metadata in `text`; what is malformed is noted and left out.

    Raises:
        SpecError: `text` is no TOML.
    """
    sheet = Sheet(text, file, findings)
    project = _table(sheet.document.get("project"))
    place = sheet.place("project")
    extras = _table(project.get("optional-dependencies"))
    groups = _table(sheet.document.get("dependency-groups"))
    return ProjectFile(
        file=file,
        name=str(project.get("name", "")),
        requires_python=str(project.get("requires-python", "")),
        dependencies=_wishes(project.get("dependencies", []), place.at("dependencies")),
        extras={
            normal_name(name): _wishes(items, place.at("optional-dependencies", name))
            for name, items in extras.items()
        },
        groups={
            normal_name(name): _group(items, sheet.place("dependency-groups", name))
            for name, items in groups.items()
        },
        dynamic=tuple(str(name) for name in project.get("dynamic", [])),
        installable="build-system" in sheet.document,
    )


def find_group_wishes(project: ProjectFile, name: str, asked: Origin, findings: Findings) -> tuple[Wish, ...]:
    """Requirements of the dependency group `name` and of the groups that it includes; mistakes are noted."""
    return tuple(dict.fromkeys(_expanded(project, name, asked, findings, ())))


def find_extra_wishes(project: ProjectFile, name: str, asked: Origin, findings: Findings) -> tuple[Wish, ...]:
    """Requirements of the extra `name`; an unknown one is noted."""
    wishes = project.extras.get(normal_name(name))
    if wishes is None:
        findings.refuse(asked, f"`{project.file}` has no extra `{name}`", nearest(name, project.extras))
    return wishes or ()


def _expanded(
    project: ProjectFile, name: str, asked: Origin, findings: Findings, path: tuple[str, ...]
) -> Iterable[Wish]:
    normal = normal_name(name)
    if normal in path:
        findings.refuse(asked, f"dependency group `{name}` includes itself: {' -> '.join((*path, normal))}")
        return
    if normal not in project.groups:
        findings.refuse(
            asked, f"`{project.file}` has no dependency group `{name}`", nearest(name, project.groups)
        )
        return
    for item in project.groups[normal]:
        if isinstance(item, Wish):
            yield item
        else:
            yield from _expanded(project, item, asked, findings, (*path, normal))


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _wishes(items: Any, place: Place) -> tuple[Wish, ...]:
    if not isinstance(items, list):
        place.refuse("must be a list of requirements")
        return ()
    return tuple(
        wish for number, item in enumerate(items) if (wish := _wish(item, place.at(number))) is not None
    )


def _wish(item: Any, place: Place) -> Wish | None:
    if not isinstance(item, str):
        place.refuse("must be a requirement as a text")
        return None
    return wish_of(item, place.origin, place.sheet.findings)


def _group(items: Any, place: Place) -> tuple[Wish | str, ...]:
    if not isinstance(items, list):
        place.refuse("must be a list of requirements")
        return ()
    result: list[Wish | str] = []
    for number, item in enumerate(items):
        spot = place.at(number)
        if (
            isinstance(item, dict)
            and set(item) == {"include-group"}
            and isinstance(item["include-group"], str)
        ):
            result.append(item["include-group"])
        elif (wish := _wish(item, spot)) is not None:
            result.append(wish)
    return tuple(result)
