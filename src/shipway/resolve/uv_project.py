"""The stand-in project that uv locks: one dependency group per target, rendered as text. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shipway.core.platform import machine_name
from shipway.host.indexes import DEFAULT, Index
from shipway.host.location import Location
from shipway.lock.model import Lock, Wheel
from shipway.resolve.wheel_request import WheelRequest

PROJECT = "shipway-resolution"
HELD = "held"
"""The group of packages that are not asked for but pinned to an index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplicitIndex:
    """An index that serves only the packages pinned to it."""

    name: str
    url: str
    flat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UvProject:
    """Everything that decides what uv chooses, but where the indexes are."""

    groups: Mapping[str, tuple[str, ...]]
    """Group -> requirements (PEP 508)."""
    environments: tuple[str, ...]
    """Markers, disjoint."""
    lowest_python: str
    """`3.11`."""
    constraints: tuple[str, ...] = ()
    pins: Mapping[str, str] | None = None
    """Package -> name of an explicit index."""
    explicit: tuple[ExplicitIndex, ...] = ()


def environment_marker(request: WheelRequest) -> str:
    """The marker that is true in the container of `request` and nowhere else."""
    parts = f"sys_platform == 'linux' and platform_machine == '{machine_name(request.platform)}'"
    return f"{python_marker(request)} and {parts} and implementation_name == 'cpython'"


def python_marker(request: WheelRequest) -> str:
    """The marker for the Python of `request`."""
    if request.python.count(".") > 1:
        return f"python_full_version == '{request.python}'"
    major, minor = request.python.split(".")[:2]
    return f"python_full_version >= '{major}.{minor}' and python_full_version < '{major}.{int(minor) + 1}'"


def render_project(project: UvProject) -> str:
    """The text of its `pyproject.toml`."""
    lines = [
        "[project]",
        f"name = {_text(PROJECT)}",
        'version = "0"',
        f"requires-python = {_text('>=' + project.lowest_python)}",
        "",
        "[dependency-groups]",
    ]
    lines += [
        f"{_text(group)} = {_list(requirements)}" for group, requirements in sorted(project.groups.items())
    ]
    lines += [
        "",
        "[tool.uv]",
        "package = false",
        'fork-strategy = "fewest"',
        f"environments = {_list(sorted(set(project.environments)))}",
        f"constraint-dependencies = {_list(project.constraints)}",
        "",
        "[tool.uv.workspace]",
        "members = []",
    ]
    for index in project.explicit:
        lines += [
            "",
            "[[tool.uv.index]]",
            f"name = {_text(index.name)}",
            f"url = {_text(index.url)}",
            "explicit = true",
        ]
        lines += ['format = "flat"'] if index.flat else []
    if project.pins:
        lines += ["", "[tool.uv.sources]"]
        lines += [
            f"{_text(name)} = {{ index = {_text(alias)} }}" for name, alias in sorted(project.pins.items())
        ]
    return "\n".join(lines) + "\n"


def render_settings(default: Location, searched: Sequence[Index]) -> str:
    """The text of a `uv.toml` that says where packages are, and takes the place of every other configuration.

    A page of an index that was read today is not asked for again: locked versions are kept anyway, and asking again for some
    hundred pages is nine tenths of the time. Who wants news makes uv forget them (`uv_run.forget_index_pages`).
    """
    lines: list[str] = []
    for name, url, more in [
        *(
            (index.alias, index.locations[0].url, 'format = "flat"' if index.flat else "")
            for index in searched
        ),
        (DEFAULT, default.url, "default = true"),
    ]:
        lines += ["[[index]]", f"name = {_text(name)}", f"url = {_text(url)}", *([more] if more else [])]
        lines += ['cache-control = { api = "max-age=86400", files = "max-age=31536000" }', ""]
    return "\n".join(lines)


def render_preferences(wheels: Iterable[Wheel], registries: Mapping[str, str], lowest_python: str) -> str:
    """A `uv.lock` from which uv learns which versions to keep; it names too little to pass for a finished one.

    `registries`: index alias -> its address here.
    """
    lines = ["version = 1", f"requires-python = {_text('>=' + lowest_python)}"]
    lines += ["", "[[package]]", f"name = {_text(PROJECT)}", 'version = "0"', 'source = { virtual = "." }']
    for name, version, alias in sorted(
        {(wheel.name, wheel.version, wheel.index) for wheel in wheels if wheel.index}
    ):
        source = f"source = {{ registry = {_text(registries[alias])} }}" if alias in registries else ""
        lines += (
            ["", "[[package]]", f"name = {_text(name)}", f"version = {_text(version)}", source]
            if source
            else []
        )
    return "\n".join(lines) + "\n"


def kept_wheels(
    previous: Lock | None, targets: Sequence[str], upgrade: frozenset[str] | None
) -> tuple[Wheel, ...]:
    """Wheels of `previous` whose versions are kept: all but those of `upgrade`; an empty `upgrade` names every package."""
    if previous is None or upgrade == frozenset():
        return ()
    wanted = {identity for target in previous.targets if target.name in targets for identity in target.wheels}
    renewed = upgrade or frozenset()
    return tuple(wheel for wheel in previous.wheels if wheel.id in wanted and wheel.name not in renewed)


def _text(value: str) -> str:
    return json.dumps(value)  # a JSON string is a TOML basic string


def _list(values: Iterable[str]) -> str:
    return "[" + ", ".join(_text(value) for value in values) + "]"
