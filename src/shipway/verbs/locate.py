"""Where a locked artifact can be had on this host: each kind asked in its own way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.core.errors import NotFound
from shipway.core.events import Note
from shipway.core.text import shown
from shipway.lock.model import BaseLayer, DataFile, Deb, PythonLock
from shipway.verbs.network import read_host_mirrors
from shipway.verbs.workshop import read_project_indexes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shipway.build.context import Artifact, Locate
    from shipway.build.vendor import Vendor
    from shipway.host.http import Fetcher
    from shipway.host.location import Location
    from shipway.lock.model import Lock
    from shipway.store.store import Store
    from shipway.verbs.context import Task
    from shipway.verbs.project import Project


def open_locate(
    project: Project, lock: Lock, store: Store, fetcher: Fetcher, task: Task, *, but_not: str = ""
) -> Locate:
    """A function from artifact to addresses, best first: what was collected, then mirrors and indexes. Safe for several threads.

    `but_not`: a vendor folder that is being written.

    Raises:
        NotFound, HostileInput, ToolError: the task names a vendor folder or bundle that is none.
    """
    from shipway.resolve.deb_locations import deb_locations
    from shipway.resolve.wheel_locations import WheelLocator

    mirrors = read_host_mirrors()
    wheels = WheelLocator(read_project_indexes(project.spec, project.folder), fetcher, store)

    def elsewhere(artifact: Artifact) -> Iterable[Location]:
        if isinstance(artifact, Deb):
            return deb_locations(artifact, lock.archives, mirrors)
        if isinstance(artifact, PythonLock):
            from shipway.resolve.interpreter import python_locations

            return python_locations(artifact, os.environ)
        if isinstance(artifact, BaseLayer):
            return ()  # `verbs.bases` has brought it, or nobody can
        if isinstance(artifact, DataFile):
            from shipway.resolve.data import data_locations

            return data_locations(artifact, os.environ)
        # Lazy: a page is asked for only when a remembered address fails.
        return wheels.locate(artifact)

    from shipway.build.artifacts import name_of_artifact

    vendor = find_vendor(project, task)
    if vendor is None or (but_not and vendor.path == os.path.realpath(but_not)):
        return elsewhere

    def locate(artifact: Artifact) -> Iterator[Location]:
        place = vendor.find(artifact)
        if place is not None:
            yield place
            # Whoever asks on was not content with it.
            name = name_of_artifact(artifact)
            task.emit(
                Note(
                    f"`{shown(name)}` in `{shown(vendor.path)}` is damaged; other places are asked", "warning"
                )
            )
        yield from elsewhere(artifact)

    return locate


def find_vendor(project: Project, task: Task) -> Vendor | None:
    """The vendor folder or bundle of `task`, or that of the spec; None where there is none.

    Raises:
        NotFound, HostileInput, ToolError: the task names one that is none.
    """
    from shipway.build.vendor import open_vendor

    if task.vendor:
        return open_vendor(task.vendor)
    if not project.spec.vendor:
        return None
    try:
        return open_vendor(os.path.join(project.folder, project.spec.vendor))
    except NotFound as missing:
        task.emit(Note(f"{missing.message}, which the spec names; artifacts come from elsewhere", "warning"))
        return None
