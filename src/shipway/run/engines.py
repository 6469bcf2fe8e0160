"""The engines, by name. One more is one file and one line here, and then the contract suite must pass."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from shipway.run import native

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.core.events import Emit
    from shipway.image.portable import PortableImage
    from shipway.run.model import Merge, Outcome, RunRequest
    from shipway.run.oci.command import Dialect

    MakeImage = Callable[[], PortableImage]


class Engine(Protocol):
    """What starts containers."""

    @property
    def name(self) -> str:
        """As `--engine` names it."""
        ...

    def describe(self, request: RunRequest, image: MakeImage, *, lasting: bool = False) -> tuple[str, ...]:
        """What `run` would do, one line per step; does nothing. `lasting`: for a container that lives on.

        Raises:
            EngineError: the engine cannot do what is asked.
        """
        ...

    def run(
        self,
        request: RunRequest,
        *,
        state: str,
        runtime: str,
        emit: Emit,
        image: MakeImage,
        merge: Merge | None = None,
    ) -> Outcome:
        """Run the container to its end, with the caller's terminal and streams.

        `image`: makes the image of the same environment, for engines that do not mount trees.

        Raises:
            EngineError: it could not be started.
            LimitError: a limit cannot be set here.
        """
        ...


class NativeEngine:
    """The kernel alone."""

    name = native.NAME

    def describe(self, request: RunRequest, image: MakeImage, *, lasting: bool = False) -> tuple[str, ...]:
        """The sandbox's steps."""
        del image, lasting
        return native.describe_native(request)

    def run(
        self,
        request: RunRequest,
        *,
        state: str,
        runtime: str,
        emit: Emit,
        image: MakeImage,
        merge: Merge | None = None,
    ) -> Outcome:
        """See `native.run_native`."""
        del image
        return native.run_native(request, state=state, runtime=runtime, emit=emit, merge=merge)


class OciEngine:
    """Docker or Podman, by its own program."""

    def __init__(self, name: str) -> None:
        self.name = name

    def describe(self, request: RunRequest, image: MakeImage, *, lasting: bool = False) -> tuple[str, ...]:
        """The engine's command line."""
        from shipway.run.oci.engine import describe_oci  # noqa: PLC0415 - a native run needs none of it

        del lasting
        return describe_oci(request, self._dialect(), image)

    def run(
        self,
        request: RunRequest,
        *,
        state: str,
        runtime: str,
        emit: Emit,
        image: MakeImage,
        merge: Merge | None = None,
    ) -> Outcome:
        """See `oci.engine.run_oci`."""
        from shipway.run.oci.engine import run_oci  # noqa: PLC0415 - a native run needs none of it

        del runtime, merge
        return run_oci(request, self._dialect(), state=state, emit=emit, image=image)

    def _dialect(self) -> Dialect:
        from shipway.run.oci.docker import DOCKER  # noqa: PLC0415 - a native run needs none of it
        from shipway.run.oci.podman import podman_for  # noqa: PLC0415 - a native run needs none of it

        return DOCKER if self.name == "docker" else podman_for(os.geteuid())


class ApptainerEngine:
    """Apptainer, by its own program."""

    name = "apptainer"

    def describe(self, request: RunRequest, image: MakeImage, *, lasting: bool = False) -> tuple[str, ...]:
        """Apptainer's command line."""
        from shipway.run.apptainer_engine import describe_apptainer  # noqa: PLC0415 - a native run needs none of it

        del image
        return describe_apptainer(request, lasting=lasting)

    def run(
        self,
        request: RunRequest,
        *,
        state: str,
        runtime: str,
        emit: Emit,
        image: MakeImage,
        merge: Merge | None = None,
    ) -> Outcome:
        """See `apptainer_engine.run_apptainer`."""
        from shipway.run.apptainer_engine import run_apptainer  # noqa: PLC0415 - a native run needs none of it

        del runtime, image
        return run_apptainer(request, state=state, emit=emit, merge=merge)


ENGINES: dict[str, Engine] = {
    native.NAME: NativeEngine(),
    "docker": OciEngine("docker"),
    "podman": OciEngine("podman"),
    "apptainer": ApptainerEngine(),
}
