"""An index: one name for an image of several platforms (image-spec 1.1, "Image Index"). Pure.

Entries are in the order of their platforms, so an index is the same bytes whatever the order in which its images came.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shipway.core.digest import canonical_json
from shipway.image.document import INDEX_TYPE, parse_manifest_or_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.image.document import Descriptor

_ABOUT = "vnd.docker.reference.digest"
"""Annotation of BuildKit's attestations: the image that they are about."""


def render_index(fresh: Sequence[Descriptor], kept: Sequence[dict[str, Any]] = ()) -> bytes:
    """The index of `fresh` and of `kept`, entries of another index."""
    entries = [*kept, *map(_entry, fresh)]
    return canonical_json(
        {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": sorted(entries, key=_order)}
    )


def kept_entries(body: bytes, name: str, fresh: Sequence[Descriptor]) -> list[dict[str, Any]]:
    """The entries of the index `body` that stay beside `fresh`: images of other platforms, and what is about them.

    Raises:
        HostileInput: `body` is no index.
    """
    there = parse_manifest_or_index(body, name)
    assert isinstance(there, tuple)
    entries: list[dict[str, Any]] = json.loads(body)["manifests"]
    platforms = {one.platform for one in fresh}
    gone = {one.digest for one in there if one.platform in platforms} | {one.digest for one in fresh}
    return [
        entry
        for entry, one in zip(entries, there, strict=True)
        if one.digest not in gone and dict(one.annotations).get(_ABOUT) not in gone
    ]


def _entry(one: Descriptor) -> dict[str, Any]:
    names = ("os", "architecture", "variant")
    return {
        "mediaType": one.media_type,
        "digest": one.digest,
        "size": one.size,
        "platform": dict(zip(names, one.platform.split("/"), strict=False)),
    }


def _order(entry: dict[str, Any]) -> tuple[str, str]:
    platform = entry.get("platform") or {}
    return "/".join(str(platform.get(name, "")) for name in ("os", "architecture", "variant")), entry[
        "digest"
    ]
