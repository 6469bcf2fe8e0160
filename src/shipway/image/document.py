"""Manifests, indexes and configurations of others, parsed strictly. Pure.

Formats: OCI image-spec 1.1 (`image-manifest`, `image-index`, `config`) and Docker's image manifest version 2, schema 2.
Refused, because clients in the field disagree about it: a key that occurs twice, a document that is a manifest and an index
at once, a media type that contradicts the one it came under, a layer to be fetched from an address in the manifest, and a
configuration whose diffIDs are not as many as the layers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shipway.core.digest import BlobDigest, DiffId
from shipway.core.errors import HostileInput, NotFound
from shipway.core.text import shown
from shipway.image.oci import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX_TYPE = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
MANIFEST_TYPES = (MANIFEST_TYPE, DOCKER_MANIFEST_TYPE)
INDEX_TYPES = (INDEX_TYPE, DOCKER_INDEX_TYPE)
ENCODINGS = {
    LAYER_TYPE: "none",
    f"{LAYER_TYPE}+gzip": "gzip",
    f"{LAYER_TYPE}+zstd": "zstd",
    "application/vnd.docker.image.rootfs.diff.tar": "none",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "zstd",
}
"""How the bytes of a layer of each media type are packed."""
MANIFEST_LIMIT = 4 << 20
"""Bytes of a manifest or index that are read; registries promise no more."""
CONFIG_LIMIT = 8 << 20
_SIZE_LIMIT = 1 << 50
_LAYER_LIMIT = 1000
_ID = re.compile("[0-9]{1,10}", re.ASCII)
_ID_LIMIT = (1 << 31) - 1
"""Largest user id that a configuration may name; CVE-2024-40635 wrapped a larger one to root."""
_HALF = re.compile("[\ud800-\udfff]")
_Kind = TypeVar("_Kind", BlobDigest, DiffId)
_HINT = "the image was made by a broken tool, or to deceive one; ask whoever published it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """What a document says about another one, or about a layer."""

    media_type: str
    digest: BlobDigest
    size: int
    platform: str = ""
    """`linux/arm64` or `linux/arm64/v8`; empty where the descriptor does not say."""
    annotations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One image of one platform."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A manifest that attaches something to an image."""

    artifact_type: str
    subject: Descriptor
    layers: tuple[Descriptor, ...]
    """The documents."""
    annotations: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a configuration's history."""

    created: str = ""
    created_by: str = ""
    comment: str = ""
    empty: bool = False
    """It made no layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a configuration says. All of it is data for inside the container; nothing steers this host."""

    platform: str
    created: str
    env: tuple[tuple[str, str], ...]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    workdir: str
    user: str
    labels: tuple[tuple[str, str], ...]
    diff_ids: tuple[DiffId, ...]
    history: tuple[Step, ...] = field(compare=False, default=())


def parse_manifest_or_index(
    body: bytes, name: str, *, media_type: str = ""
) -> Manifest | tuple[Descriptor, ...]:
    """The manifest, or the descriptors of an index, in `body`.

    Args:
        body: the bytes, whose digest the caller has checked.
        name: for messages.
        media_type: what the transport or descriptor called it; empty where nothing did.

    Raises:
        HostileInput: see the module's list.
        NotFound: it is a manifest of a kind that shipway does not read.
    """
    document = _object(body, name, MANIFEST_LIMIT)
    if document.get("schemaVersion") != 2:  # noqa: PLR2004 - the one version
        if document.get("schemaVersion") == 1:
            raise NotFound(
                f"`{shown(name)}` has a manifest of Docker's schema 1, which is not supported",
                hints=["push the image again with a tool made after 2017"],
            )
        raise _refuse(name, "has a manifest without schema version 2")
    is_index = "manifests" in document
    if is_index and ("layers" in document or "config" in document):
        raise _refuse(name, "has a manifest that is an index too")
    inner = document.get("mediaType", "")
    if inner and media_type and inner != media_type:
        raise _refuse(name, f"was sent as `{shown(media_type)}`, but calls itself `{shown(str(inner))}`")
    kind = inner or media_type or (INDEX_TYPE if is_index else MANIFEST_TYPE)
    if kind not in (INDEX_TYPES if is_index else MANIFEST_TYPES):
        raise _refuse(name, f"has a manifest whose content contradicts its media type `{shown(str(kind))}`")
    if is_index:
        return tuple(_descriptor(one, name) for one in _list(document, "manifests", name))
    manifest = Manifest(
        media_type=kind,
        config=_descriptor(document.get("config"), name),
        layers=tuple(_descriptor(one, name) for one in _list(document, "layers", name)),
    )
    if manifest.config.media_type not in (CONFIG_TYPE, DOCKER_CONFIG_TYPE):
        raise NotFound(
            f"`{shown(name)}` is no container image, but `{shown(manifest.config.media_type)}`",
            hints=["name an image; other artifacts have no layers that could be used"],
        )
    for layer in manifest.layers:
        if layer.media_type not in ENCODINGS:
            raise _refuse(name, f"has a layer of the unknown media type `{shown(layer.media_type)}`")
    return manifest


def parse_artifact(body: bytes, name: str) -> Artifact:
    """What the manifest in `body` attaches, and to what (image-spec 1.1, `subject` and `artifactType`).

    Raises:
        HostileInput: it is no OCI manifest, or attaches to nothing.
    """
    document = _object(body, name, MANIFEST_LIMIT)
    if document.get("schemaVersion") != 2 or document.get("mediaType", MANIFEST_TYPE) != MANIFEST_TYPE:  # noqa: PLR2004
        raise _refuse(name, "has an attachment that is no OCI manifest")
    if not isinstance(document.get("subject"), dict):
        raise _refuse(name, "has an attachment without a `subject`")
    config = _descriptor(document.get("config"), name)
    return Artifact(
        artifact_type=_text(document, "artifactType", name) or config.media_type,
        subject=_descriptor(document["subject"], name),
        layers=tuple(_descriptor(one, name) for one in _list(document, "layers", name)),
        annotations=_pairs(document, "annotations", name),
    )


def choose_platform(descriptors: tuple[Descriptor, ...], platform: str, name: str) -> Descriptor:
    """The image for `platform` among those of an index. Attestations (`unknown/unknown`) are no images.

    Raises:
        NotFound: there is none.
    """
    images = [
        one
        for one in descriptors
        if one.media_type in MANIFEST_TYPES
        and one.platform != "unknown/unknown"
        and not any(key == "vnd.docker.reference.type" for key, _ in one.annotations)
    ]
    for exact in (True, False):
        for one in images:
            if one.platform == platform or (not exact and one.platform.startswith(platform + "/")):
                return one
    if len(images) == 1 and not images[0].platform:
        return images[0]
    there = ", ".join(sorted({shown(one.platform) for one in images if one.platform})) or "none"
    raise NotFound(
        f"`{shown(name)}` has no image for {platform}; it has {there}", hints=["choose one with --platform"]
    )


def parse_config(body: bytes, name: str, *, layers: int) -> Config:
    """The configuration in `body` of the image `name`, which has `layers` layers.

    Raises:
        HostileInput: it is not what image-spec allows, or its diffIDs are not as many as the layers.
    """
    document = _object(body, name, CONFIG_LIMIT)
    rootfs = document.get("rootfs")
    if not isinstance(rootfs, dict) or rootfs.get("type") != "layers":
        raise _refuse(name, "has a configuration without a `rootfs` of type `layers`")
    diff_ids = tuple(_digest(DiffId, one, name) for one in _list(rootfs, "diff_ids", name))
    if len(diff_ids) != layers:
        raise _refuse(name, f"has {layers} layers, but {len(diff_ids)} diffIDs")
    inner = document.get("config") or {}
    if not isinstance(inner, dict):
        raise _refuse(name, "has a `config` that is no object")
    user = _text(inner, "User", name)
    _require_ids(user, name)
    return Config(
        platform=_platform(document, name),
        created=_text(document, "created", name),
        env=tuple(_variable(one, name) for one in _texts(inner, "Env", name)),
        entrypoint=_texts(inner, "Entrypoint", name),
        command=_texts(inner, "Cmd", name),
        workdir=_text(inner, "WorkingDir", name),
        user=user,
        labels=_pairs(inner, "Labels", name),
        diff_ids=diff_ids,
        history=tuple(
            _step(one, name) for one in (_list(document, "history", name) if document.get("history") else ())
        ),
    )


def _object(body: bytes, name: str, limit: int) -> dict[str, Any]:
    if len(body) > limit:
        raise _refuse(name, f"has a document of more than {limit} bytes")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise _refuse(name, "has a JSON document with a key that occurs twice")
        return found

    try:
        value = json.loads(body.decode(), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise _refuse(name, "has a document that is no JSON") from error
    if not isinstance(value, dict):
        raise _refuse(name, "has a document that is no JSON object")
    return value


def parse_list(body: bytes, name: str) -> list[dict[str, Any]]:
    """The objects of a JSON list, as Docker's archives have it in `manifest.json`.

    Raises:
        HostileInput: it is no such list.
    """
    wrapped = _object(b'{"list":' + body.strip() + b"}", name, MANIFEST_LIMIT)
    found = _list(wrapped, "list", name)
    if len(wrapped) != 1 or not all(isinstance(one, dict) for one in found):
        raise _refuse(name, "has a list of something else than objects")
    return found


def _descriptor(value: Any, name: str) -> Descriptor:
    if not isinstance(value, dict):
        raise _refuse(name, "has a descriptor that is no object")
    if value.get("urls"):
        raise _refuse(name, "has a layer that is to be fetched from addresses in the manifest")
    size = value.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < _SIZE_LIMIT:
        raise _refuse(name, "has a descriptor without a sensible size")
    platform = value.get("platform")
    return Descriptor(
        media_type=_text(value, "mediaType", name),
        digest=_digest(BlobDigest, value.get("digest"), name),
        size=size,
        platform=_platform(platform, name) if isinstance(platform, dict) else "",
        annotations=_pairs(value, "annotations", name),
    )


def _digest(kind: type[_Kind], value: Any, name: str) -> _Kind:
    try:
        return kind(value if isinstance(value, str) else "")
    except ValueError as error:
        raise _refuse(name, "names something by what is no sha256 digest") from error


def _platform(value: dict[str, Any], name: str) -> str:
    parts = [_text(value, key, name) for key in ("os", "architecture", "variant")]
    return "/".join(part for part in parts if part)


def _step(value: Any, name: str) -> Step:
    if not isinstance(value, dict):
        raise _refuse(name, "has a history with a line that is no object")
    return Step(
        created=_text(value, "created", name),
        created_by=_text(value, "created_by", name),
        comment=_text(value, "comment", name),
        empty=value.get("empty_layer") is True,
    )


def _variable(text: str, name: str) -> tuple[str, str]:
    variable, equals, value = text.partition("=")
    if not variable or not equals:
        raise _refuse(name, f"sets the variable `{shown(text, 60)}`, which is no NAME=VALUE")
    return variable, value


def _require_ids(user: str, name: str) -> None:
    for part in user.split(":"):
        if part.lstrip("+-").isdigit() and not (_ID.fullmatch(part) and int(part) <= _ID_LIMIT):
            raise _refuse(name, f"names the user `{shown(user, 60)}`, which no system has")


def _list(value: dict[str, Any], key: str, name: str) -> list[Any]:
    found = value.get(key)
    if not isinstance(found, list) or len(found) > _LAYER_LIMIT:
        raise _refuse(name, f"has no list `{key}`, or one of more than {_LAYER_LIMIT} items")
    return found


def _texts(value: dict[str, Any], key: str, name: str) -> tuple[str, ...]:
    found = value.get(key)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(map(_is_text, found)):
        raise _refuse(name, f"has a `{key}` that is no list of texts")
    return tuple(found)


def _pairs(value: dict[str, Any], key: str, name: str) -> tuple[tuple[str, str], ...]:
    found = value.get(key) or {}
    if not isinstance(found, dict) or not all(map(_is_text, (*found, *found.values()))):
        raise _refuse(name, f"has `{key}` that are no texts by name")
    return tuple(sorted(found.items()))


def _text(value: dict[str, Any], key: str, name: str) -> str:
    found = value.get(key)
    if found is None:
        return ""
    if not _is_text(found):
        raise _refuse(name, f"has a `{key}` that is no text")
    return str(found)


def _is_text(value: Any) -> bool:
    """Whether `value` can be an argument, a variable or a line: JSON also writes NUL and halves of characters."""
    return isinstance(value, str) and "\0" not in value and not _HALF.search(value)


def _refuse(name: str, why: str) -> HostileInput:
    return HostileInput(f"`{shown(name)}` {why}", hints=[_HINT])
