"""The words that say how long a container lives, as values (pure)."""

from __future__ import annotations

from shipway.run.model import LifeOptions, Restart, RestartKind

__all__ = ["LifeOptions", "parse_life", "parse_restart"]


def parse_life(*, name: str, detach: bool, interactive: bool, rm: bool, restart: str) -> LifeOptions:
    """The options; `restart` has one of its forms or is empty."""
    return LifeOptions(
        name=name, detach=detach, interactive=interactive, rm=rm, restart=parse_restart(restart)
    )


def parse_restart(text: str) -> Restart:
    """A policy from `no`, `on-failure[:TIMES]`, `always`, `unless-stopped`; empty: `no`.

    Raises:
        ValueError: it is none.
    """
    kind, _, most = text.partition(":")
    return Restart(RestartKind(kind or "no"), int(most or 0))
