"""The one error type, its kinds, and the table of exit codes.

A room raises; only `cli` renders and exits. Hints are data: each is one next step, without a full stop.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class ExitCode(IntEnum):
    """What the process answers. `run`, `exec` and others pass a command's own code; ours then stay at 125 to 127."""

    OK = 0
    FAILED = 1
    """Something failed that no other code names."""
    USAGE = 2
    """The command line is wrong."""
    SPEC = 10
    """The spec is missing, unreadable or contradicts itself."""
    LOCK_STALE = 11
    """`lock --check`, `--locked`: the lock does not match the spec."""
    LOCK_FORMAT = 12
    """The lock cannot be read, or a newer shipway wrote it."""
    CONFLICT = 13
    """The requirements cannot be satisfied together."""
    NOT_FOUND = 14
    """A package, version, suite or interpreter does not exist."""
    FETCH = 15
    """A mirror or index did not deliver."""
    HASH_MISMATCH = 16
    """What was delivered is not what the lock names."""
    VANISHED = 17
    """A locked artifact is offered nowhere any more."""
    SIGNATURE = 18
    """An archive's signature does not verify, or is not valid now."""
    HOSTILE = 19
    """An archive member, a name or a link tries to escape, or the file contradicts itself."""
    BUILD = 20
    """A maintainer script, a wheel build or a build command failed."""
    STORE = 21
    """The store is damaged, locked too long, or of a newer format."""
    NO_SPACE = 22
    """A disk or quota is full."""
    SANDBOX = 23
    """This host refuses what the sandbox needs."""
    VERIFY = 24
    """`verify` found differences."""
    LIMIT = 25
    """A resource limit was asked for that this host cannot set."""
    OFFLINE = 26
    """Needs the network, and `--offline` was given."""
    DOCTOR = 27
    """`doctor` found an error."""
    ENGINE = 125
    """`run`, `shell`, `exec`, `attach`, `debug`: the command did not begin, for whatever reason. Others: an engine does not
    answer, or a container is not in the state that is needed."""
    NOT_EXECUTABLE = 126
    """The same: the command cannot be executed."""
    COMMAND_NOT_FOUND = 127
    """The same: the command is not in the environment."""
    INTERRUPTED = 130
    """Ctrl-C; 128 + n for any other signal n."""


class ToolError(Exception):
    """A failure with everything a person needs: what happened to what, and what to do next."""

    code: ExitCode = ExitCode.FAILED

    def __init__(
        self, message: str, *, hints: Sequence[str] = (), code: ExitCode | None = None, detail: str = ""
    ) -> None:
        """`message`: what happened, to which thing (in backticks). `hints`: next steps.

        `detail`: foreign output, kept verbatim.
        """
        super().__init__(message)
        self.message = message
        self.hints = tuple(hints)
        self.detail = detail
        if code is not None:
            self.code = code

    def __reduce__(self) -> tuple[object, ...]:
        return (_revive, (type(self), self.message, self.hints, self.code, self.detail))


def _revive(
    kind: type[ToolError], message: str, hints: tuple[str, ...], code: ExitCode, detail: str
) -> ToolError:
    error = kind.__new__(kind)
    ToolError.__init__(error, message, hints=hints, code=code, detail=detail)
    return error


class SpecError(ToolError):
    """The spec is missing, unreadable or wrong."""

    code = ExitCode.SPEC


class LockStale(ToolError):
    """The lock does not match the spec."""

    code = ExitCode.LOCK_STALE


class LockFormatError(ToolError):
    """The lock file cannot be read."""

    code = ExitCode.LOCK_FORMAT


class ConflictError(ToolError):
    """No set of versions satisfies the requirements."""

    code = ExitCode.CONFLICT


class NotFound(ToolError):
    """A named package, version, suite or interpreter does not exist."""

    code = ExitCode.NOT_FOUND


class FetchError(ToolError):
    """Bytes could not be had from any location."""

    code = ExitCode.FETCH


class HashMismatch(ToolError):
    """Delivered bytes differ from the lock, twice."""

    code = ExitCode.HASH_MISMATCH


class Vanished(ToolError):
    """A locked artifact is at no known location. `names` lists them."""

    code = ExitCode.VANISHED

    def __init__(self, message: str, *, names: Sequence[str] = (), hints: Sequence[str] = ()) -> None:
        super().__init__(message, hints=hints)
        self.names = tuple(names)

    def __reduce__(self) -> tuple[object, ...]:
        return (_revive_vanished, (self.message, self.names, self.hints))


def _revive_vanished(message: str, names: tuple[str, ...], hints: tuple[str, ...]) -> Vanished:
    return Vanished(message, names=names, hints=hints)


class SignatureError(ToolError):
    """An archive's signature chain does not hold."""

    code = ExitCode.SIGNATURE


class HostileInput(ToolError):
    """An input breaks a rule that honest inputs keep."""

    code = ExitCode.HOSTILE


class BuildError(ToolError):
    """A script or a build step failed."""

    code = ExitCode.BUILD


class StoreError(ToolError):
    """The store cannot be used as it is."""

    code = ExitCode.STORE


class NoSpace(ToolError):
    """A disk or quota is full."""

    code = ExitCode.NO_SPACE


class SandboxError(ToolError):
    """The host refuses something the sandbox needs."""

    code = ExitCode.SANDBOX


class VerifyError(ToolError):
    """Something differs from what it should be."""

    code = ExitCode.VERIFY


class LimitError(ToolError):
    """A limit cannot be set on this host."""

    code = ExitCode.LIMIT


class OfflineError(ToolError):
    """The network is needed and was forbidden."""

    code = ExitCode.OFFLINE


class EngineError(ToolError):
    """A container could not be started."""

    code = ExitCode.ENGINE
