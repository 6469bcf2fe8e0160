"""`inspect --remote`: what a registry holds under a name, and what is attached to it. Fetches no layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.reference import parse_reference
from shipway.verbs.documents import AttachedView, view_attached

if TYPE_CHECKING:
    from shipway.core.digest import Digest
    from shipway.core.reference import Reference
    from shipway.image.document import Descriptor, Manifest
    from shipway.image.registry.attach import Attached
    from shipway.image.registry.client import Registry
    from shipway.verbs.context import Task

_TYPE, _ABOUT = "vnd.docker.reference.type", "vnd.docker.reference.digest"
"""Annotations by which BuildKit marks attestations in an index, and the image that each is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteImage:
    """One platform's image."""

    platform: str
    digest: str
    """Of the manifest."""
    config_digest: str
    layers: int
    size: int
    """Bytes of the layers as they are packed."""
    attached: tuple[AttachedView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteResult:
    """What a name holds."""

    name: str
    """With the registry that was meant."""
    digest: str
    """Of the manifest or index."""
    media_type: str
    images: tuple[RemoteImage, ...]
    """In the registry's order."""
    attached: tuple[AttachedView, ...]
    """What is attached to an index as a whole."""


def inspect_remote(task: Task, text: str) -> RemoteResult:
    """Describe what the registry holds under `text`: every platform of an index, or only the task's.

    Raises:
        NotFound: it holds nothing, or nothing for the platform.
        FetchError, HashMismatch, HostileInput: the registry does not do its part.
    """
    from shipway.image.document import Manifest, choose_platform, parse_manifest_or_index
    from shipway.image.registry.attach import list_attached
    from shipway.image.registry.client import open_registry
    from shipway.verbs.network import read_host_registries

    reference = parse_reference(text)
    settings = read_host_registries(offline=task.offline)
    with open_registry(reference, settings=settings, push=False, emit=task.emit) as registry:
        remote = registry.get_manifest(reference)
        found = parse_manifest_or_index(remote.body, reference.text, media_type=remote.media_type)
        if isinstance(found, Manifest):
            images = [_image(registry, reference.at(remote.digest), found, "", ())]
            attached: tuple[Attached, ...] = ()
        else:
            chosen = [choose_platform(found, task.platform, text)] if task.platform else _images(found)
            images = [_listed(registry, reference, one, found) for one in chosen]
            attached = list_attached(registry, remote.digest)
    return RemoteResult(
        name=settings.complete(reference).text,
        digest=remote.digest,
        media_type=remote.media_type,
        images=tuple(images),
        attached=view_attached(attached),
    )


def _images(index: tuple[Descriptor, ...]) -> list[Descriptor]:
    """The entries of an index that are images."""
    from shipway.image.document import MANIFEST_TYPES

    return [one for one in index if one.media_type in MANIFEST_TYPES and _TYPE not in dict(one.annotations)]


def _listed(
    registry: Registry, reference: Reference, entry: Descriptor, index: tuple[Descriptor, ...]
) -> RemoteImage:
    """The image of one entry of `index`, with the attestations that stand in the index beside it."""
    from shipway.image.document import Manifest, parse_manifest_or_index
    from shipway.image.registry.attach import Attached

    place = reference.at(entry.digest)
    body = registry.get_manifest(place, (entry.media_type,)).body
    manifest = parse_manifest_or_index(body, place.text, media_type=entry.media_type)
    assert isinstance(manifest, Manifest)
    beside = tuple(
        Attached(
            kind=dict(one.annotations)[_TYPE], digest=one.digest, artifact_type=one.media_type, size=one.size
        )
        for one in index
        if _TYPE in dict(one.annotations) and dict(one.annotations).get(_ABOUT) == entry.digest
    )
    return _image(registry, place, manifest, entry.platform, beside)


def _image(
    registry: Registry, place: Reference, manifest: Manifest, platform: str, beside: tuple[Attached, ...]
) -> RemoteImage:
    from shipway.image.registry.attach import list_attached
    from shipway.image.registry.remote import read_remote_config

    digest: Digest | None = place.digest
    assert digest is not None
    if not platform:
        platform = read_remote_config(registry, manifest, place.text)[1].platform
    return RemoteImage(
        platform=platform,
        digest=digest,
        config_digest=manifest.config.digest,
        layers=len(manifest.layers),
        size=sum(one.size for one in manifest.layers),
        attached=view_attached((*list_attached(registry, digest), *beside)),
    )
