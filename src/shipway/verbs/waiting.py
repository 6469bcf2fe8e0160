"""`wait`: until containers or services are over, and how they ended.

A container that went away at its end, as `--rm` asks, has told the journal how. By its name another one may be meant, so only its
id leads there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import NotFound
from shipway.core.events import Note
from shipway.host.dirs import state_dir
from shipway.run.life import client
from shipway.run.life.journal import read_events
from shipway.run.life.lives import life_of
from shipway.run.life.model import State
from shipway.run.life.records import KILLED
from shipway.verbs.containers import LIVES, find_named, require_service
from shipway.verbs.starting import IDLE

if TYPE_CHECKING:
    from shipway.core.events import Emit
    from shipway.run.life.journal import Event
    from shipway.run.life.model import Container
    from shipway.verbs.containers import Named
    from shipway.verbs.context import Task

_POLL = 0.05


class Gone(NamedTuple):
    """A container that is no longer there."""

    name: str
    code: int
    """How it ended."""


def find_awaited(name: str, task: Task) -> Named | Gone:
    """What `NAME`, `NAME/SERVICE` or an id means; an empty name is the project's own container.

    Raises:
        NotFound: there is none, and none was removed that had this id.
    """
    try:
        return find_named(name, task)
    except NotFound:
        last = _last_end(name)
        if last is None:
            raise
        return Gone(last.name, last.code or 0)


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
            last = _last_end(container.id)
            return KILLED if last is None else last.code or 0
        client.require_known(container)
    if container.record.lasting and not container.record.options.rm:
        life_of(container.engine).refresh(container)  # what keeps its log knows more of the end
        container = client.find_container(state_dir(), container.id)
    if container.status.reason:
        emit(Note(f"`{container.name}`: {container.status.reason}", "warning"))
    return container.status.code


def _last_end(identity: str) -> Event | None:
    """As the journal has it."""
    ends = [one for one in read_events(state_dir()) if one.id == identity and one.what == "die"]
    return ends[-1] if ends else None


def _wait_service(container: Container, name: str, emit: Emit) -> int:
    while not (found := require_service(container, name)).ended:
        time.sleep(_POLL)
    if found.reason:
        emit(Note(f"`{container.name}/{name}`: {found.reason}", "warning"))
    return found.code
