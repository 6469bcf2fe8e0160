"""Where a locked artifact can be had on this host: each kind asked in its own way."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

from shipway.lock.model import Deb, PythonLock
from shipway.verbs.network import read_host_mirrors
from shipway.verbs.workshop import read_project_indexes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipway.build.context import Artifact, Locate
    from shipway.host.http import Fetcher
    from shipway.host.location import Location
    from shipway.host.mirrors import Mirrors
    from shipway.lock.model import Lock
    from shipway.store.store import Store
    from shipway.verbs.project import Project


def open_locate(project: Project, lock: Lock, store: Store, fetcher: Fetcher) -> Locate:
    """A function from artifact to addresses, best first. Safe to call from several threads."""
    from shipway.resolve.wheel_locations import WheelLocator

    mirrors = read_host_mirrors()
    moments = {archive.alias: archive.date for archive in lock.archives}
    wheels = WheelLocator(read_project_indexes(project.spec, project.folder), fetcher, store)

    def locate(artifact: Artifact) -> Sequence[Location]:
        if isinstance(artifact, Deb):
            return deb_locations(artifact, mirrors, moments.get(artifact.archive, ""))
        if isinstance(artifact, PythonLock):
            from shipway.resolve.interpreter import python_locations

            return python_locations(artifact, os.environ)
        return list(wheels.locate(artifact))

    return locate


def deb_locations(deb: Deb, mirrors: Mirrors, moment: str) -> list[Location]:
    """Every mirror of the archive, then its snapshot services at the moment of the lock (`YYYY-MM-DDTHH:MM:SSZ`)."""
    snapshots: Iterable[str] = ()
    if moment:
        snapshots = mirrors.snapshots_of(deb.archive, moment.replace("-", "").replace(":", ""))
    roots = itertools.chain(mirrors.of(deb.archive), snapshots)
    return [mirrors.location(root, deb.path) for root in dict.fromkeys(roots)]
