"""What is attached to an image: bills of materials, provenance and whatever others attach. Pure.

An attachment is a manifest of its own whose `subject` is the image's manifest (image-spec 1.1, "Guidelines for Artifact
Usage"), so the image keeps its digest. Bills of materials lie in it as they are; provenance is an in-toto statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.digest import Digest, canonical_json
from shipway.image.oci import MANIFEST_TYPE, render_time

if TYPE_CHECKING:
    from collections.abc import Iterable

SPDX_TYPE = "application/spdx+json"
CYCLONEDX_TYPE = "application/vnd.cyclonedx+json"
STATEMENT_TYPE = "application/vnd.in-toto+json"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"
"""The configuration of what needs none."""
PREDICATE = "in-toto.io/predicate-type"
"""Annotation that says what a statement states; BuildKit's attestations carry it too."""
_TITLE = "org.opencontainers.image.title"
_CREATED = "org.opencontainers.image.created"
_KINDS = {
    SPDX_TYPE: "sbom.spdx",
    CYCLONEDX_TYPE: "sbom.cyclonedx",
    "https://slsa.dev/provenance/v1": "provenance",
    "https://slsa.dev/provenance/v0.2": "provenance",
    "https://spdx.dev/Document": "sbom.spdx.statement",
    "https://cyclonedx.org/bom": "sbom.cyclonedx.statement",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One document to be attached."""

    media_type: str
    body: bytes
    predicate: str = ""
    """The kind of a statement."""

    @property
    def kind(self) -> str:
        """See `attachment_kind`."""
        return attachment_kind(self.media_type, self.predicate)

    @property
    def digest(self) -> Digest:
        """Of the document."""
        return Digest.of(self.body)

    @property
    def notes(self) -> tuple[tuple[str, str], ...]:
        """Annotations that tell it from others without reading it."""
        return ((PREDICATE, self.predicate),) if self.predicate else ()


def attachment_kind(artifact_type: str, predicate: str = "") -> str:
    """What people call an attachment: `sbom.spdx`, `sbom.cyclonedx`, `provenance`; its type where we know no name for it."""
    return _KINDS.get(predicate) or _KINDS.get(artifact_type) or artifact_type


def attachment_file(kind: str, digest: Digest) -> str:
    """A file name for an attachment; nothing of it comes from a registry but digits."""
    name = kind if kind in _KINDS.values() else "attachment"
    return f"{name}-{digest.hex[:12]}.json"


def predicate_of(annotations: Iterable[tuple[str, str]]) -> str:
    """What the annotations of a descriptor or manifest say that a statement states; empty where they say nothing."""
    return dict(annotations).get(PREDICATE, "")


def render_artifact(attachment: Attachment, subject: tuple[str, Digest, int], epoch: int) -> bytes:
    """The manifest that attaches a document to the manifest `subject`: its media type, digest and size.

    `epoch`: when it was made, seconds since 1970.
    """
    media_type, digest, size = subject
    document = {
        "mediaType": attachment.media_type,
        "digest": attachment.digest,
        "size": len(attachment.body),
        "annotations": {_TITLE: f"{attachment.kind}.json", **dict(attachment.notes)},
    }
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": attachment.media_type,
            "config": {"mediaType": EMPTY_TYPE, "digest": Digest.of(EMPTY), "size": len(EMPTY)},
            "layers": [document],
            "subject": {"mediaType": media_type, "digest": digest, "size": size},
            "annotations": {_CREATED: render_time(epoch), **dict(attachment.notes)},
        }
    )
