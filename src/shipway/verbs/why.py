"""`why NAME`: who asked for a package, how large it is, and in which layer. Pure over a lock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import NotFound
from shipway.core.text import shown
from shipway.plan.causes import ESSENTIAL, PYTHON, normalise, parse_requested

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shipway.lock.model import Deb, Lock, TargetLock, Wheel
    from shipway.store.store import Store
    from shipway.verbs.context import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One step of a chain."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One way from a wish to the package."""

    wish: str
    """What somebody asked for, `pip:jax==0.4.30`; or why nobody had to."""
    origin: str
    """File, line and key of the wish; empty when nobody asked."""
    chain: tuple[Link, ...]
    """From the package that was asked for to the one in question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyPackage:
    """Everything about one locked package of one target."""

    kind: str
    """`deb` or `wheel`."""
    name: str
    version: str
    target: str
    platform: str
    size: int
    """Bytes of the artifact."""
    sha256: str
    layer: str
    layer_reason: str
    reasons: tuple[Reason, ...]
    """The shortest chain from each wish that leads here."""
    needs: tuple[str, ...]
    """Names of the packages it requires itself."""


def find_reasons(lock: Lock, target: TargetLock, name: str) -> tuple[WhyPackage, ...]:
    """Every package of `target` called `name`, with the chains that lead to it.

    Raises:
        NotFound: there is none.
    """
    debs = _by_name([deb for deb in lock.debs if deb.id in set(target.debs)])
    wheels = _by_name([wheel for wheel in lock.wheels if wheel.id in set(target.wheels)])
    found = []
    for kind, packages, wanted in (("deb", debs, name), ("wheel", wheels, normalise(name))):
        package = packages.get(wanted)
        if package is not None:
            found.append(_why(kind, package, packages, target))
    if not found:
        import difflib

        near = difflib.get_close_matches(name, [*debs, *wheels], 3, 0.6)
        hints = [f"did you mean {' or '.join(f'`{one}`' for one in near)}?"] if near else []
        raise NotFound(
            f"target `{target.name}` holds no package `{shown(name)}`",
            hints=[*hints, "`shipway inspect` lists every package"],
        )
    return tuple(found)


def _by_name(packages: Sequence[Deb | Wheel]) -> dict[str, Deb | Wheel]:
    return {package.name: package for package in packages}


def _why(
    kind: str, package: Deb | Wheel, packages: Mapping[str, Deb | Wheel], target: TargetLock
) -> WhyPackage:
    layer = next((layer for layer in target.layers if package.id in layer.members), None)
    return WhyPackage(
        kind=kind,
        name=package.name,
        version=package.version,
        target=target.name,
        platform=target.platform,
        size=package.size,
        sha256=package.sha256,
        layer=layer.name if layer else "",
        layer_reason=layer.reason if layer else "",
        reasons=tuple(_reasons(kind, package, packages, target)),
        needs=tuple(sorted(package.depends)),
    )


def _reasons(
    kind: str, package: Deb | Wheel, packages: Mapping[str, Deb | Wheel], target: TargetLock
) -> list[Reason]:
    found = []
    for asked in map(parse_requested, target.requested):
        chain = find_chain(packages, asked.name, package.name) if asked.kind == kind else None
        if chain:
            found.append(Reason(wish=asked.wish, origin=asked.origin, chain=_links(chain, packages)))
    if not found and kind == "deb":
        found += _unasked(package, packages, target)
    return found


def _unasked(package: Deb | Wheel, packages: Mapping[str, Deb | Wheel], target: TargetLock) -> list[Reason]:
    """Chains from packages that nobody has to ask for."""
    essential = [name for name, one in packages.items() if getattr(one, "essential", False)]
    roots = [(name, ESSENTIAL) for name in essential]
    if target.python and target.python.origin == "base":
        roots += [(f"python{target.python.version}", PYTHON), ("python3", PYTHON)]
    chains = [(chain, why) for name, why in roots if (chain := find_chain(packages, name, package.name))]
    if not chains:
        return []
    chain, why = min(chains, key=lambda pair: (len(pair[0]), pair[0]))
    return [Reason(wish=why, origin="", chain=_links(chain, packages))]


def find_chain(packages: Mapping[str, Deb | Wheel], start: str, end: str) -> list[str] | None:
    """The shortest way from `start` to `end` along requirements, both included."""
    if start not in packages:
        return None
    came: dict[str, str] = {start: ""}
    queue = deque([start])
    while queue:
        name = queue.popleft()
        if name == end:
            chain = [name]
            while came[chain[-1]]:
                chain.append(came[chain[-1]])
            return chain[::-1]
        for needed in sorted(packages[name].depends):
            if needed in packages and needed not in came:
                came[needed] = name
                queue.append(needed)
    return None


def _links(chain: list[str], packages: Mapping[str, Deb | Wheel]) -> tuple[Link, ...]:
    return tuple(Link(name=name, version=packages[name].version) for name in chain)


def run_why(name: str, task: Task) -> tuple[WhyPackage, ...]:
    """Look `name` up in the project's lock.

    Raises:
        LockStale: there is no lock.
        NotFound: the target holds no such package.
    """
    from shipway.store.store import Store
    from shipway.verbs.context import LockMode, host_platform
    from shipway.verbs.locking import ensure_lock
    from shipway.verbs.project import read_project, require_locked, require_target

    project = read_project(task.directory, task.emit)
    target = require_target(project.spec, task.target).name
    store = Store.open(emit=task.emit)
    lock, _ = ensure_lock(project, task._replace(mode=LockMode.FROZEN), store)
    locked = require_locked(lock, target, task.platform or host_platform())
    try:
        return find_reasons(lock, locked, name)
    except NotFound:
        found = _in_base(lock, locked, name, store)
        if not found:
            raise
        return found


def _in_base(lock: Lock, target: TargetLock, name: str, store: Store) -> tuple[WhyPackage, ...]:
    """What of that name the base image brings, as far as its layers are here to be looked into."""
    from shipway.verbs.bases import is_at_hand, read_base

    base = lock.base_of(target)
    if base is None or not is_at_hand(base, store):
        return ()
    facts = read_base(base, store)
    debs = [("deb", one, version) for one, version, _ in facts.debs if one == name]
    wheels = [
        ("wheel", one, version)
        for python in facts.pythons
        for one, version in python.packages
        if one == normalise(name)
    ]
    return tuple(
        WhyPackage(
            kind=kind,
            name=one,
            version=version,
            target=target.name,
            platform=target.platform,
            size=0,
            sha256="",
            layer="base",
            layer_reason=f"of the base `{base.name}`",
            reasons=(Reason(wish=f"base:{base.name}", origin="", chain=()),),
            needs=(),
        )
        for kind, one, version in dict.fromkeys([*debs, *wheels])
    )
