"""Attaching documents to a manifest that a registry holds, and reading what is attached."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shipway.core.digest import Digest
from shipway.core.errors import HostileInput
from shipway.image.attached import EMPTY, Attachment, attachment_kind, predicate_of, render_artifact
from shipway.image.document import Artifact, parse_artifact
from shipway.image.oci import MANIFEST_TYPE
from shipway.image.registry.client import INDEX_TYPE, Registry
from shipway.image.registry.model import Descriptor, PushBlob
from shipway.image.registry.push import send_blobs
from shipway.image.registry.referrers import add_referrers

DOCUMENT_LIMIT = 64 << 20
"""Bytes of a document that are fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """One attachment as a registry lists it."""

    kind: str
    """`sbom.spdx`, `provenance`, …; its type where it has no such name."""
    digest: Digest
    """Of its manifest."""
    artifact_type: str
    size: int
    """Bytes of its manifest."""


def attach(
    registry: Registry, subject: Descriptor, documents: Iterable[Attachment], *, epoch: int
) -> tuple[Attached, ...]:
    """Attach `documents` to the manifest `subject`, which is there. What is attached already is not sent again.

    Registries without the referrers API get an index under the tag that stands for it; its other entries stay.

    Raises:
        FetchError: the registry does not do its part; the image itself stays as it is.
    """
    wanted = tuple(documents)
    blobs = [_blob(EMPTY, "empty configuration"), *(_blob(one.body, one.kind) for one in wanted)]
    send_blobs(registry, blobs)
    done, unlisted = [], []
    for one in wanted:
        body = render_artifact(one, (subject.media_type, subject.digest, subject.size), epoch)
        listed = registry.put_referrer(subject.digest, body, MANIFEST_TYPE)
        descriptor = Descriptor(
            media_type=MANIFEST_TYPE,
            digest=Digest.of(body),
            size=len(body),
            artifact_type=one.media_type,
            annotations=one.notes,
        )
        done.append(_attached(descriptor))
        if not listed:
            unlisted.append(descriptor)
    if unlisted:
        index = add_referrers(registry.referrers_index(subject.digest), registry.name, unlisted)
        if index is not None:
            registry.put_manifest(registry.referrers_tag(subject.digest), index, INDEX_TYPE)
    return tuple(done)


def list_attached(registry: Registry, subject: Digest) -> tuple[Attached, ...]:
    """What the registry says is attached to the manifest `subject`, in its order."""
    return tuple(_attached(one) for one in registry.referrers(subject))


def fetch_attached(registry: Registry, subject: Digest, attached: Attached, path: str) -> Artifact:
    """Write the first document of `attached` to the file `path`; returns its manifest.

    Raises:
        HostileInput: it is attached to something else, holds nothing, or a document that is too large.
        HashMismatch: it is not what its digest and size say.
    """
    reference = registry.referrers_tag(subject).at(attached.digest)
    artifact = parse_artifact(registry.get_manifest(reference, (MANIFEST_TYPE,)).body, reference.text)
    if artifact.subject.digest != subject:
        raise HostileInput(
            f"the registry `{registry.name}` lists `{attached.digest}` as attached to `{subject}`, "
            f"and it is attached to `{artifact.subject.digest}`",
            hints=["do not trust it; tell the registry's administrator"],
        )
    if not artifact.layers or artifact.layers[0].size > DOCUMENT_LIMIT:
        raise HostileInput(
            f"what is attached as `{attached.digest}` holds no document, or one of more than {DOCUMENT_LIMIT} bytes",
            hints=["ask whoever attached it"],
        )
    document = artifact.layers[0]
    registry.fetch_blob(document.digest, document.size, path, name=attached.kind)
    return artifact


def _blob(data: bytes, name: str) -> PushBlob:
    return PushBlob(digest=Digest.of(data), size=len(data), open=lambda: iter((data,)), name=name)


def _attached(descriptor: Descriptor) -> Attached:
    return Attached(
        kind=attachment_kind(descriptor.artifact_type, predicate_of(descriptor.annotations)),
        digest=descriptor.digest,
        artifact_type=descriptor.artifact_type,
        size=descriptor.size,
    )
