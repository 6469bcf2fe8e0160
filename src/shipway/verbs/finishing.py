"""The end of a change of packages: trees made, spec and lock written, containers brought up to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shipway.verbs.changing import build_target, chosen_target, write_change

if TYPE_CHECKING:
    from shipway.plan.moves import Move
    from shipway.verbs.changing import Changing, Edit, Settled


class Brought(NamedTuple):
    """One running container, and what became of it."""

    name: str
    puts: int = 0
    """Files and links that were put into it."""
    removals: int = 0
    refused: str = ""
    """Why it stays as it is; empty: it is up to date."""


class Finished(NamedTuple):
    """What a change did, or would do."""

    edits: tuple[Edit, ...]
    moves: tuple[Move, ...]
    containers: tuple[Brought, ...]
    built: int
    """Trees made now."""
    dry_run: bool


def finish(changing: Changing, settled: Settled, *, dry_run: bool) -> Finished:
    """Do it all; of a dry run nothing.

    Raises:
        ToolError: a build failed, and nothing was written; or a file could not be written.
    """
    edits = changing.edits(settled.project)
    if dry_run:
        return Finished(edits, settled.moves, (), 0, dry_run=True)
    prepared = build_target(changing, settled, chosen_target(changing))
    if edits or settled.lock is not changing.found.lock:
        write_change(changing, settled)
    return Finished(edits, settled.moves, (), prepared.built if prepared else 0, dry_run=False)
