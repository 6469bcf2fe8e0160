"""Which versions differ between two locks, per target: what an added or removed package does to the others. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

    from shipway.lock.model import Lock, TargetLock

_DEB, _WHEEL = "deb", "wheel"


class Move(NamedTuple):
    """One package whose version differs; a version that is empty: it is not there."""

    kind: str
    """`deb`, `wheel`."""
    name: str
    before: str
    after: str
    targets: tuple[str, ...]
    """In which targets, in the new lock's order."""

    @property
    def moved(self) -> bool:
        """Whether it is on both sides."""
        return bool(self.before and self.after)


def find_moves(old: Lock, new: Lock) -> tuple[Move, ...]:
    """Every package of every target of both locks that differs, by kind and name. Own projects are left out."""
    found: dict[tuple[str, str, str, str], dict[str, None]] = {}
    before = {(target.name, target.platform): target for target in old.targets}
    for target in new.targets:
        other = before.get((target.name, target.platform))
        if other is None:
            continue
        was, now = _versions(old, other), _versions(new, target)
        for kind, name in was.keys() | now.keys():
            one, two = was.get((kind, name), ""), now.get((kind, name), "")
            if one != two:
                found.setdefault((kind, name, one, two), {})[target.name] = None
    return tuple(Move(*key, targets=tuple(found[key])) for key in sorted(found))


def disturbed(moves: tuple[Move, ...], free: Collection[str]) -> tuple[Move, ...]:
    """The ones that were there before and did not stay as they were, but for Python packages in `free`."""
    return tuple(move for move in moves if move.moved and not (move.kind == _WHEEL and move.name in free))


def _versions(lock: Lock, target: TargetLock) -> dict[tuple[str, str], str]:
    debs, wheels = set(target.debs), set(target.wheels)
    found = {(_DEB, deb.name): deb.version for deb in lock.debs if deb.id in debs}
    return found | {
        (_WHEEL, wheel.name): wheel.version
        for wheel in lock.wheels
        if wheel.id in wheels and not wheel.source.startswith("local:")
    }
