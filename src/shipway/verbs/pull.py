"""`pull`: an image from a registry into the store."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.digest import BlobDigest, Digest
from shipway.core.errors import HostileInput, ToolError
from shipway.core.events import Note
from shipway.core.reference import Reference, parse_reference
from shipway.core.text import shown
from shipway.verbs.context import host_platform
from shipway.verbs.documents import AttachedView, view_attached
from shipway.verbs.images import open_store

if TYPE_CHECKING:
    from collections.abc import Generator

    from shipway.core.events import Emit
    from shipway.image.document import Manifest
    from shipway.image.fill import Arrived
    from shipway.image.registry.client import Registry
    from shipway.image.stored import StoredImage
    from shipway.store.store import Store
    from shipway.store.transaction import Transaction
    from shipway.verbs.context import Task


_KEEP_AFTER = 64 << 20
"""Bytes of layers after which an interrupted pull does not begin anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullResult:
    """What was pulled, or would be."""

    name: str
    digest: str
    """Of the platform's manifest."""
    offered: str
    """Of what the registry holds under the name: the same, or that of an index."""
    config_digest: str
    platform: str
    fetched: int
    """Bytes of layers that were not here."""
    layers: int
    attached: tuple[AttachedFile, ...]
    """What is attached to it; empty unless it was asked for."""


class AttachedFile(NamedTuple):
    """One attachment, and the file that holds it now, or would."""

    attached: AttachedView
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offer:
    """One image as a registry has it."""

    body: bytes
    manifest: Manifest
    offered: Digest


def run_pull(task: Task, text: str, *, attached: str = "", dry_run: bool = False) -> PullResult:
    """Bring the image that `text` names into the store, under that name. Layers that are here are not fetched.

    `attached`: a folder, made if missing, for what is attached to the image; empty: that is not asked for.

    Raises:
        NotFound: the registry does not have it, or not for the platform.
        FetchError, HashMismatch, HostileInput: the registry does not do its part; nothing was named.
        ToolError: the folder cannot be written.
        NoSpace: the disk is full.
    """
    from shipway.image.names import put_name
    from shipway.image.registry.client import open_registry
    from shipway.verbs.network import read_host_registries

    reference = parse_reference(text)
    platform = task.platform or host_platform()
    settings = read_host_registries(offline=task.offline)
    store = open_store(task.emit)
    with open_registry(reference, settings=settings, push=False, emit=task.emit) as registry:
        offer = _ask(registry, reference, platform)
        missing = {one.digest: one.size for one in offer.manifest.layers if not store.find_blob(one.digest)}
        digest = Digest.of(offer.body)
        about = tuple(dict.fromkeys((offer.offered, digest)))
        files = _attached(registry, about, attached, task.emit, dry_run=dry_run) if attached else ()
        if not dry_run:
            image = _fetch(registry, store, reference, offer, task.emit)
            put_name(store, reference.text, image)
            platform = image.facts().platform
    return PullResult(
        name=reference.text,
        digest=digest,
        offered=offer.offered,
        config_digest=offer.manifest.config.digest,
        platform=platform,
        fetched=sum(missing.values()),
        layers=len(offer.manifest.layers),
        attached=files,
    )


def pull_image(
    registry: Registry, store: Store, reference: Reference, platform: str, emit: Emit
) -> StoredImage:
    """The image of `platform` in the store, without a name: the caller claims it, or it will be collected.

    Raises:
        NotFound, FetchError, HashMismatch, HostileInput, NoSpace: as `run_pull`.
    """
    return _fetch(registry, store, reference, _ask(registry, reference, platform), emit)


def _attached(
    registry: Registry, about: tuple[Digest, ...], folder: str, emit: Emit, *, dry_run: bool
) -> tuple[AttachedFile, ...]:
    """Write what is attached to a manifest, and to the index that it was found in, into `folder`."""
    from shipway.host.files import translating_disk_errors
    from shipway.image.attached import attachment_file
    from shipway.image.registry.attach import fetch_attached, list_attached

    found = [(digest, one) for digest in about for one in list_attached(registry, digest)]
    if not found:
        emit(Note(f"nothing is attached to `{about[-1]}`", "warning"))
    elif not dry_run:
        with translating_disk_errors(f"write to `{shown(folder)}`", error=ToolError):
            os.makedirs(folder, exist_ok=True)
    files = []
    for digest, one in found:
        path = os.path.join(folder, attachment_file(one.kind, one.digest))
        if not dry_run:
            fetch_attached(registry, digest, one, path)
        files.append(path)
    return tuple(map(AttachedFile, view_attached([one for _, one in found]), files))


def _ask(registry: Registry, reference: Reference, platform: str) -> _Offer:
    """The manifest for `platform`."""
    from shipway.image.document import Manifest, choose_platform, parse_manifest_or_index

    remote = registry.get_manifest(reference)
    found = parse_manifest_or_index(remote.body, reference.text, media_type=remote.media_type)
    offered = remote.digest
    if not isinstance(found, Manifest):
        chosen = choose_platform(found, platform, reference.text)
        remote = registry.get_manifest(reference.at(chosen.digest), (chosen.media_type,))
        if len(remote.body) != chosen.size:
            raise HostileInput(
                f"`{reference.text}` has an index that says {chosen.size} bytes of a manifest of {len(remote.body)}",
                hints=["tell who published it; some tools would cut it"],
            )
        found = parse_manifest_or_index(remote.body, reference.text, media_type=chosen.media_type)
    if not isinstance(found, Manifest):
        raise HostileInput(
            f"`{reference.text}` is an index in an index", hints=["pull the inner one by its digest"]
        )
    return _Offer(body=remote.body, manifest=found, offered=offered)


def _fetch(registry: Registry, store: Store, reference: Reference, offer: _Offer, emit: Emit) -> StoredImage:
    from shipway.image.fill import fill_image
    from shipway.image.registry.remote import read_remote_config

    manifest, name = offer.manifest, reference.text
    with store.transaction() as transaction:
        config = read_remote_config(registry, manifest, name)
        with contextlib.closing(_arriving(registry, transaction, manifest)) as layers:
            image = fill_image(store, transaction, name, config, layers, emit=emit, manifest=offer.body)
        transaction.commit()
    return image


def _arriving(
    registry: Registry, transaction: Transaction, manifest: Manifest
) -> Generator[Arrived, None, None]:
    """The layers of `manifest`, bottom first, each when its bytes are here; others arrive while a layer is worked on.

    What has arrived is kept from time to time, so that an interrupted pull goes on where it was.
    """
    from shipway.image.fill import Arrived
    from shipway.image.registry.model import Descriptor
    from shipway.image.registry.pull import fetch_blobs

    missing = {one.digest: one for one in manifest.layers if not transaction.find_blob(one.digest)}
    wanted = [
        (
            Descriptor(media_type=one.media_type, digest=one.digest, size=one.size),
            transaction.blob_staging_path(one.digest),
        )
        for one in missing.values()
    ]
    unkept = 0
    with contextlib.closing(fetch_blobs(registry, wanted)) as fetched:
        for layer in manifest.layers:
            while transaction.find_blob(layer.digest) is None:
                descriptor, path = next(fetched)
                transaction.add_blob(path, BlobDigest(descriptor.digest))
                unkept += descriptor.size
            if unkept >= _KEEP_AFTER:
                transaction.commit()
                unkept = 0
            yield Arrived(layer.digest, layer.media_type)
        next(fetched, None)  # so that it has ended when it is closed, and the registry can still be asked
