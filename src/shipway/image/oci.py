"""OCI image-spec 1.1 as values and canonical JSON. Pure.

The manifest lists uncompressed layers, so its digest depends on no compressor: one lock, one digest, everywhere.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from shipway.core.digest import DiffId, Digest, canonical_json

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLayer:
    """One finished layer."""

    name: str
    diff_id: DiffId
    size: int
    """Bytes of the uncompressed tar."""
    packages: tuple[str, ...]
    reason: str = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """What the configuration says besides its layers."""

    platform: str
    env: tuple[tuple[str, str], ...]
    workdir: str
    command: tuple[str, ...]
    epoch: int
    """Seconds since 1970: every `created` in the image."""
    labels: tuple[tuple[str, str], ...] = ()
    user: str = ""
    entrypoint: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A whole image: the two JSON documents over its layers."""

    config: bytes
    manifest: bytes
    layers: tuple[ImageLayer, ...]

    @property
    def digest(self) -> Digest:
        """Digest of the manifest: the image's name among machines."""
        return Digest.of(self.manifest)

    @property
    def config_digest(self) -> Digest:
        """Digest of the configuration (what Docker calls the image id)."""
        return Digest.of(self.config)


def render_image(settings: ImageConfig, layers: tuple[ImageLayer, ...]) -> Image:
    """The image of `layers`, bottom first."""
    config = canonical_json(_config(settings, layers))
    manifest = render_manifest(config, [(LAYER_TYPE, layer.diff_id, layer.size) for layer in layers])
    return Image(config=config, manifest=manifest, layers=layers)


def render_manifest(config: bytes, layers: Iterable[tuple[str, Digest, int]]) -> bytes:
    """The manifest over `config` and `layers`, bottom first: media type, digest and size of each."""
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": Digest.of(config), "size": len(config)},
            "layers": [
                {"mediaType": media_type, "digest": digest, "size": size}
                for media_type, digest, size in layers
            ],
        }
    )


def render_time(epoch: int) -> str:
    """RFC 3339 in UTC, as image-spec asks for `created`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))


def _config(settings: ImageConfig, layers: tuple[ImageLayer, ...]) -> dict[str, Any]:
    created = render_time(settings.epoch)
    os_name, _, architecture = settings.platform.partition("/")
    inner: dict[str, Any] = {
        "Env": [f"{name}={value}" for name, value in settings.env],
        "WorkingDir": settings.workdir,
    }
    if settings.user:
        inner["User"] = settings.user
    if settings.entrypoint:
        inner["Entrypoint"] = list(settings.entrypoint)
    if settings.command:
        inner["Cmd"] = list(settings.command)
    if settings.labels:
        inner["Labels"] = dict(settings.labels)
    return {
        "created": created,
        "architecture": architecture,
        "os": os_name,
        "config": inner,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [
            {"created": created, "created_by": f"shipway layer {layer.name}", "comment": layer.reason}
            for layer in layers
        ],
    }
