"""Where a locked artifact can be had on this host: each kind asked in its own way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.lock.model import Deb, PythonLock
from shipway.verbs.network import read_host_mirrors
from shipway.verbs.workshop import read_project_indexes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipway.build.context import Artifact, Locate
    from shipway.host.http import Fetcher
    from shipway.host.location import Location
    from shipway.lock.model import Lock
    from shipway.store.store import Store
    from shipway.verbs.project import Project


def open_locate(project: Project, lock: Lock, store: Store, fetcher: Fetcher) -> Locate:
    """A function from artifact to addresses, best first. Safe to call from several threads."""
    from shipway.resolve.deb_locations import deb_locations
    from shipway.resolve.wheel_locations import WheelLocator

    mirrors = read_host_mirrors()
    wheels = WheelLocator(read_project_indexes(project.spec, project.folder), fetcher, store)

    def locate(artifact: Artifact) -> Iterable[Location]:
        if isinstance(artifact, Deb):
            return deb_locations(artifact, lock.archives, mirrors)
        if isinstance(artifact, PythonLock):
            from shipway.resolve.interpreter import python_locations

            return python_locations(artifact, os.environ)
        # Lazy: a page is asked for only when a remembered address fails.
        return wheels.locate(artifact)

    return locate
