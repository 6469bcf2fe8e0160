"""uv's lock file as values, and which of its packages one target needs. Pure.

The format: uv 0.13, `uv.lock` version 1. Only what we use is read; an unknown version is refused.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.markers import Marker

from shipway.core.errors import ToolError
from shipway.core.platform import machine_name
from shipway.resolve.wheel_request import WheelRequest

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class UvFile:
    """A wheel or sdist that uv saw in an index."""

    filename: str
    sha256: str = ""
    """Hex; empty where the index does not say."""
    size: int = 0
    """0 where the index does not say."""
    place: str = field(default="", compare=False)
    """URL or path. For use now, never for the lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UvDependency:
    """One edge."""

    name: str
    version: str = ""
    """Only where a name has several versions in the file."""
    extras: tuple[str, ...] = ()
    marker: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UvPackage:
    """One package at one version."""

    name: str
    version: str
    registry: str = ""
    """The address of its index, or the path of its folder."""
    wheels: tuple[UvFile, ...] = ()
    sdist: UvFile | None = None
    dependencies: tuple[UvDependency, ...] = ()
    optional: Mapping[str, tuple[UvDependency, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UvLock:
    """All packages, and the groups of our stand-in project."""

    packages: tuple[UvPackage, ...]
    groups: Mapping[str, tuple[UvDependency, ...]]


def parse_uv_lock(text: str) -> UvLock:
    """The values of `text`.

    Raises:
        ToolError: a version of the format that we do not know.
    """
    table = tomllib.loads(text)
    if table.get("version") != _VERSION:
        raise ToolError(
            f"uv wrote a lock of format {table.get('version')}, known is {_VERSION}",
            hints=["install the uv that this shipway asks for: `pip install --upgrade shipway`"],
        )
    groups: dict[str, tuple[UvDependency, ...]] = {}
    packages = []
    for entry in table.get("package", []):
        if "virtual" in entry.get("source", {}):
            groups = {name: _edges(edges) for name, edges in entry.get("dev-dependencies", {}).items()}
        else:
            packages.append(_package(entry))
    return UvLock(packages=tuple(packages), groups=groups)


def _package(entry: Mapping[str, Any]) -> UvPackage:
    return UvPackage(
        name=entry["name"],
        version=entry.get("version", ""),
        registry=entry.get("source", {}).get("registry", ""),
        wheels=tuple(_file(wheel) for wheel in entry.get("wheels", ())),
        sdist=_file(entry["sdist"]) if "sdist" in entry else None,
        dependencies=_edges(entry.get("dependencies", ())),
        optional={extra: _edges(edges) for extra, edges in entry.get("optional-dependencies", {}).items()},
    )


def _file(entry: Mapping[str, Any]) -> UvFile:
    place = entry.get("url") or entry.get("path", "")
    path = unquote(urlsplit(place).path) if "url" in entry else place
    algorithm, _, value = entry.get("hash", "").partition(":")
    return UvFile(
        filename=path.rpartition("/")[2],
        sha256=value if algorithm == "sha256" else "",
        size=entry.get("size", 0),
        place=place,
    )


def _edges(entries: Any) -> tuple[UvDependency, ...]:
    return tuple(
        UvDependency(
            name=entry["name"],
            version=entry.get("version", ""),
            extras=tuple(entry.get("extra", ())),
            marker=entry.get("marker", ""),
        )
        for entry in entries
    )


def marker_environment(request: WheelRequest) -> dict[str, str]:
    """What PEP 508 markers see in the container of `request`."""
    full = request.python if request.python.count(".") > 1 else f"{request.python}.0"
    return {
        "implementation_name": "cpython",
        "implementation_version": full,
        "os_name": "posix",
        "platform_machine": machine_name(request.platform),
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": full,
        "python_version": request.minor,
        "sys_platform": "linux",
        "extra": "",
    }


def packages_of(lock: UvLock, group: str, request: WheelRequest) -> tuple[UvPackage, ...]:
    """What has to be installed for `group` on the target of `request`, sorted by name.

    Raises:
        ToolError: the file names a package that it does not have.
    """
    environment = marker_environment(request)
    by_name: dict[str, list[UvPackage]] = {}
    for package in lock.packages:
        by_name.setdefault(package.name, []).append(package)
    found: dict[str, UvPackage] = {}
    seen: set[tuple[str, str]] = set()
    waiting = list(lock.groups.get(group, ()))
    while waiting:
        edge = waiting.pop()
        if edge.marker and not Marker(edge.marker).evaluate(environment):
            continue
        package = found[edge.name] = _resolve_edge(edge, by_name)
        for extra in ("", *edge.extras):
            if (edge.name, extra) not in seen:
                seen.add((edge.name, extra))
                waiting += package.optional.get(extra, ()) if extra else package.dependencies
    return tuple(found[name] for name in sorted(found))


def _resolve_edge(edge: UvDependency, by_name: Mapping[str, list[UvPackage]]) -> UvPackage:
    fitting = [p for p in by_name.get(edge.name, ()) if not edge.version or p.version == edge.version]
    if len(fitting) != 1:
        raise ToolError(
            f"uv's lock has {len(fitting)} packages for `{edge.name} {edge.version}`",
            hints=["report this, with the spec"],
        )
    return fitting[0]
