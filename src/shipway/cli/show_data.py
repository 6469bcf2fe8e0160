"""`data` as text and JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipway.cli.console import render_table
from shipway.core.text import shown
from shipway.core.units import render_size

if TYPE_CHECKING:
    from shipway.verbs.data import DataItem, DataResult

_HEADS = ("NAME", "KIND", "SIZE", "STATE", "INSIDE", "WHERE")
_SIZE = 2


def render_data(result: DataResult) -> str:
    """A table, with what is to be said about each below its line."""
    if not result.items:
        return ""
    head, *rows = render_table(_HEADS, [_row(item) for item in result.items], right=(_SIZE,)).splitlines()
    lines = [head]
    for row, item in zip(rows, result.items, strict=True):
        lines += [row, f"    {shown(item.note, 600)}"] if item.note else [row]
    return "\n".join(lines) + "\n"


def _row(item: DataItem) -> tuple[str, ...]:
    size = ("> " if item.at_least else "") + render_size(item.size) if item.size else "-"
    how = " (copied)" if item.how == "copy" else ""
    where = item.source if item.kind != "volume" else item.path or item.source
    return (item.name, item.kind, size, item.state, (shown(item.target) or "-") + how, shown(where, 200))


def describe_data(result: DataResult) -> str:
    """One sentence about what was done."""
    if not result.items:
        return "no data are declared" + (", and there are no volumes" if result.verb == "list" else "")
    would = "would be " if result.dry_run else ""
    if result.verb == "fetch":
        return f"{render_size(result.size)} {would}fetched" if result.size else "everything is here"
    if result.verb == "rm":
        return f"{len(result.items)} {would}removed, {render_size(result.size)}"
    return ""


def data_document(result: DataResult) -> dict[str, Any]:
    """Every item with all of its fields."""
    return {
        "verb": result.verb,
        "dry_run": result.dry_run,
        "size": result.size,
        "items": [item._asdict() for item in result.items],
    }
