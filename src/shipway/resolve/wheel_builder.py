"""The seam to the sandbox: what has to be built to a wheel, and the one who can do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shipway.core.digest import BlobDigest
from shipway.lock.model import Wheel
from shipway.resolve.wheel_request import WheelRequest
from shipway.sources.values import SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelJob:
    """Build one wheel, without network, for the target of `request`."""

    name: str
    version: str
    """Empty where only the build can tell."""
    files: tuple[SourceFile, ...]
    """The source tree: an sdist's content, a commit's, or a folder's."""
    subdirectory: str
    request: WheelRequest
    requires: tuple[Wheel, ...]
    """What the build environment holds."""
    epoch: int = 315532800
    """SOURCE_DATE_EPOCH of the build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltWheel:
    """The result, or what is still missing for it."""

    filename: str = ""
    path: str = ""
    """The file on this host, under any name."""
    sha256: BlobDigest | None = None
    size: int = 0
    needs: tuple[str, ...] = ()
    """Requirements that the build backend asked for and the environment lacks; then there is no file."""


class WheelBuilder(Protocol):
    """Builds in the sandbox."""

    def build_wheel(self, job: WheelJob) -> BuiltWheel:
        """The wheel of `job`.

        Raises:
            BuildError: the build failed; its output is the detail.
        """
        ...
