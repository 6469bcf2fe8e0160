"""What passes between a registry and its caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from shipway.core.digest import Digest
from shipway.core.errors import FetchError


class AccessRefused(FetchError):
    """A registry wants credentials, or others than this host has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteManifest:
    """A manifest or index, byte for byte, whose digest was checked."""

    body: bytes
    media_type: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """What names a blob or manifest (image-spec 1.1, descriptor). Its `urls` are never followed, so they are not kept."""

    media_type: str
    digest: Digest
    size: int
    artifact_type: str = ""
    annotations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A repository that a registry's search has found. All of it is the registry's own text."""

    name: str
    """A repository, without the registry."""
    description: str
    stars: int
    official: bool
    """Whether the registry says that it stands for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushBlob:
    """One blob to be sent."""

    digest: Digest
    size: int
    open: Callable[[], Iterator[bytes]] = field(compare=False, repr=False)
    """Its bytes from the start, as often as it is called; called only when the registry lacks the blob."""
    name: str = ""
    """For progress."""
    mount_from: tuple[str, ...] = ()
    """Repositories of the same registry that are likely to hold it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How a registry came to have blobs."""

    sent: int
    """Bytes of blobs that had to be sent."""
    uploaded: tuple[Digest, ...]
    mounted: tuple[Digest, ...]
    present: tuple[Digest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed(Sent):
    """What a push did."""

    digest: Digest
    """Of the manifest."""
