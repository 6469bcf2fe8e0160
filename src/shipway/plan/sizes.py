"""Where the bytes of an image are: per layer, package and cause, and those that it could do without.

Everything is told from manifests: no file is opened. Sizes are bytes of file contents; an archive's headers are not in them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.manifest import FILE
from shipway.core.overlay import stack
from shipway.plan.findings import find_waste_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.core.manifest import Entry, Manifest
    from shipway.plan.causes import Cause
    from shipway.plan.findings import Finding


UNOWNED = "other"
"""Kind of a tree with those files of a finished image that no package owns."""
_BASE = "base"
"""A layer of a base image, which is no package though it has a name."""


class SizedTree(NamedTuple):
    """One tree with what its files are."""

    id: str
    """Id in the lock, or the kind of a tree that no package is behind."""
    kind: str
    name: str
    """`numpy 2.1.0`."""
    manifest: Manifest


class SizedLayer(NamedTuple):
    """Trees that travel together, bottom first."""

    name: str
    reason: str
    trees: tuple[SizedTree, ...]


class Shipped(NamedTuple):
    """One file that some layer carries."""

    entry: Entry
    tree: SizedTree
    layer: str
    visible: bool
    """False: a higher layer replaces or removes it, and its bytes travel for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSize:
    """One layer."""

    name: str
    size: int
    files: int
    packages: int
    reason: str = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSize:
    """One package, or one tree that no package is behind."""

    kind: str
    name: str
    layer: str
    size: int
    files: int
    wishes: tuple[str, ...]
    """Every wish that leads to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseSize:
    """One wish."""

    wish: str
    origin: str
    packages: int
    size: int
    """Bytes of everything it leads to."""
    alone: int
    """Bytes that no other wish leads to: what dropping it would save."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """One image."""

    size: int
    files: int
    layers: tuple[LayerSize, ...]
    """From the bottom up."""
    packages: tuple[PackageSize, ...]
    """The biggest first."""
    causes: tuple[CauseSize, ...]
    """What saves most first."""
    findings: tuple[Finding, ...]
    """The biggest first. One file may be in several of them."""


def measure(layers: Sequence[SizedLayer], causes: Sequence[Cause], *, finished: bool = False) -> Sizes:
    """The sizes of an image of `layers`, bottom first. `finished`: no spec is behind it that could be changed."""
    shipped = list_shipped(layers)
    sizes: Counter[tuple[str, str]] = Counter()
    counts: Counter[tuple[str, str]] = Counter()
    for file in shipped:
        sizes[file.layer, file.tree.id] += file.entry.size
        counts[file.layer, file.tree.id] += 1
    packages = [
        PackageSize(
            kind=tree.kind,
            name=tree.name,
            layer=layer.name,
            size=sizes[layer.name, tree.id],
            files=counts[layer.name, tree.id],
            wishes=tuple(cause.wish for cause in causes if tree.id in cause.packages),
        )
        for layer in layers
        for tree in layer.trees
    ]
    return Sizes(
        size=sizes.total(),
        files=counts.total(),
        layers=tuple(_layer_size(layer, sizes, counts) for layer in layers),
        packages=tuple(sorted(packages, key=lambda one: (-one.size, one.name))),
        causes=_cause_sizes(causes, sizes),
        findings=find_waste_in(shipped, finished=finished),
    )


def list_shipped(layers: Sequence[SizedLayer]) -> list[Shipped]:
    """Every regular file that a layer carries. Inside one layer a replaced file is gone; over layers it is only hidden."""
    trees = [tree for layer in layers for tree in layer.trees]
    last = {placed.entry.path: placed.tree for placed in stack([tree.manifest for tree in trees])}
    shipped = []
    first = 0
    for layer in layers:
        for placed in stack([tree.manifest for tree in layer.trees], keep_whiteouts=True):
            if placed.entry.kind == FILE:
                number = first + placed.tree
                visible = last.get(placed.entry.path) == number
                shipped.append(Shipped(placed.entry, trees[number], layer.name, visible))
        first += len(layer.trees)
    return shipped


def _layer_size(
    layer: SizedLayer, sizes: Counter[tuple[str, str]], counts: Counter[tuple[str, str]]
) -> LayerSize:
    ids = {tree.id for tree in layer.trees}
    return LayerSize(
        name=layer.name,
        size=sum(sizes[layer.name, one] for one in ids),
        files=sum(counts[layer.name, one] for one in ids),
        packages=len({tree.id for tree in layer.trees if tree.kind not in (_BASE, tree.id)}),
        reason=layer.reason,
    )


def _cause_sizes(causes: Sequence[Cause], by_layer: Counter[tuple[str, str]]) -> tuple[CauseSize, ...]:
    sizes: Counter[str] = Counter()
    for (_, package), size in by_layer.items():
        sizes[package] += size
    owners: dict[str, set[int]] = defaultdict(set)
    for number, cause in enumerate(causes):
        for package in cause.packages:
            owners[package].add(number)
    found = [
        CauseSize(
            wish=cause.wish,
            origin=cause.origin,
            packages=len(cause.packages),
            size=sum(sizes[package] for package in cause.packages),
            alone=sum(sizes[package] for package in cause.packages if owners[package] == {number}),
        )
        for number, cause in enumerate(causes)
    ]
    return tuple(sorted(found, key=lambda one: (-one.alone, -one.size, one.wish)))
