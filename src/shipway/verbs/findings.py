"""What a check of `doctor` is: a name, a look at the machine, a finding, a remedy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from shipway.core.errors import ToolError

if TYPE_CHECKING:
    from shipway.host.location import Location


class Severity(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    INFO = "info"
    """Not there, and nothing needs it."""
    WARNING = "warning"
    """Works, but slower, or with something missing."""
    ERROR = "error"
    """Something needed does not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check saw."""

    name: str
    group: str
    severity: Severity
    finding: str
    remedy: str = ""
    """One next step; always there for warnings and errors."""


class Seen(NamedTuple):
    """The answer of a check's look, without its name."""

    severity: Severity
    finding: str
    remedy: str = ""


class Machine(Protocol):
    """What checks may look at. Tests give one of their own."""

    uid: int
    user: str
    offline: bool

    def text(self, path: str) -> str | None:
        """The file's text, or None."""

    def features(self) -> Mapping[str, str]:
        """Kernel features by name, as probed: empty text where it works, else why not."""

    def tool(self, name: str) -> str | None:
        """Absolute path of a program, or None."""

    def closed(self, path: str) -> str:
        """Why a device cannot be opened for reading and writing, or empty text."""

    def output(self, *argv: str) -> str | None:
        """First line that a program prints, or None when it fails."""

    def free(self, path: str) -> int:
        """Free bytes where `path` is or would be."""

    def filesystem(self, path: str) -> str:
        """Kind of the file system where `path` is or would be."""

    def now(self) -> float:
        """Seconds since 1970."""

    def places(self) -> Mapping[str, str]:
        """`store`, `state`, `runtime`, `project` with their folders."""

    def mirrors(self) -> Mapping[str, tuple[Location, ...]]:
        """OS archives with what to ask their mirrors for."""

    def indexes(self) -> Mapping[str, tuple[Location, ...]]:
        """Python indexes with what to ask them for."""

    def reach(self, place: Location) -> str:
        """Empty text when `place` answers, else why not."""

    def certificates(self) -> str:
        """Path of the certificate bundle that is used, or empty."""


class Check(NamedTuple):
    """One question to the machine."""

    name: str
    group: str
    look: Callable[[Machine], Seen]

    def run(self, machine: Machine) -> Finding:
        """Ask it. A configuration that cannot be read is a finding too."""
        try:
            seen = self.look(machine)
        except ToolError as error:
            seen = Seen(Severity.ERROR, error.message, "; ".join(error.hints))
        return Finding(
            name=self.name, group=self.group, severity=seen.severity, finding=seen.finding, remedy=seen.remedy
        )
