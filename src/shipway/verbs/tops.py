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
    """How much there is."""
    files = [one for one in list_changes(container) if one.kind != DIRECTORY]
    return Own(len(files), sum(one.size for one in files))


def count_own_files(container: Container) -> int:
    """Files, links and removals; folders do not count."""
    return measure_own(container).files
