"""`why --rebuilt`: how the inputs of the next build differ from those of the last; or of the last from the one before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import NotFound
from shipway.verbs.context import LockMode
from shipway.verbs.history import Difference, compare_builds, read_history, snapshot
from shipway.verbs.prepare import plan_project

if TYPE_CHECKING:
    from shipway.verbs.context import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuiltResult:
    """What the next build makes anew, and from which change."""

    target: str
    platform: str
    drift: tuple[str, ...]
    """What changed in the spec and is not in the lock yet."""
    past: bool
    """The differences are those that the last build was made for; nothing differs from it now."""
    differences: tuple[Difference, ...]


def run_rebuilt(task: Task) -> RebuiltResult:
    """Compare the last build with what the lock and the folder say now.

    Raises:
        NotFound: nothing was built yet.
        LockStale: there is no lock.
    """
    planned = plan_project(task._replace(mode=LockMode.FROZEN), files=True)
    plan = planned.plan
    history = read_history(planned.project.folder, plan.target, plan.platform)
    if history is None:
        raise NotFound(
            f"target `{plan.target}` was not built here yet, so there is nothing to compare with",
            hints=["`shipway explain` says what a build would do"],
        )
    differences = compare_builds(history.last, snapshot(planned))
    is_past = not differences and history.before is not None
    if is_past and history.before is not None:
        differences = compare_builds(history.before, history.last)
    return RebuiltResult(
        target=plan.target,
        platform=plan.platform,
        drift=planned.freshness.drift,
        past=is_past,
        differences=differences,
    )
