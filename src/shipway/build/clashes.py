"""Wheels that bring the same path with different contents: pip lets the last one win in silence, here it is said.

Which one is seen depends on the plan's order, which the lock fixes, so the result is the same everywhere. That the .debs of one
suite never clash is the archive's rule; what replaces what among them is settled in the config delta.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.overlay import find_clashes
from shipway.core.text import shown
from shipway.plan.model import TreeKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.plan.model import TreeRequest
    from shipway.store.tree import Tree

_MOST = 5
"""Paths named for one pair of wheels."""


def describe_clashes(requests: Sequence[TreeRequest], trees: Sequence[Tree]) -> tuple[str, ...]:
    """A sentence for each pair of wheels that fill a path differently. `trees` in the order of `requests`."""
    wheels = [
        (one.name, tree) for one, tree in zip(requests, trees, strict=True) if one.kind == TreeKind.WHEEL
    ]
    pairs: dict[tuple[str, str], list[str]] = {}
    for clash in find_clashes(tree.manifest() for _, tree in wheels):
        pairs.setdefault((wheels[clash.lower][0], wheels[clash.upper][0]), []).append(clash.path)
    return tuple(_sentence(lower, upper, paths) for (lower, upper), paths in sorted(pairs.items()))


def _sentence(lower: str, upper: str, paths: list[str]) -> str:
    listed = ", ".join(f"`/{shown(path)}`" for path in paths[:_MOST])
    more = f" and {len(paths) - _MOST} more" if len(paths) > _MOST else ""
    return f"{lower} and {upper} both bring {listed}{more}; that of {upper} is seen"
