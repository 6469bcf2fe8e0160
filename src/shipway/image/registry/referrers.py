"""The list of what is attached to a manifest: an index, by the API or under a tag (distribution-spec 1.1). Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from shipway.core.digest import Digest, canonical_json
from shipway.core.errors import FetchError
from shipway.image.registry.model import Descriptor

_TAG = re.compile(r"sha256-[0-9a-f]{64}\Z", re.ASCII)
_INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


def referrers_tag(digest: Digest) -> str:
    """The tag that stands for the referrers of `digest` where a registry has no API for them ("Referrers Tag Schema")."""
    return digest.replace(":", "-")


def is_referrers_tag(tag: str) -> bool:
    """Whether `tag` is one that `referrers_tag` gives."""
    return _TAG.match(tag) is not None


def parse_referrers(body: bytes, registry: str) -> tuple[Descriptor, ...]:
    """What the index `body` of `registry` lists.

    Raises:
        FetchError: it is no such index.
    """
    return tuple(_descriptor(entry, registry) for entry in _entries(body, registry))


def add_referrers(body: bytes, registry: str, fresh: Iterable[Descriptor]) -> bytes | None:
    """The index `body` with `fresh` behind what it lists; None where all of them are listed. Others' entries stay as they are.

    Raises:
        FetchError: `body` is no such index.
    """
    entries = _entries(body, registry)
    there = {_descriptor(entry, registry).digest for entry in entries}
    missing = [one for one in fresh if one.digest not in there]
    if not missing:
        return None
    added = [
        {
            "mediaType": one.media_type,
            "digest": one.digest,
            "size": one.size,
            "artifactType": one.artifact_type,
            "annotations": dict(one.annotations),
        }
        for one in missing
    ]
    return canonical_json({"schemaVersion": 2, "mediaType": _INDEX_TYPE, "manifests": [*entries, *added]})


def _entries(body: bytes, registry: str) -> list[Any]:
    try:
        table = json.loads(body)
        entries = table["manifests"] or []
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise _unreadable(registry) from error
    if not isinstance(entries, list):
        raise _unreadable(registry)
    return entries


def _descriptor(entry: Any, registry: str) -> Descriptor:
    try:
        return Descriptor(
            media_type=str(entry["mediaType"]),
            digest=Digest(entry["digest"]),
            size=int(entry["size"]),
            artifact_type=str(entry.get("artifactType", "")),
            annotations=tuple(
                sorted((str(key), str(value)) for key, value in (entry.get("annotations") or {}).items())
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(registry) from error


def _unreadable(registry: str) -> FetchError:
    return FetchError(
        f"the registry `{registry}` answered with referrers that cannot be read",
        hints=["tell the registry's administrator"],
    )
