"""What resolving and building work with on this host, put together once per verb."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.verbs.network import read_host_mirrors

if TYPE_CHECKING:
    from shipway.host.http import Fetcher
    from shipway.host.indexes import IndexTable
    from shipway.lock.model import Lock
    from shipway.resolve.lock_spec import Resolvers
    from shipway.resolve.wheel_builder import WheelBuilder
    from shipway.spec.model import Spec
    from shipway.store.store import Store
    from shipway.verbs.context import Task
    from shipway.verbs.project import Project


def open_fetcher(task: Task) -> Fetcher:
    """The way to the network, or to none when the task is offline."""
    from shipway.host.http import Fetcher

    return Fetcher(offline=task.offline, emit=task.emit)


def read_project_indexes(spec: Spec, folder: str) -> IndexTable:
    """The Python indexes of this host and of the spec."""
    from shipway.host.indexes import read_indexes

    urls = {index.alias: index.url for index in spec.indexes if not index.folder}
    folders = {index.alias: os.path.join(folder, index.folder) for index in spec.indexes if index.folder}
    return read_indexes(os.environ, urls=urls, folders=folders)


def open_resolvers(project: Project, task: Task, store: Store) -> Resolvers:
    """What `resolve_spec` works with."""
    from shipway.resolve.lock_spec import Resolvers
    from shipway.verbs.bases import open_finder

    fetcher = open_fetcher(task)

    def make_builder(lock: Lock) -> WheelBuilder:
        from shipway.verbs.locate import open_locate
        from shipway.verbs.wheelhouse import Wheelhouse

        locate = open_locate(project, lock, store, fetcher, task)
        return Wheelhouse(
            lock, store=store, fetcher=fetcher, locate=locate, project=project.folder, emit=task.emit
        )

    return Resolvers(
        store=store,
        fetcher=fetcher,
        find_base=open_finder(project, task, store),
        make_builder=make_builder,
        mirrors=read_host_mirrors(),
        indexes=read_project_indexes(project.spec, project.folder),
        emit=task.emit,
    )
