"""`diff` as text and JSON. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from shipway.core.text import shown
from shipway.core.units import render_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipway.verbs.diff import DiffResult

_FEW = 40
"""Files up to which each is listed without being asked for."""
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def render_diff(found: DiffResult, *, files: bool) -> str:
    """Packages, configuration and files that differ. `files`: list every one, however many."""
    result = found.comparison
    lines = [f"from {shown(result.before)} to {shown(result.after)}"]
    if result.packages:
        lines.append(f"packages: {_counts(change.what for change in result.packages)}")
        lines += [
            f"  {_SIGNS[change.what]} {change.kind} {shown(change.name)} "
            + " -> ".join(shown(version) for version in (change.before, change.after) if version)
            for change in result.packages
        ]
    if result.config:
        lines.append(f"configuration: {len(result.config)} changed")
        lines += [
            f"  ~ {shown(change.key)}: {shown(change.before) or '(none)'} -> {shown(change.after) or '(none)'}"
            for change in result.config
        ]
    if result.files:
        lines.append(f"files: {_counts(change.what for change in result.files)}, {_moved(found)}")
        if files or len(result.files) <= _FEW:
            lines += _files(found)
        else:
            lines.append("  `--files` lists them")
    if result.same:
        lines.append("nothing differs" if result.files is not None else "nothing differs but perhaps files")
    return "\n".join(lines) + "\n"


def _counts(whats: Iterable[str]) -> str:
    found = Counter(whats)
    return ", ".join(f"{found[what]} {what}" for what in _SIGNS if found[what])


def _moved(found: DiffResult) -> str:
    moved = sum(change.after - change.before for change in found.comparison.files or ())
    return f"{render_size(abs(moved))} {'less' if moved < 0 else 'more'}"


def _files(found: DiffResult) -> list[str]:
    return [
        f"  {_SIGNS[change.what]} /{shown(change.path)}"
        + (f" ({', '.join(change.aspects)})" if change.aspects else "")
        + f"  [{shown(change.owner)}]"
        for change in found.comparison.files or ()
    ]


def diff_document(found: DiffResult) -> dict[str, Any]:
    """The same with every file; `files` is null when they could not be compared."""
    result = found.comparison
    return {
        "before": result.before,
        "after": result.after,
        "same": result.same,
        "packages": [
            {
                "kind": change.kind,
                "name": change.name,
                "what": change.what,
                "before": change.before or None,
                "after": change.after or None,
            }
            for change in result.packages
        ],
        "config": [
            {"key": change.key, "before": change.before or None, "after": change.after or None}
            for change in result.config
        ],
        "files": None
        if result.files is None
        else [
            {
                "path": "/" + change.path,
                "what": change.what,
                "aspects": list(change.aspects),
                "before": change.before,
                "after": change.after,
                "owner": change.owner,
            }
            for change in result.files
        ],
    }
