"""`diff A B`: what differs between two targets, locks, images, or an image and what a container made of it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.events import Note
from shipway.verbs.diff_sides import BASES, FINISHED, Around, Place, parse_operand, read_side

if TYPE_CHECKING:
    from shipway.plan.diff import Comparison
    from shipway.verbs.context import Task


class DiffResult(NamedTuple):
    """What differs."""

    comparison: Comparison


def run_diff(operands: tuple[str, ...], task: Task) -> DiffResult:
    """Compare. With one operand, a container is compared with what it began with, anything else with the target now.

    Raises:
        NotFound: a target, lock, revision, image or container does not exist.
        LockFormatError: a lock cannot be read.
        EngineError: the engine that has a side does not answer.
    """
    from shipway.plan.diff import compare
    from shipway.verbs.project import read_project

    around = Around(task, functools.cache(lambda: read_project(task.directory, task.emit)))
    places = [parse_operand(text, around) for text in operands]
    if len(places) == 1:
        base = BASES.get(places[0].kind)
        if base:
            places.insert(0, places[0]._replace(kind=base))
        else:
            places.append(Place("target", task.target))
    around = around._replace(mixed=len({place.kind in FINISHED for place in places}) > 1)
    before, after = (read_side(place, around) for place in places)
    for side in (before, after):
        if side.trees is None:
            task.emit(Note(f"files are not compared: not all trees of `{side.label}` are in the store"))
    return DiffResult(compare(before, after))
