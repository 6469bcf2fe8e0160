"""`status`: does the lock match the spec, and do the project's containers hold what the lock says?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode
from shipway.verbs.locking import check_lock
from shipway.verbs.project import read_project
from shipway.verbs.watching import find_watched

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipway.run.top.installed import Distribution, OsPackage
    from shipway.verbs.context import Task
    from shipway.verbs.watching import Unread, Watched

_DEPTH = 2
"""Folders from the root that other files are counted by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStatus:
    """One container against the lock."""

    name: str
    target: str
    running: bool
    older: bool
    """It was made of other trees than the lock says now."""
    python: tuple[Distribution, ...]
    os: tuple[OsPackage, ...]
    others: tuple[tuple[str, int], ...]
    """Folder, and how many other paths differ in it."""
    unread: str = ""
    """Why it could not be looked into; empty: it was."""

    @property
    def same(self) -> bool:
        """Whether it holds nothing that the lock does not know; other files may be anything."""
        return not (self.older or self.python or self.os or self.unread)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusResult:
    """Everything that does not match."""

    has_lock: bool
    drift: tuple[str, ...]
    containers: tuple[ContainerStatus, ...]

    @property
    def same(self) -> bool:
        """Whether spec, lock and containers say the same."""
        return not self.drift and all(one.same for one in self.containers)


def run_status(task: Task, *, name: str = "", check: bool = False) -> tuple[StatusResult, ExitCode]:
    """Look; nothing is changed. With `check`, what does not match is an exit code of its own.

    Raises:
        SpecError: the spec is wrong.
        NotFound: there is no container `name`.
    """
    from shipway.store.store import Store

    project = read_project(task.directory, task.emit)
    found = check_lock(project)
    containers: tuple[ContainerStatus, ...] = ()
    if found.lock is not None:
        watched, unread = find_watched(project, found.lock, Store.open(emit=task.emit), task, name)
        containers = (*map(_status, watched), *map(_unread, unread))
    result = StatusResult(has_lock=found.lock is not None, drift=found.drift, containers=containers)
    return result, ExitCode.VERIFY if check and not result.same else ExitCode.OK


def _status(one: Watched) -> ContainerStatus:
    return ContainerStatus(
        name=one.label,
        target=one.target,
        running=one.running,
        older=one.older,
        python=one.installed.python,
        os=one.installed.os,
        others=_by_folder(one.installed.others),
    )


def _unread(one: Unread) -> ContainerStatus:
    return ContainerStatus(
        name=one.label,
        target=one.target,
        running=one.running,
        older=False,
        python=(),
        os=(),
        others=(),
        unread=one.why,
    )


def _by_folder(paths: Iterable[str]) -> tuple[tuple[str, int], ...]:
    counts = Counter("/".join(path.split("/")[:-1][:_DEPTH]) or "." for path in paths)
    return tuple(sorted(counts.items()))
