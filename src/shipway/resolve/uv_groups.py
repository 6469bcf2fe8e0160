"""Requests -> the stand-in project: one group each, with every requirement bound to its own environment. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from shipway.core.errors import SpecError
from shipway.core.text import shown
from shipway.host.indexes import IndexTable
from shipway.resolve.uv_project import (
    HELD,
    ExplicitIndex,
    UvProject,
    environment_marker,
)
from shipway.resolve.wheel_request import WheelRequest
from shipway.spec.model import IndexSource, Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Additions:
    """What we add to the user's wishes."""

    replaced: Mapping[str, str] = field(default_factory=dict)
    """Wish text -> the requirement that stands for it (`app==1.0` for a git address), bound to the folder of built wheels."""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Target -> more requirements: the projects of the spec."""
    pinned: frozenset[str] = frozenset()
    """Names that come from the folder of built wheels and nowhere else."""
    constraints: tuple[str, ...] = ()
    folder: str = ""
    """Of built wheels."""


def group_names(requests: Sequence[WheelRequest]) -> dict[str, WheelRequest]:
    """`t0`, `t1`, …: the group of each request."""
    return {f"t{number}": request for number, request in enumerate(requests)}


def make_project(
    groups: Mapping[str, WheelRequest], table: IndexTable, additions: Additions, lowest_python: str
) -> UvProject:
    """The project that uv locks.

    Raises:
        SpecError: a wish is no requirement.
        NotFound: the spec names an index that this host does not know.
    """
    markers = {name: environment_marker(request) for name, request in groups.items()}
    bound = len(set(markers.values())) > 1
    lines = {}
    for name, request in groups.items():
        wanted = [additions.replaced.get(wish.text, "") or _checked(wish) for wish in request.wishes]
        wanted += additions.extra.get(request.target, ())
        lines[name] = tuple(_bind(text, markers[name] if bound else "") for text in dict.fromkeys(wanted))
    pins, explicit, held = _pins(groups, table, additions, lines)
    if held:
        lines[HELD] = tuple(held)
    constraints = dict.fromkeys(
        _bind(_checked(wish), markers[name] if bound else "")
        for name, request in groups.items()
        for wish in request.constraints
    )
    return UvProject(
        groups=lines,
        environments=tuple(markers.values()),
        lowest_python=lowest_python,
        constraints=(*constraints, *additions.constraints),
        pins=pins,
        explicit=tuple(explicit),
    )


def parse_wish(wish: Wish) -> Requirement:
    """The requirement that `wish` says.

    Raises:
        SpecError: it is none, or names a place by an address that a lock cannot hold.
    """
    try:
        return Requirement(wish.text)
    except InvalidRequirement as error:
        raise SpecError(
            f"`{shown(wish.text)}` in {wish.origin} is no Python requirement: {str(error).splitlines()[0]}",
            hints=["write it as `name`, `name[extra]>=1.2` or `name @ git+https://…`"],
        ) from error


def _checked(wish: Wish) -> str:
    requirement = parse_wish(wish)
    if requirement.url:
        raise SpecError(
            f"`{shown(wish.text)}` in {wish.origin} names a file by its address, which a lock must not hold",
            hints=[
                f"write `{requirement.name}==VERSION` and name the index it is in under `[indexes]`",
                'or put the wheel into a folder of the project and name that: `[indexes.NAME] folder = "wheels"`',
            ],
        )
    return str(requirement)


def _bind(text: str, marker: str) -> str:
    if not marker:
        return text
    requirement = Requirement(text)
    requirement.marker = Marker(f"({requirement.marker}) and ({marker})" if requirement.marker else marker)
    return str(requirement)


def index_sources(requests: Sequence[WheelRequest]) -> dict[str, IndexSource]:
    """Every index that the spec names, by alias, in its order."""
    return {source.alias: source for request in requests for source in request.indexes}


def _pins(
    groups: Mapping[str, WheelRequest],
    table: IndexTable,
    additions: Additions,
    lines: Mapping[str, tuple[str, ...]],
) -> tuple[dict[str, str], list[ExplicitIndex], list[str]]:
    """Package -> index, the indexes that serve only such packages, and pinned packages that nobody asks for directly."""
    pins: dict[str, str] = {}
    explicit: list[ExplicitIndex] = []
    for alias, source in index_sources(list(groups.values())).items():
        if source.packages:
            index = table.require(alias)
            explicit.append(ExplicitIndex(name=alias, url=index.locations[0].url, flat=index.flat))
            for package in source.packages:
                pins.setdefault(canonicalize_name(package), alias)
    if additions.pinned:
        explicit.append(ExplicitIndex(name="shipway-built", url=additions.folder, flat=True))
        pins.update(dict.fromkeys(additions.pinned, "shipway-built"))
    direct = {canonicalize_name(Requirement(text).name) for texts in lines.values() for text in texts}
    return pins, explicit, sorted(set(pins) - direct)
