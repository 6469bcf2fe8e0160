"""`diff A B`: what differs between two targets, locks, revisions of the lock, or an image and what a container made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shipway.core.events import Note
from shipway.verbs.diff_sides import Place, parse_operand, read_side

if TYPE_CHECKING:
    from shipway.plan.diff import Comparison
    from shipway.verbs.context import Task


class DiffResult(NamedTuple):
    """What differs."""

    comparison: Comparison


def run_diff(operands: tuple[str, ...], task: Task) -> DiffResult:
    """Compare. With one operand the other side is the project's own lock now: the second one, unless a container is named.

    Raises:
        NotFound: a target, lock, revision or kept container does not exist.
        LockFormatError: a lock cannot be read.
    """
    from shipway.plan.diff import compare
    from shipway.verbs.project import read_project

    project = read_project(task.directory, task.emit)
    places = [parse_operand(text, project) for text in operands]
    if len(places) == 1:
        now = Place("target", task.target)
        if places[0].kind == "kept":
            places.insert(0, places[0]._replace(kind="base"))
        else:
            places.append(now)
    before, after = (read_side(place, project, task) for place in places)
    for side in (before, after):
        if side.trees is None:
            task.emit(Note(f"files are not compared: not all trees of `{side.label}` are in the store"))
    return DiffResult(compare(before, after))
