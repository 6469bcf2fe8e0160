"""`data` as text and JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipway.core.text import shown
from shipway.core.units import render_size

if TYPE_CHECKING:
    from shipway.verbs.data import DataItem, DataResult

_HEADS = ("name", "kind", "size", "state", "inside", "where")


def render_data(result: DataResult) -> str:
    """A table, with what is to be said about each below its line."""
    if not result.items:
        return ""
    rows = [_HEADS, *(_row(item) for item in result.items)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS) - 1)]
    lines = []
    for row, item in zip(rows, (None, *result.items), strict=True):
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
        lines.append("  ".join((*cells, row[-1])).rstrip())
        if item is not None and item.note:
            lines.append(f"    {shown(item.note, 600)}")
    return "\n".join(lines) + "\n"


def _row(item: DataItem) -> tuple[str, ...]:
    size = ("> " if item.at_least else "") + render_size(item.size) if item.size else "-"
    how = " (copied)" if item.how == "copy" else ""
    where = item.source if item.kind != "volume" else item.path or item.source
    return (item.name, item.kind, size, item.state, (shown(item.target) or "-") + how, shown(where, 200))


def describe_data(result: DataResult) -> str:
    """One sentence about what was done."""
    if not result.items:
        return "no data are declared, and there are no volumes\n" if result.verb == "list" else ""
    would = "would be " if result.dry_run else ""
    if result.verb == "fetch":
        return f"{render_size(result.size)} {would}fetched\n" if result.size else "everything is here\n"
    if result.verb == "rm":
        return f"{len(result.items)} {would}removed, {render_size(result.size)}\n"
    return ""


def data_document(result: DataResult) -> dict[str, Any]:
    """Every item with all of its fields."""
    return {
        "verb": result.verb,
        "dry_run": result.dry_run,
        "size": result.size,
        "items": [item._asdict() for item in result.items],
    }
