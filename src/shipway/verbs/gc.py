"""`gc`: free disk space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from shipway.core.events import Emit
    from shipway.store.collect import Collected, Item

_SPARED = 3600
"""Seconds since the last use within which nothing goes, unless the caller says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GcRequest:
    """What may go."""

    older_than: int | None = None
    """Seconds since the last use."""
    max_size: int | None = None
    """Bytes that the store may keep."""
    dry_run: bool = False


class GcItem(NamedTuple):
    """One thing in the store, and why it goes or stays."""

    kind: str
    """`tree`, `blob`, `record`, `quarantine`; outside the store `merged`, an environment as one folder for Apptainer, and `tool`,
    which came beside environments."""
    name: str
    """The digits of its digest, or project and environment."""
    size: int
    """Bytes on disk."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GcResult:
    """What went, or would go."""

    store: str
    dry_run: bool
    freed: int
    """Bytes."""
    waiting: int
    """Of these, bytes that running containers still hold."""
    items: tuple[GcItem, ...]
    kept: tuple[GcItem, ...]


def run_gc(request: GcRequest, emit: Emit) -> GcResult:
    """Collect what no project pins and no container uses.

    Raises:
        StoreError: the store is locked for too long, or the disk does not answer.
    """
    from shipway.core.events import Note
    from shipway.host.clock import now
    from shipway.host.dirs import state_dir
    from shipway.run.life.records import sweep_halves
    from shipway.run.top.merged import collect_roots
    from shipway.run.top.names import sweep_runs
    from shipway.store.store import Store
    from shipway.verbs.tool_collect import collect_tools

    age = _SPARED if request.older_than is None else request.older_than
    tools = collect_tools(before=now() - age, dry_run=request.dry_run)
    store = Store.open(emit=emit)
    if not request.dry_run:
        for folder in sweep_runs(state_dir()):
            emit(Note(f"removed what a killed run had left in `{folder}`"))
        for folder in sweep_halves(state_dir()):
            emit(Note(f"removed what was left of a container in `{folder}`"))
    collected: Collected = store.collect(
        older_than=request.older_than, max_bytes=request.max_size, dry_run=request.dry_run
    )
    roots = collect_roots(state_dir(), before=now() - age, dry_run=request.dry_run)
    beside = [("tool", tool) for tool in tools] + [("merged", root) for root in roots]
    others = tuple(GcItem(kind, one.name, one.size, "not used lately") for kind, one in beside)
    return GcResult(
        store=store.path,
        dry_run=request.dry_run,
        freed=collected.freed + sum(one.size for one in others),
        waiting=collected.waiting,
        items=(*map(_item, collected.items), *others),
        kept=tuple(map(_item, collected.kept)),
    )


def _item(item: Item) -> GcItem:
    return GcItem(item.kind, item.name, item.size, item.reason)
