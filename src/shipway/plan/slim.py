"""What a target that only runs can do without, and how many bytes that is. Pure over manifests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.waste import CAREFUL, Waste, find_waste
from shipway.plan.causes import parse_requested
from shipway.plan.findings import is_build_tool
from shipway.plan.sizes import list_shipped

FOR_BUILDING: tuple[Waste, ...] = (Waste.HEADERS, Waste.STATIC)
"""Kinds of files that compiling needs; they stay with the compilers."""

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from shipway.lock.model import Lock, TargetLock
    from shipway.plan.causes import Cause
    from shipway.plan.sizes import SizedLayer


@dataclass(frozen=True, slots=True, kw_only=True)
class Slimming:
    """What a slim target leaves out."""

    kinds: tuple[str, ...]
    """Kinds of files, sorted."""
    packages: tuple[str, ...]
    """What `without` drops: `apt:gcc`."""


def choose_slimming(
    wishes: Collection[str],
    layers: Sequence[SizedLayer],
    *,
    inherited: Collection[str] = (),
    keep: Collection[str] = (),
    also: Collection[str] = (),
) -> Slimming:
    """Build tools among `wishes` (`apt:gcc`), and the kinds of files that are there, but for those in `keep`.

    `inherited`: kinds that the target leaves out already. `also`: kinds beyond the careful ones.
    """
    wanted = {kind for kind in Waste if kind in CAREFUL or kind in also} - set(keep)
    there = {find_waste(file.entry.path, wanted) for file in list_shipped(layers)} - {None}
    tools = {wish for wish in wishes if is_build_tool(*_package(wish)) and wish not in keep}
    kinds = {str(kind) for kind in there} | set(inherited)
    return Slimming(kinds=tuple(sorted(kinds)), packages=tuple(sorted(tools)))


def find_compiled_here(lock: Lock, target: TargetLock) -> tuple[str, ...]:
    """Wheels of `target` with machine code that are built from source, in its own system: a target without compilers cannot."""
    chosen = set(target.wheels)
    return tuple(
        wheel.name
        for wheel in lock.wheels
        if wheel.id in chosen and wheel.source and not wheel.filename.endswith("-none-any.whl")
    )


def estimate_savings(layers: Sequence[SizedLayer], causes: Sequence[Cause], slimming: Slimming) -> int:
    """Bytes of files that `slimming` leaves out of an image of `layers`."""
    packages = {_package(wish) for wish in slimming.packages}
    dropped: set[str] = set()
    needed: set[str] = set()
    for cause in causes:
        asked = parse_requested(f"{cause.wish} < {cause.origin}")
        (dropped if (asked.kind, asked.name) in packages else needed).update(cause.packages)
    gone = dropped - needed
    return sum(
        file.entry.size
        for file in list_shipped(layers)
        if file.tree.id in gone or find_waste(file.entry.path, slimming.kinds)
    )


def _package(wish: str) -> tuple[str, str]:
    """Kind and name of `apt:NAME` or `pip:NAME`."""
    asked = parse_requested(f"{wish} < ")
    return asked.kind, asked.name
