"""Images from OCI layouts, OCI archives and Docker's archives. Formats: image-spec 1.1 "Image Layout"; `docker save`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import HashMismatch, HostileInput, NotFound, ToolError
from shipway.core.reference import parse_reference
from shipway.core.text import shown
from shipway.image.document import (
    CONFIG_LIMIT,
    INDEX_TYPES,
    MANIFEST_LIMIT,
    Descriptor,
    Manifest,
    choose_platform,
    parse_config,
    parse_list,
    parse_manifest_or_index,
)
from shipway.image.fill import Arrived, add_checked, add_unnamed, fill_image
from shipway.image.source import FolderSource, read_small, read_source

if TYPE_CHECKING:
    from shipway.core.digest import Digest
    from shipway.core.events import Emit
    from shipway.image.source import Source
    from shipway.image.stored import StoredImage
    from shipway.store.store import Store
    from shipway.store.transaction import Transaction

LAYOUT_FILE, INDEX_FILE, DOCKER_FILE = "oci-layout", "index.json", "manifest.json"
REF_NAME, FULL_NAME = "org.opencontainers.image.ref.name", "io.containerd.image.name"
_NAME_HINT = "name it yourself with --name"


class Loaded(NamedTuple):
    """An image and the names that its archive gave it, as references; perhaps none."""

    names: tuple[str, ...]
    image: StoredImage


class _Job(NamedTuple):
    store: Store
    transaction: Transaction
    source: Source
    platform: str
    emit: Emit


def load_images(store: Store, path: str, *, platform: str, emit: Emit) -> list[Loaded]:
    """Every image in the archive or layout at `path`, in the store. The caller names them, or they will be collected.

    `platform` chooses where one name stands for several.

    Raises:
        NotFound: nothing lies at `path`, it is no archive of images, or it has none for `platform`.
        HostileInput, HashMismatch: what it holds contradicts itself.
        NoSpace: the disk is full.
    """
    with store.transaction() as transaction:
        loaded = read_images(store, transaction, path, platform=platform, emit=emit)
        transaction.commit()
    return loaded


def read_images(
    store: Store, transaction: Transaction, path: str, *, platform: str, emit: Emit
) -> list[Loaded]:
    """The same within `transaction`: until the caller commits it, the images are in no store but for its eyes.

    Raises:
        NotFound, HostileInput, HashMismatch, NoSpace: as `load_images`.
    """
    source = read_source(path, f"{transaction.path}/archive")
    job = _Job(store, transaction, source, platform, emit)
    # Docker's archives name their files freely, which only in a tar is harmless.
    is_layout = isinstance(source, FolderSource) or source.has(INDEX_FILE)
    return _load_layout(job, _stem(path)) if is_layout else _load_docker(job)


def list_layout(folder: str, name: str) -> frozenset[Digest]:
    """Digests of the manifests in the OCI layout `folder`, those of inner indexes too; of `name` alone where it is not empty.

    Raises:
        NotFound, HostileInput: it is no layout.
    """
    source = FolderSource(folder)
    index = parse_manifest_or_index(
        read_small(source, INDEX_FILE, MANIFEST_LIMIT), folder, media_type=INDEX_TYPES[0]
    )
    assert isinstance(index, tuple)
    found: set[Digest] = set()
    for one in index:
        texts = {text for key, text in one.annotations if key in (REF_NAME, FULL_NAME)}
        if name and name not in texts:
            continue
        found.add(one.digest)
        if one.media_type in INDEX_TYPES:
            body = read_small(source, _path_of(one), MANIFEST_LIMIT)
            inner = parse_manifest_or_index(body, folder, media_type=one.media_type)
            found.update(each.digest for each in (inner if isinstance(inner, tuple) else ()))
    return frozenset(found)


def _load_layout(job: _Job, stem: str) -> list[Loaded]:
    label = job.source.label
    layout = read_small(job.source, LAYOUT_FILE, MANIFEST_LIMIT)
    if b'"imageLayoutVersion"' not in layout:
        raise HostileInput(f"`{shown(label)}` is no OCI layout", hints=["load a layout of version 1.0.0"])
    index = parse_manifest_or_index(
        read_small(job.source, INDEX_FILE, MANIFEST_LIMIT), label, media_type=INDEX_TYPES[0]
    )
    assert isinstance(index, tuple)
    groups: dict[str, list[Descriptor]] = {}
    for one in index:
        groups.setdefault(_given_name(one, stem), []).append(one)
    loaded = []
    for name, group in groups.items():
        chosen = group[0] if len(group) == 1 else choose_platform(tuple(group), job.platform, label)
        loaded.append(Loaded((name,) if name else (), _load_descriptor(job, chosen)))
    if not loaded:
        raise NotFound(f"`{shown(label)}` holds no image", hints=["check how it was made"])
    return loaded


def _load_descriptor(job: _Job, descriptor: Descriptor, *, nested: bool = False) -> StoredImage:
    label = job.source.label
    body = _blob(job, descriptor, MANIFEST_LIMIT)
    found = parse_manifest_or_index(body, label, media_type=descriptor.media_type)
    if isinstance(found, Manifest):
        config = _blob(job, found.config, CONFIG_LIMIT)
        facts = parse_config(config, label, layers=len(found.layers))
        layers = [_layer(job, one) for one in found.layers]
        return fill_image(
            job.store, job.transaction, label, (config, facts), layers, emit=job.emit, manifest=body
        )
    if nested:
        raise HostileInput(
            f"`{shown(label)}` has an index in an index in an index", hints=["ask whoever made it"]
        )
    return _load_descriptor(job, choose_platform(found, job.platform, label), nested=True)


def _layer(job: _Job, descriptor: Descriptor) -> Arrived:
    name = _path_of(descriptor)
    if job.transaction.find_blob(descriptor.digest) is None and not job.source.has(name):
        raise NotFound(
            f"`{shown(job.source.label)}` lacks its layer `{descriptor.digest}`",
            hints=["make it again, whole"],
        )
    chunks = iter(()) if not job.source.has(name) else job.source.chunks(name)
    add_checked(job.transaction, descriptor.digest, descriptor.size, chunks, job.source.label)
    return Arrived(descriptor.digest, descriptor.media_type)


def _blob(job: _Job, descriptor: Descriptor, limit: int) -> bytes:
    body = read_small(job.source, _path_of(descriptor), limit)
    if len(body) != descriptor.size or type(descriptor.digest).of(body) != descriptor.digest:
        raise HashMismatch(
            f"`{shown(job.source.label)}` holds something else than it says under `{descriptor.digest}`",
            hints=["get it again; it is damaged or was changed"],
        )
    return body


def _path_of(descriptor: Descriptor) -> str:
    return f"blobs/sha256/{descriptor.digest.hex}"


def _given_name(descriptor: Descriptor, stem: str) -> str:
    """The reference under which a layout holds an image, or nothing. A tag alone belongs to the layout's own name."""
    notes = dict(descriptor.annotations)
    full, text = notes.get(FULL_NAME, ""), notes.get(REF_NAME, "")
    if full and text in ("", full, full.rpartition(":")[2]):
        # Tools that copy an entry under another tag leave the full name behind, which then is another's.
        text = full
    elif text and not any(mark in text for mark in "/:"):
        text = f"{stem}:{text}"
    return _checked(text)


def _load_docker(job: _Job) -> list[Loaded]:
    """The images of an archive made by `docker save`, `podman save` or skopeo."""
    label = job.source.label
    loaded = []
    for entry in parse_list(read_small(job.source, DOCKER_FILE, MANIFEST_LIMIT), label):
        paths = entry.get("Layers") or []
        tags = entry.get("RepoTags") or []
        is_known = isinstance(paths, list) and isinstance(tags, list)
        if not is_known or not all(isinstance(one, str) for one in (entry.get("Config"), *paths, *tags)):
            raise HostileInput(
                f"`{shown(label)}` has a `{DOCKER_FILE}` that Docker does not write", hints=["save it again"]
            )
        config = read_small(job.source, entry["Config"], CONFIG_LIMIT)
        facts = parse_config(config, label, layers=len(paths))
        layers = [_docker_layer(job, path) for path in paths]
        image = fill_image(job.store, job.transaction, label, (config, facts), layers, emit=job.emit)
        loaded.append(Loaded(tuple(filter(None, map(_checked, tags))), image))
    return loaded


def _docker_layer(job: _Job, path: str) -> Arrived:
    if not job.source.has(path):
        raise NotFound(
            f"`{shown(job.source.label)}` lacks its layer `{shown(path)}`", hints=["save it again, whole"]
        )
    return add_unnamed(job.transaction, job.source.chunks(path), job.source.label)


def _checked(text: str) -> str:
    """`text` as a whole reference; nothing where it is empty.

    Raises:
        HostileInput: it is no reference.
    """
    if not text:
        return ""
    try:
        return parse_reference(text).text
    except ToolError as error:
        raise HostileInput(error.message, hints=[_NAME_HINT]) from error


def _stem(path: str) -> str:
    return os.path.basename(os.path.abspath(path)).partition(".tar")[0].lower()
