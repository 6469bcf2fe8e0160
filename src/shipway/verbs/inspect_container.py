"""`inspect NAME` of a container: how it stands, and all that was decided about it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import NotFound
from shipway.host.dirs import state_dir
from shipway.run.describe import describe_run
from shipway.run.life import client
from shipway.run.model import LogOptions, Restart
from shipway.run.start import read_run

if TYPE_CHECKING:
    from shipway.run.life.model import Container, Service
    from shipway.run.model import RunRequest


__all__ = ["Inspected", "LogOptions", "Restart", "find_inspected"]


class Inspected(NamedTuple):
    """One container."""

    container: Container
    services: tuple[Service, ...]
    request: RunRequest
    """As it would be started now."""
    lines: tuple[str, ...]
    """`request` in words, without the values of variables."""


def find_inspected(name: str) -> Inspected | None:
    """The container that `name` means; None when there is none, for it may be an image's name."""
    if not name or ":" in name or "/" in name:
        return None
    state = state_dir()
    try:
        container = client.find_container(state, name)
    except NotFound:
        return None
    request = read_run(container.environment, container.record.asked, environ=os.environ, state=state)
    return Inspected(
        container,
        client.list_services(container),
        request,
        describe_run(request, lasting=container.record.lasting),
    )
