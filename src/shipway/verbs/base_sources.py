"""Images of others by transport: from a registry, from disk, from an engine's own store, from ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.core.digest import BlobDigest
from shipway.core.errors import HostileInput, NotFound
from shipway.core.image_source import ON_DISK, Transport
from shipway.core.reference import parse_reference
from shipway.core.text import shown
from shipway.verbs.context import host_platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.build.vendor import Vendor
    from shipway.core.events import Emit
    from shipway.core.image_source import ImageSource
    from shipway.image.load import Loaded
    from shipway.image.stored import StoredImage
    from shipway.lock.model import BaseImage, BaseLayer
    from shipway.store.store import Store
    from shipway.store.transaction import Transaction
    from shipway.verbs.context import Task


_ABSENT = ("no such image", "not known", "does not exist")


def bring_image(source: ImageSource, task: Task, store: Store, *, folder: str) -> StoredImage:
    """The image of `task.platform` that `source` names, in the store with the bytes of every layer; nobody claims it yet.

    Paths are relative to `folder`.

    Raises:
        NotFound: there is none, or none for the platform.
        FetchError, OfflineError: a registry does not do its part.
        EngineError: an engine does not.
        HostileInput, HashMismatch, NoSpace: see `image.load` and `image.fill`.
    """
    platform = task.platform or host_platform()
    if source.transport is Transport.REGISTRY:
        image = _pull(source, platform, task, store)
    elif source.transport is Transport.STORED:
        image = _with_bytes(store, source.place, task.emit)
    elif source.transport in ON_DISK:
        path = os.path.normpath(os.path.join(folder, source.place))
        if os.path.isdir(path) is not (source.transport is Transport.OCI):
            raise NotFound(
                f"`{source}`: there is no {'layout' if source.transport is Transport.OCI else 'archive'} at `{shown(path)}`",
                hints=[
                    "`oci:` is a folder, `oci-archive:` and `docker-archive:` are files, relative to the project"
                ],
            )
        image = _load(store, path, source, platform, task.emit)
    else:
        image = _save(store, source, platform, task.emit)
    there = image.facts().platform
    if there.split("/")[:2] != platform.split("/"):
        raise NotFound(
            f"`{source}` is for {shown(there)}, and {platform} is wanted",
            hints=["name an image for it, or choose a platform with `platforms` in the spec"],
        )
    strange = next((name for name, _ in image.facts().env if "=" in name or not name.isprintable()), "")
    if strange:
        raise HostileInput(
            f"`{source}` sets a variable that no shell could name: `{shown(strange)}`",
            hints=["take another base"],
        )
    if not image.layers:
        raise HostileInput(f"`{source}` has no layers", hints=["take another base"])
    return image


def fetch_layers(
    base: BaseImage, source: ImageSource, vendor: Vendor | None, task: Task, store: Store
) -> None:
    """Have the layers of `base` in the store as far as `vendor` and its registry have them; each is proved against the lock.

    Without network, what `vendor` lacks is left out.

    Raises:
        NotFound, FetchError, HashMismatch, HostileInput, NoSpace: as `run_pull`.
    """
    from shipway.image.fill import Arrived, fill_layers

    with store.transaction() as transaction:
        missing = {one.sha256: one for one in base.layers if not transaction.find_blob(one.sha256)}
        if vendor is not None:
            _take(list(missing.values()), vendor, task, transaction)
            missing = {digest: one for digest, one in missing.items() if not transaction.find_blob(digest)}
        if missing and source.transport is Transport.REGISTRY and not task.offline:
            _fetch(list(missing.values()), source, task, transaction)
            missing = {}
        if not missing:
            arrived = [Arrived(one.sha256, one.media_type) for one in base.layers]
            diff_ids = [one.diff_id for one in base.layers]
            fill_layers(store, transaction, base.name, diff_ids, arrived, emit=task.emit)
        transaction.commit()


def _take(layers: Sequence[BaseLayer], vendor: Vendor, task: Task, transaction: Transaction) -> None:
    from shipway.build.artifacts import name_of_artifact
    from shipway.verbs.workshop import open_fetcher

    fetcher = open_fetcher(task)
    for layer in layers:
        place = vendor.find(layer)
        if place is not None:
            path = transaction.blob_staging_path(layer.sha256)
            fetcher.fetch([place], path, layer.sha256, layer.size, name=name_of_artifact(layer))
            transaction.add_blob(path, layer.sha256)


def _fetch(layers: Sequence[BaseLayer], source: ImageSource, task: Task, transaction: Transaction) -> None:
    from shipway.image.registry.client import open_registry
    from shipway.image.registry.model import Descriptor
    from shipway.image.registry.pull import fetch_blobs
    from shipway.verbs.network import read_host_registries

    settings = read_host_registries(offline=task.offline)
    wanted = [
        (
            Descriptor(media_type=one.media_type, digest=one.sha256, size=one.size),
            transaction.blob_staging_path(one.sha256),
        )
        for one in layers
    ]
    reference = parse_reference(source.place)
    with open_registry(reference, settings=settings, push=False, emit=task.emit) as registry:
        for descriptor, path in fetch_blobs(registry, wanted):
            transaction.add_blob(path, BlobDigest(descriptor.digest))


def _pull(source: ImageSource, platform: str, task: Task, store: Store) -> StoredImage:
    from shipway.image.registry.client import open_registry
    from shipway.verbs.network import read_host_registries
    from shipway.verbs.pull import pull_image

    settings = read_host_registries(offline=task.offline)
    reference = parse_reference(source.place)
    with open_registry(reference, settings=settings, push=False, emit=task.emit) as registry:
        return pull_image(registry, store, reference, platform, task.emit)


def _load(store: Store, path: str, source: ImageSource, platform: str, emit: Emit) -> StoredImage:
    from shipway.image.load import load_images

    found = load_images(store, path, platform=platform, emit=emit)
    return _choose(found, source).image


def _choose(found: Sequence[Loaded], source: ImageSource) -> Loaded:
    """The image that `source` means among those of one archive."""
    wanted = source.name
    fitting = [
        one
        for one in found
        if not wanted
        or any(wanted in (name, parse_reference(name).tag, parse_reference(name).name) for name in one.names)
    ]
    if len({one.image.digest for one in fitting}) == 1:
        return fitting[0]
    there = ", ".join(f"`{shown(name)}`" for one in found for name in one.names) or "images without names"
    raise NotFound(
        f"`{source}` names {'several images' if fitting else 'no image'} of those that lie there: {there}",
        hints=[f"write `{source.transport}:{source.place}:NAME`"],
    )


def _save(store: Store, source: ImageSource, platform: str, emit: Emit) -> StoredImage:
    """The image out of Docker's or Podman's own store, by the engine's own program."""
    from shipway.host.scratch import scratch_folder
    from shipway.run.oci.docker import DOCKER
    from shipway.run.oci.podman import PODMAN
    from shipway.run.oci.program import require_program

    is_docker = source.transport is Transport.DOCKER
    program = require_program(DOCKER if is_docker else PODMAN)
    with scratch_folder("base-") as folder:
        path = os.path.join(folder, "image.tar")
        words = () if is_docker else ("--format", "docker-archive")
        finished = program.ask("save", *words, "--output", path, source.place)
        if finished.code != 0:
            said = finished.stderr.decode("utf-8", "replace")
            if any(sentence in said.lower() for sentence in _ABSENT):
                raise NotFound(
                    f"{program.dialect.title} has no image `{source.place}`",
                    hints=[f"`{program.dialect.name} images` lists what it has"],
                    detail=said.strip(),
                )
            raise program.trouble(finished, "save", *words, "--output", path, source.place)
        return _load(store, path, source, platform, emit)


def _with_bytes(store: Store, name: str, emit: Emit) -> StoredImage:
    """A stored image with each layer as a tree and bytes of its own, also where it was made here from many trees."""
    from dataclasses import replace

    from shipway.image.encode import Encoding, encode_image
    from shipway.image.fill import Arrived, add_checked, fill_layers
    from shipway.verbs.images import require_image

    image = require_image(store, name).image
    if all(layer.blob and len(layer.trees) == 1 for layer in image.layers):
        return image
    with store.transaction() as transaction:
        arrived = []
        for encoded in encode_image(store, image, Encoding.KEEP, emit):
            digest = BlobDigest(encoded.digest)
            add_checked(transaction, digest, encoded.size, encoded.chunks(), name)
            arrived.append(Arrived(digest, encoded.media_type))
        diff_ids = [layer.diff_id for layer in image.layers]
        layers = fill_layers(store, transaction, name, diff_ids, arrived, emit=emit)
        transaction.commit()
    return replace(image, layers=layers)
