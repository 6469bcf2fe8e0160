"""Who asked for what: from the lock's wishes along the packages' requirements."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipway.lock.model import Deb, Lock, TargetLock, Wheel

ESSENTIAL = "every system has it (essential)"
PYTHON = "the interpreter of the Python environment"
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*")
_KINDS = {"apt": "deb", "pip": "wheel"}


class Wished(NamedTuple):
    """The package that one line of a lock's `requested` names."""

    wish: str
    """`pip:jax==0.4.30`."""
    origin: str
    """File, line and key."""
    kind: str
    """`deb`, `wheel`; empty when the line names a project."""
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A wish, or why nobody had to wish, with everything it brings."""

    wish: str
    origin: str
    packages: frozenset[str]
    """Ids in the lock."""


def normalise(name: str) -> str:
    """A Python package's name in its one form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse_requested(line: str) -> Wished:
    """One line of `TargetLock.requested`, taken apart."""
    wish, _, origin = line.rpartition(" < ")
    prefix, _, text = wish.partition(":")
    kind = _KINDS.get(prefix, "")
    match = _REQUIREMENT.match(text)
    name = match[0] if match and kind else text
    return Wished(wish, origin, kind, normalise(name) if kind == "wheel" else name)


def find_causes(lock: Lock, target: TargetLock) -> tuple[Cause, ...]:
    """Every wish of `target` in the spec's order with the packages it leads to, then what nobody asked for."""
    chosen_debs, chosen_wheels = set(target.debs), set(target.wheels)
    debs = {deb.name: deb for deb in lock.debs if deb.id in chosen_debs}
    wheels = {wheel.name: wheel for wheel in lock.wheels if wheel.id in chosen_wheels}
    causes = []
    for line in target.requested:
        asked = parse_requested(line)
        packages: Mapping[str, Deb | Wheel] = debs if asked.kind == "deb" else wheels
        roots = [asked.name] if asked.kind else _built_from(lock, wheels, asked.name)
        causes.append(Cause(wish=asked.wish, origin=asked.origin, packages=_reach(packages, roots)))
    essential = [name for name, deb in debs.items() if deb.essential]
    causes.append(Cause(wish=ESSENTIAL, origin="", packages=_reach(debs, essential)))
    if target.python and target.python.origin == "base":
        roots = [f"python{target.python.version}", "python3"]
        causes.append(Cause(wish=PYTHON, origin="", packages=_reach(debs, roots)))
    return tuple(cause for cause in causes if cause.packages)


def _built_from(lock: Lock, wheels: Mapping[str, Wheel], path: str) -> list[str]:
    """Names of the wheels built from the project's folder `path`."""
    sources = {source.id for source in lock.sources if source.kind == "local" and source.path == path}
    return [wheel.name for wheel in wheels.values() if wheel.source in sources]


def _reach(packages: Mapping[str, Deb | Wheel], roots: list[str]) -> frozenset[str]:
    seen = {name for name in roots if name in packages}
    queue = deque(seen)
    while queue:
        for needed in packages[queue.popleft()].depends:
            if needed in packages and needed not in seen:
                seen.add(needed)
                queue.append(needed)
    return frozenset(packages[name].id for name in seen)
