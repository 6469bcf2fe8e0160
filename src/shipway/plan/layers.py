"""The layer policy: which packages share a layer, and in which order. `docs/architecture/layers.md` says why.

From the bottom up: essential OS packages, the other OS packages, what their scripts left, the interpreter, the Python
environment's skeleton, big wheels alone, small wheels in buckets, locally built wheels, build commands, the project's files.
Buckets are chosen by a hash of the name, so one added package changes one bucket. A previous plan's places are kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import ToolError
from shipway.core.units import render_size
from shipway.lock.model import LayerLock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipway.lock.model import Deb, Wheel

HARD_LIMIT = 100
"""Docker stops at 125 layers; derived images need room above ours."""
_WITH_BASE = 120
"""The same limit, with the layers of a base image below ours."""
BIG = 8 * 1024 * 1024
"""Bytes from which a wheel or .deb, as downloaded, gets a layer of its own."""
OS_BUCKETS = 6
WHEEL_BUCKETS = 8
_FIXED = ("system", "python", "venv", "local", "commands", "files", "os-essential")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What one target holds, as far as layers care."""

    debs: tuple[Deb, ...]
    wheels: tuple[Wheel, ...]
    python: bool
    """There is a Python environment."""
    standalone: bool
    """Its interpreter is no Debian package."""
    commands: bool
    files: bool
    data: tuple[str, ...] = ()
    """Names of data that are copied."""
    below: int = 0
    """Layers of the base image."""


def choose_layers(
    contents: Contents, *, budget: int, previous: Sequence[LayerLock] = ()
) -> tuple[LayerLock, ...]:
    """Group `contents` into at most `budget` layers, keeping the places that `previous` gave.

    Raises:
        ToolError: the budget is beyond what engines accept, or too small for the fixed layers.
    """
    fixed = len(_FIXED) + OS_BUCKETS + WHEEL_BUCKETS + len(contents.data)
    if not fixed <= budget <= HARD_LIMIT:
        raise ToolError(
            f"`layer-budget` is {budget}, and must lie between {fixed} and {HARD_LIMIT}",
            hints=("leave `layer-budget` out to get 64 layers at most",),
        )
    if contents.below > _WITH_BASE - fixed:
        raise ToolError(
            f"the base image has {contents.below} layers, and engines take no more than {_WITH_BASE - fixed} below ours",
            hints=("use a base with fewer layers",),
        )
    alone = _alone(contents, min(budget, _WITH_BASE - contents.below) - fixed, previous)
    chosen = [
        *_os_layers(contents.debs, alone),
        *_fixed_layer(
            "system", contents.debs, "files that the packages' own scripts made, and the package database"
        ),
        *_fixed_layer("python", contents.standalone, "the interpreter that the spec asks for"),
        *_fixed_layer("venv", contents.python, "the skeleton of the Python environment"),
        *_wheel_layers(contents.wheels, alone),
        *_fixed_layer("commands", contents.commands, "what the spec's build commands changed"),
        *_data_layers(contents.data),
        *_fixed_layer("files", contents.files, "the project's own files, which change most often"),
    ]
    return tuple(_in_kept_order(chosen, previous))


def bucket_of(name: str, buckets: int) -> int:
    """The bucket that `name` belongs to, on every machine and for ever."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % buckets


def _alone(contents: Contents, room: int, previous: Sequence[LayerLock]) -> frozenset[str]:
    """Ids of big artifacts that get a layer each: those that had one keep it, then the biggest."""
    had = {name for layer in previous for name in [layer.name] if name.startswith(("deb-", "wheel-"))}
    big: list[Deb | Wheel] = [deb for deb in contents.debs if not deb.essential and deb.size >= BIG]
    big += [wheel for wheel in contents.wheels if wheel.index and wheel.size >= BIG]
    ordered = sorted(big, key=lambda item: (_layer_name(item) not in had, -item.size, item.id))
    return frozenset(item.id for item in ordered[:room])


def _layer_name(item: Deb | Wheel) -> str:
    return f"deb-{item.name}" if hasattr(item, "archive") else f"wheel-{item.name}"


def _os_layers(debs: Sequence[Deb], alone: frozenset[str]) -> Iterable[LayerLock]:
    essential = [deb.id for deb in debs if deb.essential]
    if essential:
        yield LayerLock(
            name="os-essential",
            members=tuple(sorted(essential)),
            reason="packages that every system of this suite has",
        )
    rest = [deb for deb in debs if not deb.essential]
    for number in range(OS_BUCKETS):
        members = sorted(
            deb.id for deb in rest if deb.id not in alone and bucket_of(deb.source, OS_BUCKETS) == number
        )
        if members:
            yield LayerLock(
                name=f"os-{number}", members=tuple(members), reason="OS packages, together by source package"
            )
    for deb in sorted(rest, key=lambda deb: deb.id):
        if deb.id in alone:
            yield LayerLock(
                name=_layer_name(deb),
                members=(deb.id,),
                reason=f"alone, for it is big: {render_size(deb.size)}",
            )


def _wheel_layers(wheels: Sequence[Wheel], alone: frozenset[str]) -> Iterable[LayerLock]:
    fetched = [wheel for wheel in wheels if wheel.index]
    for wheel in sorted(fetched, key=lambda wheel: (-wheel.size, wheel.id)):
        if wheel.id in alone:
            yield LayerLock(
                name=_layer_name(wheel),
                members=(wheel.id,),
                reason=f"alone, for it is big: {render_size(wheel.size)}",
            )
    for number in range(WHEEL_BUCKETS):
        members = sorted(
            wheel.id
            for wheel in fetched
            if wheel.id not in alone and bucket_of(wheel.name, WHEEL_BUCKETS) == number
        )
        if members:
            yield LayerLock(
                name=f"wheels-{number}",
                members=tuple(members),
                reason="small wheels, a bucket by the hash of their names",
            )
    built = sorted(wheel.id for wheel in wheels if not wheel.index)
    if built:
        yield LayerLock(
            name="local",
            members=tuple(built),
            reason="wheels built here, which change more often than downloaded ones",
        )


def _fixed_layer(name: str, wanted: object, reason: str) -> Iterable[LayerLock]:
    if wanted:
        yield LayerLock(name=name, members=(name,), reason=reason)


def _data_layers(names: Sequence[str]) -> Iterable[LayerLock]:
    for name in sorted(names):
        yield LayerLock(
            name=f"data-{name}", members=(f"data:{name}",), reason="data that the spec wants copied, alone"
        )


def _group(name: str) -> int:
    """Position of a layer's kind; order within a kind is free, so that is where places are kept."""
    prefixes = (
        "os-essential",
        "os-",
        "deb-",
        "system",
        "python",
        "venv",
        "wheel-",
        "wheels-",
        "local",
        "commands",
        "data-",
        "files",
    )
    return next(rank for rank, prefix in enumerate(prefixes) if name.startswith(prefix))


def _in_kept_order(layers: Sequence[LayerLock], previous: Sequence[LayerLock]) -> list[LayerLock]:
    """Layers that were there keep their order within their kind; new ones come after them."""
    place = {layer.name: number for number, layer in enumerate(previous)}
    return sorted(layers, key=lambda layer: (_group(layer.name), place.get(layer.name, len(place))))
