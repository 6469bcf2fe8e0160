"""The values of containers that live on."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from shipway.run.model import Environment, Invocation, LifeOptions, Port

TOOLS = "/opt/shipway"
"""Where the host's folder of tools is seen in every container that lives on."""
NETWORK = "network.json"
"""In a container's folder while it has a network of its own with a way out."""
SUPERVISED = ("native", "apptainer")
"""The engines whose containers a supervisor of ours runs, and whose writable tops lie in their own folders."""
MAIN = "main"
"""The service that is the container's own command."""


class State(StrEnum):
    """What a container does."""

    CREATED = "created"
    """Made, and not started yet."""
    RUNNING = "running"
    RESTARTING = "restarting"
    """Between two runs, by its restart policy."""
    PAUSED = "paused"
    EXITED = "exited"
    UNKNOWN = "unknown"
    """Its engine does not answer."""


class Status(NamedTuple):
    """How it stands, as its supervisor or its engine knows it."""

    state: State = State.CREATED
    pid: int = 0
    """The supervisor's, on the host; 0: none."""
    started: float = 0.0
    """Seconds since 1970; 0: never."""
    ended: float = 0.0
    code: int = 0
    """Of the last end: the command's own, or 128 + the signal that ended it."""
    restarts: int = 0
    memory_kills: int = 0
    reason: str = ""
    """Why it ended, where there is more to say than the code."""
    services: bool = False
    """Its supervisor has started services since the container was started."""
    lost: tuple[int, int] = (0, 0)
    """Bytes and lines of its output that could not be written to its log, and of which the log does not say so."""
    ports: tuple[Port, ...] = ()
    """Those that the host shows now, each with its number there."""
    lost_network: str = ""
    """The container whose network it shares, where that one has ended since: then nothing outside is reached any more."""


class Record(NamedTuple):
    """What a container was made from; enough to start it again."""

    id: str
    """Twelve hexadecimal digits."""
    name: str
    engine: str
    environment: Environment
    asked: Invocation
    options: LifeOptions
    made: float
    """Seconds since 1970."""
    image: str = ""
    """The stored image that it is from; empty: the project's own environment."""
    lasting: bool = True
    """False: thrown away with the command that started it, which waits for it."""
    own: bool = False
    """The project's own container of its target, that `up` made."""
    engine_id: str = ""
    """The engine's own id of it."""
    begun: tuple[str, ...] = ()
    """Keys of the trees that lie below its top, where these are no longer the environment's; the rest was put into the top."""


def shm_size(record: Record) -> int | None:
    """Bytes of shared memory that were asked for; None: what is usual on its host."""
    return record.asked.shm_size or record.environment.options.shm_size


def memory_limit(record: Record) -> int | None:
    """Bytes of memory that it may have, as was asked for; None: as much as there is."""
    asked = record.asked.limits.memory
    return record.environment.options.limits.memory if asked is None else asked


class Container(NamedTuple):
    """One container, and how it stands."""

    record: Record
    status: Status
    folder: str
    """Its own folder on the host."""

    @property
    def name(self) -> str:
        """What it is called."""
        return self.record.name

    @property
    def id(self) -> str:
        """See `Record.id`."""
        return self.record.id

    @property
    def engine(self) -> str:
        """What runs it."""
        return self.record.engine

    @property
    def supervised(self) -> bool:
        """Whether it is a supervisor of ours that runs it, which also keeps what it writes as an overlay's upper folder."""
        return self.record.engine in SUPERVISED

    @property
    def project(self) -> str:
        """The project's folder."""
        return self.record.environment.project

    @property
    def target(self) -> str:
        """The project's target."""
        return self.record.environment.target

    @property
    def environment(self) -> Environment:
        """What it is made of."""
        return self.record.environment

    @property
    def running(self) -> bool:
        """Whether commands can be run in it."""
        return self.status.state in (State.RUNNING, State.PAUSED)


class Service(NamedTuple):
    """A command that runs beside a container's own, under the same supervisor."""

    name: str
    argv: tuple[str, ...]
    pid: int
    """Inside; 0 when it is over."""
    started: float
    """Seconds since 1970."""
    tty: bool = False
    ended: float = 0.0
    code: int = 0
    reason: str = ""
    """Why it ended, where there is more to say than the code."""


class Put(NamedTuple):
    """A file, folder or link for a container."""

    path: str
    """Relative to the root inside, normal."""
    kind: str
    """As in manifests: `core.manifest.FILE`, `DIRECTORY`, `SYMLINK`."""
    mode: int
    source: str = ""
    """The host's file whose bytes it gets."""
    target: str = ""
    """Of a link."""


class Captured(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    stdout: bytes
    stderr: bytes
