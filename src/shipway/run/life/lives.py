"""What can be done with a container that lives on, whatever runs it: one protocol, one line for each engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from shipway.core.events import Emit, silent
from shipway.run.life.model import SUPERVISED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shipway.image.portable import PortableImage
    from shipway.run.life.model import Captured, Container, Put, Record, Service, Status
    from shipway.run.life.processes import Process
    from shipway.run.life.relay import Ends
    from shipway.run.model import Merge, RunRequest


class Asked(NamedTuple):
    """A command for a container that runs."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    """Beside the container's own variables."""
    cwd: str = ""
    """Absolute, or relative to the folder that the container starts in."""
    tty: bool = False
    user: str = ""
    """As `--user` writes it; empty: the container's own."""
    interactive: bool = True
    """Whether it gets the caller's standard input."""


class Changed(NamedTuple):
    """One path that was written outside mounts."""

    path: str
    """Relative to the root inside."""
    what: str
    """`A` added, `C` changed, `D` removed."""
    kind: str = ""
    """As in manifests; empty where the engine does not tell."""
    size: int = 0
    """Bytes of a file, where it is known."""


class Begin(NamedTuple):
    """All that a start needs."""

    record: Record
    folder: str
    state: str
    runtime: str
    read_request: Callable[[], RunRequest]
    image: Callable[[], PortableImage]
    merge: Merge | None
    emit: Emit
    keep: Sequence[int] = ()
    """Descriptors that hold what the container is made of."""
    ends: Ends | None = None
    """Whose streams the command gets, from its first byte on; None: nobody's."""


class Life(Protocol):
    """One engine's ways."""

    def statuses(self, pairs: Sequence[tuple[Record, str]]) -> list[Status | None]:
        """How these containers stand now; None for one that was removed since its record was read."""
        ...

    def begin(self, begin: Begin) -> int | None:
        """Start a container that does not run; the command's exit code when `begin.ends` stayed to its end, else None.

        Raises:
            ToolError: it could not be started.
        """
        ...

    def execute(self, container: Container, asked: Asked, ends: Ends, emit: Emit = silent) -> int | None:
        """Run one more command to its end; None when its terminal was left by the keys for that.

        Raises:
            EngineError: it could not be started (125), executed (126) or found (127).
        """
        ...

    def capture(self, container: Container, asked: Asked, data: bytes) -> Captured:
        """The same with `data` as its input, and its output kept."""
        ...

    def start_service(self, container: Container, name: str, asked: Asked) -> None:
        """Start a command that stays, with a name and a log of its own.

        Raises:
            EngineError: it could not be started, or the name is in use.
        """
        ...

    def services(self, container: Container) -> tuple[Service, ...]:
        """Those that run, and those that have ended since the container was started."""
        ...

    def stop(self, container: Container, patience: float, service: str = "") -> int:
        """End the container, or one service; returns its exit code. `patience`: seconds before it is killed."""
        ...

    def signal(self, container: Container, number: int, service: str = "") -> None:
        """Send a signal to the command, or to a service."""
        ...

    def attach(self, container: Container, service: str, ends: Ends, emit: Emit = silent) -> int | None:
        """Join the command's streams; its exit code, or None when it was left by the keys for that."""
        ...

    def apply(self, container: Container, removals: Sequence[str], puts: Iterable[Put]) -> None:
        """Take files out of the running container, and put others in."""
        ...

    def processes(self, container: Container) -> tuple[Process, ...]:
        """What runs inside."""
        ...

    def rename(self, container: Container, name: str) -> None:
        """Give it another name where the engine knows it by name; its record is the caller's to write."""
        ...

    def changed(self, container: Container) -> tuple[Changed, ...]:
        """What was written outside mounts since it was made, by path; what every start writes is not among it."""
        ...

    def refresh(self, container: Container) -> None:
        """Have whatever keeps its log do so."""
        ...

    def remove(self, container: Container) -> None:
        """Remove a container that does not run, with what it wrote outside mounts."""
        ...


def life_of(engine: str) -> Life:
    """The ways of `engine`, one of those that `--engine` knows."""
    if engine in SUPERVISED:
        from shipway.run.life.supervised_life import SupervisedLife  # noqa: PLC0415 - one of several

        return SupervisedLife()
    from shipway.run.life.oci_life import OciLife  # noqa: PLC0415 - one of several

    return OciLife(engine)
