"""What is attached to an image that is pushed: its bills of materials, and how it was made."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipway.core.digest import Digest
    from shipway.image.attached import Attachment
    from shipway.image.registry.attach import Attached
    from shipway.verbs.prepare import Planned


class Attach(StrEnum):
    """What may be attached."""

    SBOM = "sbom"
    """Bills of materials, one in each of `export.sbom.FORMATS`."""
    PROVENANCE = "provenance"


class AttachedView(NamedTuple):
    """One attachment at a registry."""

    kind: str
    """`sbom.spdx`, `provenance`, …; its type where it has no such name."""
    digest: str
    """Of its manifest."""
    artifact_type: str


def view_attached(attached: Sequence[Attached]) -> tuple[AttachedView, ...]:
    """What a result says about attachments."""
    return tuple(AttachedView(one.kind, one.digest, one.artifact_type) for one in attached)


def make_documents(planned: Planned, image: Digest, kinds: Iterable[str]) -> tuple[Attachment, ...]:
    """The documents of `kinds` about the project's image whose manifest has the digest `image`. The same for the same image."""
    from shipway import __version__
    from shipway.export.model import read_contents
    from shipway.export.provenance import PREDICATE, render_provenance
    from shipway.export.sbom import render_sbom
    from shipway.image.attached import CYCLONEDX_TYPE, SPDX_TYPE, STATEMENT_TYPE, Attachment

    contents = read_contents(planned.lock, planned.plan.target, planned.plan.platform)
    documents: list[Attachment] = []
    if Attach.SBOM in kinds:
        for form, media_type in (("spdx", SPDX_TYPE), ("cyclonedx", CYCLONEDX_TYPE)):
            text = render_sbom(contents, form, version=__version__)
            documents.append(Attachment(media_type=media_type, body=text.encode()))
    if Attach.PROVENANCE in kinds:
        text = render_provenance(contents, image, version=__version__)
        documents.append(Attachment(media_type=STATEMENT_TYPE, body=text.encode(), predicate=PREDICATE))
    return tuple(documents)
