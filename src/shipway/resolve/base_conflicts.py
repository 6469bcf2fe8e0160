"""What a base image and the packages chosen for it do to each other, told before anything of it is downloaded. Pure.

Rules: `base_fit` (C library, interpreter, Python packages) and `base_gpu` (CUDA, cuDNN, search path); what frameworks need:
`base_needs`. What the base holds was read by `image.base_facts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.errors import ConflictError
from shipway.resolve.base_conflict import BaseConflict, Level
from shipway.resolve.base_fit import find_misfits
from shipway.resolve.base_gpu import find_gpu_conflicts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipway.core.base_facts import BaseFacts
    from shipway.lock.model import TargetLock, Wheel


def find_conflicts(facts: BaseFacts, target: TargetLock, wheels: Iterable[Wheel]) -> tuple[BaseConflict, ...]:
    """Everything in which the base of `target` and its `wheels` do not go together, errors first."""
    chosen = sorted(wheels, key=lambda wheel: wheel.id)
    found = (*find_misfits(facts, target, chosen), *find_gpu_conflicts(facts, target, chosen))
    return tuple(sorted(found, key=lambda one: one.level is not Level.ERROR))


def require_no_conflict(target: TargetLock, conflicts: Sequence[BaseConflict]) -> tuple[BaseConflict, ...]:
    """The warnings among `conflicts`, which the caller tells.

    Raises:
        ConflictError: some of them are errors; all of these are named.
    """
    errors = [one for one in conflicts if one.level is Level.ERROR]
    if errors:
        lines = [f"the base `{target.base}` of target `{target.name}` and its packages do not go together"]
        raise ConflictError(
            "\n".join([*lines, *(f"  {one}" for one in errors)]),
            hints=list(dict.fromkeys(one.remedy for one in errors)),
        )
    return tuple(conflicts)
