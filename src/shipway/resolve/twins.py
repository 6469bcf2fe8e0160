"""Proof that targets which were locked together share what they can. Reads a lock, nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from shipway.lock.model import Lock, Wheel


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinDifference:
    """A package that two or more targets of one platform have in different files."""

    name: str
    platform: str
    found: tuple[tuple[str, str], ...]
    """(target, file name), sorted."""
    versions: tuple[str, ...]
    """Sorted; one where only the file differs: another Python, or a build for another accelerator."""

    def __str__(self) -> str:
        where = ", ".join(f"{target}: {filename}" for target, filename in self.found)
        return f"{self.name} on {self.platform}: {where}"


def check_twins(lock: Lock) -> list[TwinDifference]:
    """Packages that targets share but not in the same file; empty when the twins are equal in all they share."""
    by_id = {wheel.id: wheel for wheel in lock.wheels}
    found: dict[tuple[str, str], dict[str, Wheel]] = {}
    for target in lock.targets:
        for identity in target.wheels:
            wheel = by_id[identity]
            found.setdefault((wheel.name, target.platform), {})[target.name] = wheel
    differences = []
    for (name, platform), wheels in sorted(found.items()):
        if len({wheel.id for wheel in wheels.values()}) > 1:
            versions = tuple(sorted({wheel.version for wheel in wheels.values()}))
            pairs = tuple(sorted((target, wheel.filename) for target, wheel in wheels.items()))
            differences.append(TwinDifference(name=name, platform=platform, found=pairs, versions=versions))
    return differences
