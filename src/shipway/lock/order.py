"""The one order of a lock, so that equal choices are equal values and equal text."""

from __future__ import annotations

from dataclasses import replace

from shipway.lock.model import Lock


def in_order(lock: Lock) -> Lock:
    """`lock` with artifacts sorted by name and targets by name and platform.

    What a target lists keeps its order: the image depends on it.
    """
    return replace(
        lock,
        archives=tuple(sorted(lock.archives, key=lambda it: (it.alias, it.suite))),
        indexes=tuple(sorted(lock.indexes, key=lambda it: it.alias)),
        bases=tuple(sorted(lock.bases, key=lambda it: (it.name, it.platform, it.manifest))),
        debs=tuple(sorted(lock.debs, key=lambda it: (it.name, it.version, it.architecture))),
        wheels=tuple(sorted(lock.wheels, key=lambda it: (it.name, it.filename))),
        sources=tuple(sorted(lock.sources, key=lambda it: it.id)),
        data=tuple(sorted(lock.data, key=lambda it: (it.source, it.path))),
        targets=tuple(sorted(lock.targets, key=lambda it: (it.name, it.platform))),
    )
