"""What a lock has to know of the data of a target (pure): read by every check of a lock, so no network client is loaded here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.lock.model import DataUse

if TYPE_CHECKING:
    from shipway.spec.model import DataSource, Target


def source_of(data: DataSource) -> str:
    """What the lock calls where `data` come from; empty for what is not fetched."""
    return data.url or (f"{data.hub}@{data.revision}" if data.hub else "")


def lock_uses(target: Target) -> tuple[DataUse, ...]:
    """What the lock has to know of the data of `target`: all that is fetched or copied."""
    return tuple(
        DataUse(
            name=data.name,
            source=source_of(data),
            target=data.target,
            unpack=data.unpack,
            copy=data.copy,
            files=data.files,
            folder=data.folder,
        )
        for data in target.data
        if data.fetched or data.copy
    )
