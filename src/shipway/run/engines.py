"""The engines, by name. One more is one file and one line here, and then the contract suite must pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from shipway.run import native

if TYPE_CHECKING:
    from shipway.core.events import Emit
    from shipway.run.model import Merge, Outcome, RunRequest


class Engine(Protocol):
    """What starts containers."""

    @property
    def name(self) -> str:
        """As `--engine` names it."""
        ...

    def describe(self, request: RunRequest) -> tuple[str, ...]:
        """What `run` would do, one line per step; does nothing."""
        ...

    def run(
        self, request: RunRequest, *, state: str, runtime: str, emit: Emit, merge: Merge | None = None
    ) -> Outcome:
        """Run the container to its end, with the caller's terminal and streams.

        Raises:
            EngineError: it could not be started.
            LimitError: a limit cannot be set here.
        """
        ...


class NativeEngine:
    """The kernel alone."""

    name = native.NAME

    def describe(self, request: RunRequest) -> tuple[str, ...]:
        """The sandbox's steps."""
        return native.describe_native(request)

    def run(
        self, request: RunRequest, *, state: str, runtime: str, emit: Emit, merge: Merge | None = None
    ) -> Outcome:
        """See `native.run_native`."""
        return native.run_native(request, state=state, runtime=runtime, emit=emit, merge=merge)


ENGINES: dict[str, Engine] = {native.NAME: NativeEngine()}
