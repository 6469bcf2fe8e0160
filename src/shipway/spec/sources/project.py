"""`pyproject.toml`: dependencies, extras, groups, the Python it wants. The spec refers to it instead of copying it."""

from __future__ import annotations

from collections.abc import Iterable

from shipway.core.errors import SpecError
from shipway.spec.facts import Fact, FactKind, Source
from shipway.spec.model import Origin
from shipway.spec.project_file import read_project_file
from shipway.spec.sheet import Findings


def _read(name: str, text: str) -> Iterable[Fact]:
    findings = Findings()
    try:
        project = read_project_file(text, name, findings)
    except SpecError as error:
        yield Fact(kind=FactKind.REMARK, text=f"it was not read: {error.message}", origin=Origin(file=name))
        return
    if project.name:
        origin = Origin(file=name, key="project.name")
        yield Fact(kind=FactKind.NAME, text=project.name, origin=origin, why="what the project calls itself")
    if project.installable and (project.name or project.dynamic):
        yield Fact(
            kind=FactKind.PROJECT,
            text=".",
            origin=Origin(file=name, key="build-system"),
            why="it can be built",
        )
    for wish in project.dependencies:
        yield Fact(
            kind=FactKind.REQUIREMENT, text=wish.text, origin=wish.origin, why="a dependency of the project"
        )
    for extra in project.extras:
        key = f"project.optional-dependencies.{extra}"
        yield Fact(kind=FactKind.EXTRA, text=extra, origin=Origin(file=name, key=key))
    for group in project.groups:
        origin = Origin(file=name, key=f"dependency-groups.{group}")
        yield Fact(kind=FactKind.REMARK, text=f'`groups = ["{group}"]` would install it', origin=origin)
    if project.requires_python:
        origin = Origin(file=name, key="project.requires-python")
        yield Fact(
            kind=FactKind.PYTHON_BOUND,
            text=project.requires_python,
            origin=origin,
            why="the project wants it",
        )
    for problem in findings.problems:
        origin = Origin(file=name, line=problem.line, key=problem.key)
        yield Fact(kind=FactKind.REMARK, text=problem.text, origin=origin)


SOURCE = Source(matches=lambda name: name == "pyproject.toml", read=_read)
