"""`push`: an image to a registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, ToolError
from shipway.core.reference import Reference, parse_reference
from shipway.core.text import shown
from shipway.verbs.images import choose_image, open_store

if TYPE_CHECKING:
    from shipway.image.registry.model import PushBlob, Pushed
    from shipway.image.save import Packed
    from shipway.image.stored import StoredImage
    from shipway.store.store import Store
    from shipway.verbs.context import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    """What was pushed, or would be."""

    name: str
    """With the registry that was meant."""
    digest: str
    """Of the manifest; empty for a dry run."""
    config_digest: str
    sent: int
    """Bytes that had to be sent."""
    uploaded: int
    """Blobs that were sent."""
    mounted: int
    """Blobs that the registry took from another repository of its own."""
    present: int
    """Blobs that were there."""


def run_push(
    task: Task, text: str, *, image: str = "", compression: str = "", dry_run: bool = False
) -> PushResult:
    """Send the stored image `image`, or the project's, to where `text` says.

    `compression` is an `image.encode.Encoding`; empty: layers of others go as they came, ours with gzip, which every receiver
    reads. The push policy is asked before anything is built.

    Raises:
        ToolError: `text` is no place to push to, or one that may not be pushed to (USAGE).
        FetchError: the registry does not do its part; what it got is found there by the next push.
    """
    from shipway.image.encode import Encoding
    from shipway.image.registry.client import open_registry
    from shipway.image.registry.policy import push_rules, require_push_allowed
    from shipway.image.registry.push import push
    from shipway.image.save import pack_image
    from shipway.verbs.network import read_host_registries

    reference = parse_reference(text)
    if reference.digest:
        raise ToolError(
            f"`{shown(text)}` names a digest, which follows from the image",
            hints=["push to a tag; the digest is printed"],
            code=ExitCode.USAGE,
        )
    settings = read_host_registries(offline=task.offline)
    whole = settings.complete(reference)
    require_push_allowed(whole, push_rules(None if image else _project_rule(task), settings.push_allow))
    chosen = choose_image(task, image, name=text)
    if dry_run:
        return _result(whole, chosen.image, None)
    store = open_store(task.emit)
    came = all(layer.blob for layer in chosen.image.layers)
    encoding = Encoding(compression) if compression else Encoding.KEEP if came else Encoding.GZIP
    packed = pack_image(store, chosen.image, encoding, task.emit, oci=False, as_came=not compression)
    with open_registry(whole, settings=settings, push=True, emit=task.emit) as registry:
        blobs = push_blobs(packed, chosen.image, _neighbours(store, whole, chosen.image))
        pushed = push(registry, whole, blobs, packed.manifest, packed.media_type)
    return _result(whole, chosen.image, pushed)


def push_blobs(
    packed: Packed, image: StoredImage, neighbours: dict[str, tuple[str, ...]]
) -> tuple[PushBlob, ...]:
    """What has to be at a registry before the manifest. `neighbours`: by diffID, repositories that may have the layer."""
    from shipway.image.registry.model import PushBlob

    config = PushBlob(
        digest=image.config_digest,
        size=len(packed.config),
        open=lambda: iter((packed.config,)),
        name="configuration",
    )
    layers = (
        PushBlob(
            digest=encoded.digest,
            size=encoded.size,
            open=encoded.chunks,
            name=layer.name,
            mount_from=neighbours.get(layer.diff_id, ()),
        )
        for layer, encoded in zip(image.layers, packed.layers, strict=True)
    )
    return (config, *layers)


def _project_rule(task: Task) -> tuple[str, ...] | None:
    from shipway.verbs.project import read_project

    return read_project(task.directory, task.emit).spec.push_allow


def _neighbours(store: Store, whole: Reference, image: StoredImage) -> dict[str, tuple[str, ...]]:
    """By diffID, the other repositories of the same registry that probably have that layer: the base of `image`, and those
    that stored images are named after.
    """
    from shipway.image.names import list_names

    found: dict[str, list[str]] = {}
    base = dict(image.facts().labels).get("org.opencontainers.image.base.name", "")
    if base:
        other = parse_reference(base)
        if other.registry == whole.registry and other.repository != whole.repository:
            for layer in image.layers:
                if layer.blob:
                    found.setdefault(layer.diff_id, []).append(other.repository)
    for named in list_names(store):
        other = parse_reference(named.name)
        if other.registry == whole.registry and other.repository != whole.repository:
            for layer in named.image.layers:
                found.setdefault(layer.diff_id, []).append(other.repository)
    return {diff_id: tuple(dict.fromkeys(names)) for diff_id, names in found.items()}


def _result(whole: Reference, image: StoredImage, pushed: Pushed | None) -> PushResult:
    return PushResult(
        name=whole.text,
        digest=pushed.digest if pushed else "",
        config_digest=image.config_digest,
        sent=pushed.sent if pushed else 0,
        uploaded=len(pushed.uploaded) if pushed else 0,
        mounted=len(pushed.mounted) if pushed else 0,
        present=len(pushed.present) if pushed else 0,
    )
