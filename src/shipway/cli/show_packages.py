"""`add` and `remove` as text and JSON. Pure."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipway.verbs.add import AddResult, Placed
    from shipway.verbs.bringing import Brought
    from shipway.verbs.finishing import Finished
    from shipway.verbs.remove import RemoveResult

_NAMES = 8
"""Packages that one line of text names; JSON has them all."""


def render_add(result: AddResult) -> str:
    """One line for each package, then what comes along and what moves; of a dry run the changed lines, too."""
    names = {one.wanted.name for one in result.placed}
    lines = [
        *placed_lines(result.placed, dry_run=result.finished.dry_run),
        *finished_lines(result.finished, names),
    ]
    return _text([*lines, *(f"newer: {shown(one, 400)}" for one in result.newer)])


def placed_lines(placed: Iterable[Placed], *, dry_run: bool) -> list[str]:
    """One line for each package that is asked for."""
    word = "would add" if dry_run else "added"
    lines = []
    for one in placed:
        version = f" {shown(one.version)}" if one.version else ""
        kind = "apt:" if one.wanted.kind == "apt" else ""
        said = word if one.is_new else "is there"
        lines.append(
            f"{said} {kind}{shown(one.wanted.name)}{version} as `{shown(one.text)}` at {shown(one.where)}"
        )
    return lines


def render_remove(result: RemoveResult) -> str:
    """One line for each line that is gone, then what stays and what goes along."""
    word = "would remove" if result.finished.dry_run else "removed"
    lines = [f"{word} `{shown(text)}` at {shown(where)}" for text, where in result.removed]
    return _text([*lines, *(shown(line, 400) for line in result.stays), *finished_lines(result.finished, ())])


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def finished_lines(finished: Finished, named: Iterable[str]) -> list[str]:
    """What came along, went or moved besides `named`, what became of containers, and for a dry run the changed lines."""
    names = set(named)
    moves = finished.moves
    lines = [
        *_list(
            "with", [f"{one.name} {one.after}" for one in moves if not one.before and one.name not in names]
        ),
        *_list("gone", [f"{one.name} {one.before}" for one in moves if not one.after]),
        *(f"moved {shown(one.name)} {shown(one.before)} -> {shown(one.after)}" for one in moves if one.moved),
        *(_brought(one) for one in finished.containers),
    ]
    if finished.dry_run:
        lines += [
            line for edit in finished.edits for line in render_difference(edit.file, edit.before, edit.after)
        ]
    return lines


def _list(word: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return [f"{word} {', '.join(shown(name) for name in names[:_NAMES])}{more}"]


def _brought(one: Brought) -> str:
    if one.refused:
        return f"container {shown(one.name)}: {shown(one.refused, 400)}"
    return f"container {shown(one.name)}: {one.puts} files put, {one.removals} removed"


def render_difference(file: str, before: str, after: str) -> list[str]:
    """The lines of `file` that differ, as `diff -u` writes them."""
    found = difflib.unified_diff(before.splitlines(), after.splitlines(), file, file, lineterm="", n=1)
    return [shown(line, 400) for line in found]


def add_document(result: AddResult) -> dict[str, Any]:
    """The same as values."""
    return {
        "packages": placed_values(result.placed),
        "newer": list(result.newer),
        **finished_values(result.finished),
    }


def placed_values(placed: Iterable[Placed]) -> list[dict[str, Any]]:
    """Packages that are asked for, as values."""
    return [
        {
            "kind": "deb" if one.wanted.kind == "apt" else "wheel",
            "name": one.wanted.name,
            "version": one.version or None,
            "requirement": one.text,
            "where": one.where,
            "new": one.is_new,
        }
        for one in placed
    ]


def remove_document(result: RemoveResult) -> dict[str, Any]:
    """The same as values."""
    return {
        "removed": [{"requirement": text, "where": where} for text, where in result.removed],
        "stays": list(result.stays),
        **finished_values(result.finished),
    }


def finished_values(finished: Finished) -> dict[str, Any]:
    """What a change did, as values."""
    return {
        "changes": [
            {
                "kind": move.kind,
                "name": move.name,
                "before": move.before or None,
                "after": move.after or None,
                "targets": list(move.targets),
            }
            for move in finished.moves
        ],
        "files": [{"file": edit.file, "before": edit.before, "after": edit.after} for edit in finished.edits],
        "containers": [
            {"name": one.name, "puts": one.puts, "removals": one.removals, "refused": one.refused or None}
            for one in finished.containers
        ],
        "built": finished.built,
        "dry_run": finished.dry_run,
    }
