"""`verify`: the store against its digests, the image against the lock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, ToolError
from shipway.core.events import Note
from shipway.verbs.build import find_image
from shipway.verbs.context import LockMode
from shipway.verbs.find import LOCK_FILE, find_folder
from shipway.verbs.prepare import build_planned, plan_project

if TYPE_CHECKING:
    from shipway.store.store import Store
    from shipway.store.verify import Damaged, Finding
    from shipway.verbs.context import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """What was checked and what is wrong."""

    store: str
    findings: tuple[Finding, ...]
    digest: str
    """Of the image, put together again from what the store holds; empty without a project or when it is not built."""
    image: str
    """What is wrong with the image, or empty."""
    rebuilt: int
    """Trees made again."""

    @property
    def code(self) -> ExitCode:
        """`VERIFY` when something differs and was not put right."""
        bad = any(not finding.repaired for finding in self.findings) or bool(self.image)
        return ExitCode.VERIFY if bad else ExitCode.OK


def run_verify(task: Task, *, repair: bool = False) -> VerifyResult:
    """Read everything in the store; with `repair`, take out what is damaged and build this project's part again.

    Raises:
        StoreError: the store cannot be read.
    """
    from shipway.store.store import Store

    store = Store.open(emit=task.emit)
    taken: list[Damaged] = []

    def take(damaged: Damaged) -> bool:
        taken.append(damaged)
        return True

    findings = tuple(store.verify(take if repair else None))
    rebuilt = _rebuild(task, taken) if taken else 0
    digest, image = _check_image(task, store)
    return VerifyResult(store=store.path, findings=findings, digest=digest, image=image, rebuilt=rebuilt)


def _rebuild(task: Task, taken: list[Damaged]) -> int:
    """Make what this project needs again; what only others need is made when they need it."""
    if not _has_lock(task):
        task.emit(
            Note(f"{len(taken)} damaged items were taken out; projects that need them build them again")
        )
        return 0
    return build_planned(plan_project(task._replace(mode=LockMode.FROZEN), files=True), task).built


def _check_image(task: Task, store: Store) -> tuple[str, str]:
    """The image's digest over freshly written layers, and what differs from what was recorded."""
    if not _has_lock(task):
        return "", ""
    try:
        planned = plan_project(task._replace(mode=LockMode.FROZEN), files=True)
    except ToolError as error:
        return "", error.message
    image = find_image(planned, task.emit)
    if image is None:
        return "", ""
    from shipway.verbs.relayer import find_layer_faults

    faults = find_layer_faults(planned, store, task.emit)
    return image.digest, "; ".join(faults)


def _has_lock(task: Task) -> bool:
    import os

    return os.path.isfile(os.path.join(find_folder(task.directory), LOCK_FILE))
