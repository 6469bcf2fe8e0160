"""`push`: images to a registry, with what is attached to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.digest import BlobDigest, Digest
from shipway.core.errors import ExitCode, FetchError, ToolError
from shipway.core.reference import Reference, parse_reference
from shipway.core.text import shown
from shipway.verbs.documents import AttachedView, make_documents, view_attached
from shipway.verbs.images import open_store
from shipway.verbs.several import choose_images

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.image.document import Descriptor
    from shipway.image.registry.attach import Attached
    from shipway.image.registry.client import Registry
    from shipway.image.registry.model import PushBlob, Pushed
    from shipway.image.save import Packed
    from shipway.image.stored import StoredImage
    from shipway.store.store import Store
    from shipway.verbs.context import Task
    from shipway.verbs.images import Chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class PushOptions:
    """What goes with an image."""

    also: tuple[str, ...] = ()
    """Stored images of other platforms that go with the first one."""
    every_platform: bool = False
    """All platforms that the lock holds."""
    index: bool = False
    """What the tag holds for other platforms stays."""
    attach: tuple[str, ...] | None = None
    """`documents.Attach`; None: what the spec says, and nothing for a stored image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedImage:
    """One platform's image."""

    platform: str
    digest: str
    """Of the manifest; empty for a dry run."""
    config_digest: str
    attached: tuple[AttachedView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    """What was pushed, or would be."""

    name: str
    """With the registry that was meant."""
    digest: str
    """Of what the tag holds now, the manifest or an index; empty for a dry run."""
    images: tuple[PushedImage, ...]
    """In the order of their platforms."""
    attach: tuple[str, ...]
    """What is attached to each."""
    sent: int
    """Bytes that had to be sent."""
    uploaded: int
    """Blobs that were sent."""
    mounted: int
    """Blobs that the registry took from another repository of its own."""
    present: int
    """Blobs that were there."""

    @property
    def config_digest(self) -> str:
        """Of the one image; empty where there are several."""
        return self.images[0].config_digest if len(self.images) == 1 else ""


class _Sent(NamedTuple):
    """One image that is at the registry, under its digest."""

    chosen: Chosen
    manifest: bytes
    descriptor: Descriptor
    pushed: Pushed
    attached: tuple[Attached, ...]


def run_push(
    task: Task,
    text: str,
    *,
    image: str = "",
    compression: str = "",
    dry_run: bool = False,
    options: PushOptions | None = None,
) -> PushResult:
    """Send the stored image `image`, or the project's, to where `text` says.

    `compression` is an `image.encode.Encoding`; empty: layers of others go as they came, ours with gzip, which every receiver
    reads. Images of several platforms become an index of them. The push policy is asked before anything is built, and the
    tag is moved last.

    Raises:
        ToolError: `text` is no place to push to, or one that may not be pushed to, or options contradict each other (USAGE).
        FetchError: the registry does not do its part; what it got is found there by the next push.
    """
    from shipway.image.registry.client import open_registry
    from shipway.image.registry.policy import push_rules, require_push_allowed
    from shipway.verbs.network import read_host_registries

    options = options or PushOptions()
    reference = parse_reference(text)
    if reference.digest:
        raise ToolError(
            f"`{shown(text)}` names a digest, which follows from the image",
            hints=["push to a tag; the digest is printed"],
            code=ExitCode.USAGE,
        )
    settings = read_host_registries(offline=task.offline)
    whole = settings.complete(reference)
    rule, attach = _project_wishes(task) if not image else (None, ())
    require_push_allowed(whole, push_rules(rule, settings.push_allow))
    attach = _require_attachable(attach if options.attach is None else options.attach, image)
    stored = (image, *options.also) if image else ()
    chosen = choose_images(task, stored, every=options.every_platform, name=text)
    if dry_run:
        return _result(whole, "", [_would_push(one) for one in chosen], attach, ())
    at_once = len(chosen) == 1 and not options.index and not attach
    with open_registry(whole, settings=settings, push=True, emit=task.emit) as registry:
        place = whole if at_once else replace(whole, tag="")
        sent = [_send(task, registry, place, one, compression, attach) for one in chosen]
        if at_once:
            digest = sent[0].pushed.digest
        elif len(sent) == 1 and not options.index:
            digest = registry.put_manifest(whole, sent[0].manifest, sent[0].descriptor.media_type)
        else:
            digest = _put_index(registry, whole, [one.descriptor for one in sent], keep=options.index)
    return _result(whole, digest, [_pushed(one) for one in sent], attach, [one.pushed for one in sent])


def _project_wishes(task: Task) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Where the project's image may go, and what is attached to it, as the spec says."""
    from shipway.verbs.project import read_project

    spec = read_project(task.directory, task.emit).spec
    return spec.push_allow, spec.push_attach


def _require_attachable(attach: tuple[str, ...], image: str) -> tuple[str, ...]:
    """`attach` without repetitions.

    Raises:
        ToolError: something is to be attached to a stored image, whose lock nobody knows (USAGE).
    """
    if attach and image:
        raise ToolError(
            f"nothing can be attached to the stored image `{shown(image)}`: what it is made of stands in no lock here",
            hints=["push the project's own image: leave out --image", "leave out --attach"],
            code=ExitCode.USAGE,
        )
    return tuple(sorted(set(attach)))


def _send(
    task: Task, registry: Registry, place: Reference, chosen: Chosen, compression: str, attach: Sequence[str]
) -> _Sent:
    """Have one image and what is attached to it at `place`; without a tag there, under its digest only."""
    from shipway.image.document import Descriptor
    from shipway.image.encode import Encoding
    from shipway.image.registry.attach import attach as attach_documents
    from shipway.image.registry.model import Descriptor as Subject
    from shipway.image.registry.push import push
    from shipway.image.save import pack_image

    store = open_store(task.emit)
    came = all(layer.blob for layer in chosen.image.layers)
    encoding = Encoding(compression) if compression else Encoding.KEEP if came else Encoding.GZIP
    packed = pack_image(store, chosen.image, encoding, task.emit, oci=False, as_came=not compression)
    blobs = push_blobs(packed, chosen.image, _neighbours(store, place, chosen))
    digest, size = BlobDigest.of(packed.manifest), len(packed.manifest)
    pushed = push(registry, place, blobs, packed.manifest, packed.media_type)
    attached: tuple[Attached, ...] = ()
    if attach and chosen.planned:
        subject = Subject(media_type=packed.media_type, digest=digest, size=size)
        documents = make_documents(chosen.planned, digest, attach)
        try:
            attached = attach_documents(registry, subject, documents, epoch=chosen.image.epoch)
        except FetchError as error:
            error.hints = (*error.hints, "push without what is to be attached: `--attach none`")
            raise
    platform = chosen.image.facts().platform
    descriptor = Descriptor(media_type=packed.media_type, digest=digest, size=size, platform=platform)
    return _Sent(chosen, packed.manifest, descriptor, pushed, attached)


def _put_index(registry: Registry, whole: Reference, fresh: Sequence[Descriptor], *, keep: bool) -> Digest:
    """Let the tag hold an index of `fresh`, with `keep` beside what it holds for other platforms; returns its digest."""
    from shipway.image.document import INDEX_TYPE, Descriptor, Manifest, parse_manifest_or_index
    from shipway.image.index import kept_entries, render_index
    from shipway.image.registry.remote import read_remote_config

    others: bytes = b""
    if keep and registry.find_digest(whole) is not None:
        remote = registry.get_manifest(whole)
        others = remote.body
        found = parse_manifest_or_index(remote.body, whole.text, media_type=remote.media_type)
        if isinstance(found, Manifest):
            _, facts = read_remote_config(registry, found, whole.text)
            digest, size = BlobDigest.of(remote.body), len(remote.body)
            single = Descriptor(
                media_type=remote.media_type, digest=digest, size=size, platform=facts.platform
            )
            others = render_index([single])
    body = render_index(fresh, kept_entries(others, whole.text, fresh) if others else ())
    return registry.put_manifest(whole, body, INDEX_TYPE)


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


def _neighbours(store: Store, whole: Reference, chosen: Chosen) -> dict[str, tuple[str, ...]]:
    """By diffID, the other repositories of the same registry that probably have that layer.

    They are the base of the project's image, and those that stored images are named after. What a stored image says of its
    own base is a stranger's word, and nothing is asked for because of it.
    """
    from shipway.image.names import list_names

    found: dict[str, list[str]] = {}
    labels = chosen.image.facts().labels if chosen.planned else ()
    base = dict(labels).get("org.opencontainers.image.base.name", "")
    if base:
        other = parse_reference(base)
        if other.registry == whole.registry and other.repository != whole.repository:
            for layer in chosen.image.layers:
                if layer.blob:
                    found.setdefault(layer.diff_id, []).append(other.repository)
    for named in list_names(store):
        other = parse_reference(named.name)
        if other.registry == whole.registry and other.repository != whole.repository:
            for layer in named.image.layers:
                found.setdefault(layer.diff_id, []).append(other.repository)
    return {diff_id: tuple(dict.fromkeys(names)) for diff_id, names in found.items()}


def _would_push(chosen: Chosen) -> PushedImage:
    image = chosen.image
    return PushedImage(
        platform=image.facts().platform, digest="", config_digest=image.config_digest, attached=()
    )


def _pushed(sent: _Sent) -> PushedImage:
    return PushedImage(
        platform=sent.descriptor.platform,
        digest=sent.descriptor.digest,
        config_digest=sent.chosen.image.config_digest,
        attached=view_attached(sent.attached),
    )


def _result(
    whole: Reference,
    digest: str,
    images: Sequence[PushedImage],
    attach: tuple[str, ...],
    pushed: Sequence[Pushed],
) -> PushResult:
    return PushResult(
        name=whole.text,
        digest=digest,
        images=tuple(images),
        attach=attach,
        sent=sum(one.sent for one in pushed),
        uploaded=sum(len(one.uploaded) for one in pushed),
        mounted=sum(len(one.mounted) for one in pushed),
        present=sum(len(one.present) for one in pushed),
    )
