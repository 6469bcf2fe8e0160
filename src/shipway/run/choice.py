"""Which engine runs a container when nobody said and our own cannot: the first that is here and answers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError
from shipway.core.events import Note
from shipway.host.proc import Command, find_tool, run
from shipway.run.apptainer import NAME as APPTAINER
from shipway.run.engines import ENGINES
from shipway.run.oci.docker import DOCKER
from shipway.run.oci.podman import podman_for
from shipway.run.oci.program import Program

if TYPE_CHECKING:
    from shipway.core.events import Emit
    from shipway.run.engines import MakeImage
    from shipway.run.model import Merge, Outcome, RunRequest
    from shipway.run.native import HostRefuses


class Other(NamedTuple):
    """An engine that answers."""

    name: str
    """As `--engine` calls it."""
    title: str


def find_answering() -> Other | None:
    """Docker, else Podman, else Apptainer, if its program is here and, where it has a service, that answers the caller."""
    for dialect in (DOCKER, podman_for(os.geteuid())):
        path = find_tool(dialect.name)
        if path is not None and Program(dialect, path).ask(*dialect.about).code == 0:
            return Other(dialect.name, dialect.title)
    path = find_tool(APPTAINER)
    if path is not None and run(Command(argv=(path, "--version"), env=os.environ)).code == 0:
        return Other(APPTAINER, "Apptainer")
    return None


def run_instead(
    refusal: HostRefuses,
    request: RunRequest,
    *,
    asked: bool,
    state: str,
    emit: Emit,
    image: MakeImage,
    merge: Merge | None,
) -> Outcome:
    """Run `request`, which our own engine cannot, with another one. `asked`: our own was asked for by name.

    Raises:
        EngineError: it was, or no other answers; or the other could not run it.
    """
    other = find_answering()
    if other is None:
        hint = "or install Podman (`podman`) or Docker (`docker.io`), which is used then"
        raise EngineError(refusal.message, hints=(*refusal.hints, hint)) from refusal
    if asked:
        hint = f"{other.title} is here and answers: `--engine {other.name}`"
        raise EngineError(refusal.message, hints=(*refusal.hints, hint)) from refusal
    emit(Note(f"{refusal.message}; {other.title}, which is here, runs it instead", "warning"))
    told = request._replace(notes=())
    return ENGINES[other.name].run(told, state=state, runtime="", emit=emit, image=image, merge=merge)
