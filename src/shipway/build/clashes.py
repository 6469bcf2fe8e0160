"""Wheels that bring the same path with different contents: pip lets the last one win in silence, here it is said.

Which one is seen depends on the plan's order, which the lock fixes, so the result is the same everywhere. That the .debs of one
suite never clash is the archive's rule; what replaces what among them is settled in the config delta.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.manifest import DIRECTORY, unquote_path
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
    seen: dict[str, tuple[str, str]] = {}
    pairs: dict[tuple[str, str], list[str]] = {}
    for name, tree in wheels:
        # By lines and not by entries: an environment has tens of thousands of them, and hardly any is met twice.
        for line in tree.manifest_text().decode("ascii").splitlines()[1:]:
            kind, *_, subject, path, _xattrs = line.split("\t")
            if kind != DIRECTORY:
                other, content = seen.setdefault(path, (name, subject))
                if content != subject:
                    pairs.setdefault((other, name), []).append(unquote_path(path))
                    seen[path] = (name, subject)
    return tuple(_sentence(lower, upper, paths) for (lower, upper), paths in sorted(pairs.items()))


def _sentence(lower: str, upper: str, paths: list[str]) -> str:
    listed = ", ".join(f"`/{shown(path)}`" for path in paths[:_MOST])
    more = f" and {len(paths) - _MOST} more" if len(paths) > _MOST else ""
    return f"{lower} and {upper} both bring {listed}{more}; that of {upper} is seen"
