"""`wait`: until containers or services are over, and how they ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shipway.core.errors import NotFound
from shipway.core.events import Note
from shipway.host.dirs import state_dir
from shipway.run.life import client
from shipway.run.life.journal import read_events
from shipway.run.life.lives import life_of
from shipway.run.life.model import State
from shipway.verbs.containers import LIVES, require_service
from shipway.verbs.starting import IDLE

if TYPE_CHECKING:
    from shipway.core.events import Emit
    from shipway.run.life.model import Container
    from shipway.verbs.containers import Named

_POLL = 0.05


def wait_for(named: Named, emit: Emit) -> int:
    """Wait until it is over, and say why it ended where there is more to say than its exit code, which is returned.

    Raises:
        EngineError: its engine does not answer.
    """
    container, service = named
    client.require_known(container)
    if service:
        return _wait_service(container, service, emit)
    if container.status.state in LIVES and container.record.asked.argv == IDLE and container.record.own:
        name = container.name
        emit(Note(f"`{name}` runs until somebody ends it; a job in it or beside it has a name: `shipway ps`"))
    while container.status.state in LIVES or container.status.state is State.CREATED:
        time.sleep(_POLL)
        try:
            container = client.find_container(state_dir(), container.id)
        except NotFound:  # it was removed at its end
            return _code_of_end(container)
        client.require_known(container)
    if container.record.lasting and not container.record.options.rm:
        life_of(container.engine).refresh(container)  # what keeps its log knows more of the end
        container = client.find_container(state_dir(), container.id)
    if container.status.reason:
        emit(Note(f"`{container.name}`: {container.status.reason}", "warning"))
    return container.status.code


def _code_of_end(container: Container) -> int:
    """As the journal has it, for one that is no longer there."""
    codes = [one.code for one in read_events(state_dir()) if one.id == container.id and one.what == "die"]
    return codes[-1] or 0 if codes else container.status.code


def _wait_service(container: Container, name: str, emit: Emit) -> int:
    while not (found := require_service(container, name)).ended:
        time.sleep(_POLL)
    if found.reason:
        emit(Note(f"`{container.name}/{name}`: {found.reason}", "warning"))
    return found.code
