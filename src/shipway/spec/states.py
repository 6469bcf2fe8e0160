"""How parts combine: what a target inherits, drops and adds. Lists extend, tables merge, single values override."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from shipway.spec.grammar import find_inside
from shipway.spec.model import BuildCommand, DataSource, LocalProject, MountRule, Wish
from shipway.spec.requirement import normal_name, parse_requirement
from shipway.spec.sheet import Place, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything that a target can inherit, with files and groups already read."""

    apt: tuple[Wish, ...] = ()
    pip: tuple[Wish, ...] = ()
    constraints: tuple[Wish, ...] = ()
    projects: tuple[LocalProject, ...] = ()
    extras: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    mounts: tuple[MountRule, ...] = ()
    ports: tuple[str, ...] = ()
    ulimits: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    pass_env: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    build: tuple[BuildCommand, ...] = ()
    data: dict[str, DataSource] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    run_env: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    single: dict[str, Any] = field(default_factory=dict)
    """Single values by dotted key."""


LISTS = (
    "apt",
    "pip",
    "constraints",
    "projects",
    "extras",
    "include",
    "ignore",
    "mounts",
    "ports",
    "ulimits",
    "tmpfs",
    "pass_env",
    "secrets",
    "build",
)
TABLES = ("data", "env", "run_env", "labels", "single")


def extend(inherited: State, own: State) -> State:
    """`inherited` with `own` on top; what is in both lists stands once, at its first place."""
    changes: dict[str, Any] = {}
    for name in LISTS:
        changes[name] = tuple(dict.fromkeys((*getattr(inherited, name), *getattr(own, name))))
    for name in TABLES:
        changes[name] = {**getattr(inherited, name), **getattr(own, name)}
    return replace(inherited, **changes)


def drop(state: State, drops: Iterable[str], place: Place) -> State:
    """`state` without what `drops` name (`pip:jaxlib`); a name that drops nothing is noted as a mistake."""
    for number, text in enumerate(drops):
        kind, _, name = text.partition(":")
        attribute = {"pass-env": "pass_env", "run-env": "run_env"}.get(kind, kind)
        before = getattr(state, attribute)
        names = (
            list(before)
            if isinstance(before, dict)
            else [_name_of(kind, it, at) for at, it in enumerate(before, 1)]
        )
        wanted = _wanted(kind, name)
        if wanted not in names:
            place.at(number).refuse(f"`{text}` drops nothing: it is not inherited", nearest(wanted, names))
            continue
        after: Any
        if isinstance(before, dict):
            after = {key: value for key, value in before.items() if key != wanted}
        else:
            after = tuple(it for it, its_name in zip(before, names, strict=True) if its_name != wanted)
        state = replace(state, **{attribute: after})
    return state


def _wanted(kind: str, name: str) -> str:
    if kind in ("pip", "constraints"):
        return normal_name(name.strip())
    if kind == "projects":
        return find_inside(name) or name
    return name.strip()


def _name_of(kind: str, item: Any, position: int) -> str:
    if kind in ("pip", "constraints"):
        return parse_requirement(item.text).name
    if kind == "apt":
        return str(item.text).partition("=")[0]
    if kind == "projects":
        return str(item.path)
    if kind == "mounts":
        return str(item.target)
    return str(position) if kind == "build" else str(item)
