"""The end of a change of packages: trees made, spec and lock written, containers brought up to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shipway.verbs.bringing import Brought, bring_up, find_running, find_silent
from shipway.verbs.changing import build_target, chosen_target, write_change

if TYPE_CHECKING:
    from shipway.plan.moves import Move
    from shipway.verbs.changing import Changing, Edit, Settled


class Finished(NamedTuple):
    """What a change did, or would do."""

    edits: tuple[Edit, ...]
    moves: tuple[Move, ...]
    containers: tuple[Brought, ...]
    """Those that run now."""
    built: int
    """Trees made now."""
    dry_run: bool


def finish(changing: Changing, settled: Settled, *, dry_run: bool) -> Finished:
    """Do it all; of a dry run nothing. The trees of every running container's target are made, too.

    Raises:
        ToolError: a build failed, and nothing was written; or a file could not be written.
    """
    from shipway.verbs.run import remember_prepared

    edits = changing.edits(settled.project)
    if dry_run:
        return Finished(edits, settled.moves, (), 0, dry_run=True)
    running = find_running(changing.project.folder)
    chosen = chosen_target(changing)
    made = {
        target: build_target(changing, settled, target)
        for target in dict.fromkeys([chosen, *(one.target for one in running)])
    }
    if edits or changing.stale or settled.lock is not changing.found.lock:
        write_change(changing, settled)
    environments = {
        target: remember_prepared(
            prepared, changing.task if target == chosen else changing.task._replace(target=target)
        )
        for target, prepared in made.items()
        if prepared is not None
    }
    names = frozenset(move.name for move in settled.moves if move.kind == "wheel")
    brought = list(find_silent(changing.project.folder))
    for container in running:
        prepared = made[container.target]
        if prepared is None:
            gone = f"the lock has no target `{container.target}` for this machine"
            brought.append(Brought(container.name, refused=gone))
        else:
            brought.append(bring_up(container, prepared, environments[container.target], names))
    built = sum(prepared.built for prepared in made.values() if prepared is not None)
    return Finished(edits, settled.moves, tuple(brought), built, dry_run=False)
