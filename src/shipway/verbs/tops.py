"""What containers have written outside their mounts, counted and listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shipway.core.manifest import DIRECTORY
from shipway.run.life.lives import life_of

if TYPE_CHECKING:
    from shipway.run.life.lives import Changed
    from shipway.run.life.model import Container


class Own(NamedTuple):
    """Files of a container's own."""

    files: int
    size: int
    """Bytes, where they are known."""


def list_changes(container: Container) -> tuple[Changed, ...]:
    """By path."""
    return tuple(sorted(life_of(container.engine).changed(container)))


def measure_own(container: Container) -> Own:
    """How much there is, but for what `add` and `remove` have brought in from the store."""
    files = [one for one in list_changes(container) if one.kind != DIRECTORY]
    if files and (container.record.begun or container.supervised):
        own = _read_own_paths(container)
        files = [one for one in files if own is None or one.path in own]
    return Own(len(files), sum(one.size for one in files))


def _read_own_paths(container: Container) -> frozenset[str] | None:
    """None: the store has lost what would tell."""
    from shipway.core.errors import StoreError
    from shipway.core.events import silent
    from shipway.store.store import Store
    from shipway.verbs.bringing import read_own, trees_of

    store = Store.open(emit=silent)
    try:
        top, _ = read_own(container, trees_of(container.environment.keys, store), store)
    except StoreError:
        return None
    return frozenset(one.path for one in top.written)


def count_own_files(container: Container) -> int:
    """Files, links and removals; folders do not count."""
    return measure_own(container).files
