"""Running containers brought up to new trees, without being started again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError, StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from shipway.run.life.model import Container
    from shipway.run.model import Environment
    from shipway.run.top.installed import Installed, Top
    from shipway.run.top.trees import TreeChanges, TreeFiles
    from shipway.store.store import Store
    from shipway.verbs.prepare import Prepared

_AT_ITS_NEXT = "was started by `run` and has what is new at its next start"


class Brought(NamedTuple):
    """One running container, and what became of it."""

    name: str
    puts: int = 0
    """Files and links that were put into it."""
    removals: int = 0
    refused: str = ""
    """Why it stays as it is; empty: it is up to date."""


def find_running(project: str) -> tuple[Container, ...]:
    """Containers of the project's own environment that run now."""
    from shipway.host.dirs import state_dir
    from shipway.run.life import client

    return tuple(
        one
        for one in client.list_containers(state_dir())
        if one.project == project and one.running and not one.record.image
    )


def find_silent(project: str) -> tuple[Brought, ...]:
    """Containers of the project whose engine does not answer."""
    from shipway.host.dirs import state_dir
    from shipway.run.life import client

    return tuple(
        Brought(one.name, refused=one.status.reason)
        for one in client.list_containers(state_dir())
        if one.project == project and one.status.state is client.State.UNKNOWN and not one.record.image
    )


def bring_up(
    container: Container, prepared: Prepared, environment: Environment, names: Collection[str]
) -> Brought:
    """Give a running container the files of `environment`, whose trees are `prepared`.

    `names`: Python packages whose own copies in the container give way.
    """
    if not container.environment.keys:
        return Brought(container.name, refused=_AT_ITS_NEXT)
    if container.record.asked.read_only:
        return Brought(container.name, refused="its root is read-only: `shipway up --recreate` makes it anew")
    new = read_trees(prepared)
    try:
        store = prepared.planned.store
        old = trees_of(container.environment.keys, store)
        top, installed = read_own(container, old, store, compare=False)
        changes = _changes(old, new, top, installed, names)
        if changes.fixed:
            what = f"`/{changes.fixed[0]}` cannot change while it runs"
            return Brought(container.name, refused=f"{what}: `shipway up --recreate` makes it anew")
        return apply_to(container, changes, environment)
    except (EngineError, StoreError) as error:
        last = error.detail.strip().rpartition("\n")[2]
        return Brought(container.name, refused=f"{error.message}: {last}" if last else error.message)


def _changes(
    old: Sequence[TreeFiles],
    new: Sequence[TreeFiles],
    top: Top,
    installed: Installed,
    names: Collection[str],
) -> TreeChanges:
    """The way from `old` to `new`, the container's own copies of the Python packages `names` replaced as well."""
    from shipway.run.top.trees import TreeChanges, plan_changes, plan_restore

    copies = frozenset[str]().union(*(one.paths for one in installed.python if one.name in names))
    own = [one.path for one in top.written if one.what == "A" and one.path not in copies]
    changes = plan_changes(old, new, own=own)
    if not copies:
        return changes
    restored = plan_restore(copies, new, gone=top.gone)
    puts = {put.path: put for put in (*changes.puts, *restored.puts)}
    return TreeChanges(
        tuple(dict.fromkeys((*changes.removals, *restored.removals))),
        tuple(puts[path] for path in sorted(puts)),
    )


def apply_to(container: Container, changes: TreeChanges, environment: Environment) -> Brought:
    """Carry out `changes`, and note that the container is one of `environment` from now on.

    Raises:
        EngineError: it could not be done.
    """
    from shipway.core.manifest import DIRECTORY
    from shipway.run.life import client

    if changes.removals or changes.puts:
        client.apply_changes(container, changes.removals, changes.puts)
    client.record_applied(container, environment)
    files = sum(put.kind != DIRECTORY for put in changes.puts)
    return Brought(container.name, files, len(changes.removals))


def read_trees(prepared: Prepared) -> tuple[TreeFiles, ...]:
    """The trees of `prepared`, bottom first."""
    from shipway.run.top.trees import TreeFiles

    return tuple(TreeFiles(tree.root, tree.manifest_text()) for tree in prepared.trees)


def trees_of(keys: Sequence[str], store: Store) -> tuple[TreeFiles, ...]:
    """The trees of an environment's `keys` (the top one first), bottom first.

    Raises:
        StoreError: the store has lost one.
    """
    from shipway.core.digest import TreeKey
    from shipway.run.top.trees import TreeFiles

    found = []
    for key in reversed(keys):
        tree = store.find_tree(TreeKey(key))
        if tree is None:
            raise StoreError(
                "what the container was made of is no longer in the store",
                hints=["make it anew: `shipway up --recreate`"],
            )
        found.append(TreeFiles(tree.root, tree.manifest_text()))
    return tuple(found)


def read_own(
    container: Container, trees: Sequence[TreeFiles], store: Store, *, compare: bool = True
) -> tuple[Top, Installed]:
    """What the container has written over `trees`, and what of it was installed. `compare`: see `read_engine_top`.

    Raises:
        EngineError: its engine does not answer, or keeps no such list.
        StoreError: the store has lost a tree that it began with.
    """
    from shipway.run.top.installed import Written, find_installed
    from shipway.run.top.trees import find_lost

    top = _read_top(container, trees, compare=compare)
    if container.record.begun:
        there = {*(one.path for one in top.written), *top.same}
        lost = find_lost(trees_of(container.record.begun, store), trees, there)
        top = top.without(Written(path, "D") for path in lost)
    return top, find_installed(top)


def _read_top(container: Container, trees: Sequence[TreeFiles], *, compare: bool) -> Top:
    from shipway.host.files import translating_disk_errors

    if container.supervised:
        from shipway.run.top.kept import places_of_mounts
        from shipway.run.top.of_upper import read_upper

        places = places_of_mounts(container.environment, container.record.asked)
        with translating_disk_errors(f"read what `{container.name}` has written"):
            return read_upper(f"{container.folder}/upper", trees, places)
    from shipway.run.life.lives import life_of
    from shipway.run.top.of_engine import read_engine_top

    return read_engine_top(container, life_of(container.engine).changed(container), trees, compare=compare)
