"""What a resolution must leave as it is locked: the hard form of what preferences only wish for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shipway.lock.model import Lock, Wheel
from shipway.resolve.debs import DebResolution
from shipway.resolve.uv_project import environment_marker
from shipway.resolve.wheel_request import WheelRequest

_OWN = ("local:", "git:")
"""Sources whose version follows from files and commits, not from what was chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What stays as the previous lock has it."""

    free: frozenset[str] = frozenset()
    """Normalised names of Python packages that may move."""
    debs: bool = False
    """The OS packages are taken over without asking any archive: nothing that they follow from has changed."""


def held_debs(previous: Lock, wanted: Iterable[tuple[str, str]]) -> DebResolution | None:
    """The OS packages of every (target, platform) as locked; None when one of them is in no lock."""
    locked = {(target.name, target.platform): target for target in previous.targets}
    keys = list(wanted)
    if any(key not in locked for key in keys):
        return None
    targets = {key: locked[key].debs for key in keys}
    used = {identity for debs in targets.values() for identity in debs}
    return DebResolution(
        archives=previous.archives,
        debs=tuple(deb for deb in previous.debs if deb.id in used),
        targets=targets,
    )


def held_constraints(
    previous: Lock, groups: Mapping[str, WheelRequest], free: frozenset[str]
) -> tuple[str, ...]:
    """Bounds (PEP 508) that let no locked Python package of `groups` move, but for those in `free`.

    A package that the targets have in several versions is bound only where they are asked one by one.
    """
    markers = {name: environment_marker(request) for name, request in groups.items()}
    versions: dict[tuple[str, str], set[str]] = {}
    for group, request in groups.items():
        for wheel in locked_wheels(previous, request.target, request.platform):
            if wheel.name not in free and not wheel.source.startswith(_OWN):
                versions.setdefault((wheel.name, markers[group]), set()).add(wheel.version)
    several = len(set(markers.values())) > 1
    return tuple(
        f"{name}=={min(found)}" + (f" ; {marker}" if several else "")
        for (name, marker), found in sorted(versions.items())
        if len(found) == 1
    )


def differing_names(lock: Lock) -> frozenset[str]:
    """Python packages that the targets of one platform have in several versions."""
    found: dict[tuple[str, str], set[str]] = {}
    for target in lock.targets:
        for wheel in locked_wheels(lock, target.name, target.platform):
            found.setdefault((wheel.name, target.platform), set()).add(wheel.version)
    return frozenset(name for (name, _), versions in found.items() if len(versions) > 1)


def locked_wheels(lock: Lock, target: str, platform: str) -> tuple[Wheel, ...]:
    """The Python packages of one target; none where the lock does not have it."""
    wanted = {
        identity
        for one in lock.targets
        if one.name == target and one.platform == platform
        for identity in one.wheels
    }
    return tuple(wheel for wheel in lock.wheels if wheel.id in wanted)
