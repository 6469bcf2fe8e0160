"""Where an image of others lies: a transport and a place. The grammar is that of skopeo and podman, cut to what is read here.

`docker://REFERENCE` is in a registry, and so is a reference with a `/` that stands alone. `oci:FOLDER`, `oci-archive:FILE` and
`docker-archive:FILE` lie on disk; `:NAME` after the path chooses among several images. `docker-daemon:REFERENCE` and
`containers-storage:REFERENCE` belong to Docker and Podman, `stored:NAME` to shipway itself. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shipway.core.errors import ExitCode, ToolError
from shipway.core.reference import parse_reference
from shipway.core.text import shown


class Transport(StrEnum):
    """How an image is had."""

    REGISTRY = "docker"
    OCI = "oci"
    OCI_ARCHIVE = "oci-archive"
    DOCKER_ARCHIVE = "docker-archive"
    DOCKER = "docker-daemon"
    PODMAN = "containers-storage"
    STORED = "stored"


ON_DISK = frozenset({Transport.OCI, Transport.OCI_ARCHIVE, Transport.DOCKER_ARCHIVE})
"""Transports whose place is a path, relative to the project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """One image of others."""

    transport: Transport
    place: str
    """A whole reference, or a path."""
    name: str = ""
    """Of a path: which of its images; empty: its only one."""

    def __str__(self) -> str:
        if self.transport is Transport.REGISTRY:
            return f"docker://{self.place}"
        return f"{self.transport}:{self.place}" + (f":{self.name}" if self.name else "")


def is_image_source(text: str) -> bool:
    """Whether `text` is meant as an image of others, right or wrong."""
    return "/" in text or text.partition(":")[0] in {str(one) for one in Transport} - {Transport.REGISTRY}


def parse_image_source(text: str) -> ImageSource:
    """The image that `text` names.

    Raises:
        ToolError: it names none (USAGE).
    """
    word, colon, rest = text.partition(":")
    known = {str(one): one for one in Transport}
    if word == Transport.REGISTRY and rest.startswith("//"):
        return ImageSource(transport=Transport.REGISTRY, place=parse_reference(rest[2:]).text)
    transport = known.get(word) if colon else None
    if transport is None or transport is Transport.REGISTRY:
        return ImageSource(transport=Transport.REGISTRY, place=parse_reference(text).text)
    if transport not in ON_DISK:
        return ImageSource(transport=transport, place=parse_reference(rest).text)
    path, _, name = rest.partition(":")
    if not path or not path.isprintable() or not name.isprintable() or path.startswith("//"):
        raise ToolError(
            f"`{shown(text)}` names no path",
            hints=[f"write `{transport}:PATH`, with the path relative to the project"],
            code=ExitCode.USAGE,
        )
    return ImageSource(transport=transport, place=path, name=name)
