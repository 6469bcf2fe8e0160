"""`gc` as text and JSON. Pure."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

from shipway.core.text import shown
from shipway.core.units import render_size

if TYPE_CHECKING:
    from shipway.verbs.gc import GcItem, GcResult

_HOLDER, _HOLDERS = ", needed by ", 2


def render_gc(result: GcResult) -> str:
    """What went by kind, what stayed by reason, and the sum."""
    verb = "would free" if result.dry_run else "freed"
    lines = [_by(result.items, lambda item: item.kind, "would go" if result.dry_run else "gone")]
    lines.append(_by(result.kept, lambda item: _shortened(item.reason), "kept"))
    total = f"{verb} {render_size(result.freed)} in `{shown(result.store)}`"
    if result.waiting:
        total += f"; {render_size(result.waiting)} of it when the containers that run from it have ended"
    return "".join(line for line in lines if line) + total + "\n"


def _shortened(reason: str) -> str:
    """With two of those who need it, and the number of the others."""
    why, *holders = reason.split(_HOLDER)
    told = _HOLDER.join((why, *holders[:_HOLDERS]))
    return told if len(holders) <= _HOLDERS else f"{told} and {len(holders) - _HOLDERS} more"


def _by(items: tuple[GcItem, ...], key: Any, word: str) -> str:
    groups: dict[str, list[GcItem]] = collections.defaultdict(list)
    for item in items:
        groups[str(key(item))].append(item)
    return "".join(
        f"{word}: {len(group)} {shown(name)}, {render_size(sum(item.size for item in group))}\n"
        for name, group in sorted(groups.items())
    )


def gc_document(result: GcResult) -> dict[str, Any]:
    """Every item with its reason."""
    return {
        "store": result.store,
        "dry_run": result.dry_run,
        "freed": result.freed,
        "waiting": result.waiting,
        "removed": [_item(item) for item in result.items],
        "kept": [_item(item) for item in result.kept],
    }


def _item(item: GcItem) -> dict[str, Any]:
    return {"kind": item.kind, "name": item.name, "size": item.size, "reason": item.reason}
