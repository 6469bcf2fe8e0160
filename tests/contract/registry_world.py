"""What the registry tests share: one small image, and ways to open a registry with a given host configuration."""

from __future__ import annotations

from shipway.core.digest import Digest, canonical_json
from shipway.core.reference import parse_reference
from shipway.host.http_transport import Limits
from shipway.host.registries import read_registry_settings
from shipway.image.registry.client import open_registry
from shipway.image.registry.model import PushBlob

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
QUICK = Limits(
    connect=2, silence=1.0, headers=2.0, slow_window=0.5, slow_rate=1000, rounds=3, pause=0.01, pause_most=0.05
)  # fmt: skip
PATIENT = Limits(rounds=3, pause=0.05)
"""For a real registry, whose disk may be busy."""
LAYER = bytes(range(256)) * 4000
CONFIG = canonical_json(
    {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [Digest.of(LAYER)]}}
)


def manifest_of(*layers, config=CONFIG):
    """The canonical manifest over uncompressed layers."""
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": Digest.of(config),
                "size": len(config),
            },
            "layers": [
                {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": Digest.of(layer),
                    "size": len(layer),
                }
                for layer in layers
            ],
        }
    )


MANIFEST = manifest_of(LAYER)


def blob_of(data, *, actual=None, **more):
    """`data` to be pushed; `actual` is what its opener yields."""

    def pieces():
        sent = data if actual is None else actual
        return iter([sent[at : at + 65536] for at in range(0, len(sent), 65536)])

    return PushBlob(digest=Digest.of(data), size=len(data), open=pieces, **more)


def open_at(text, tmp_path, *, push=False, emit=lambda event: None, settings=None, limits=QUICK, **environ):
    """The registry of the reference `text`, as a host without any configuration but `environ` sees it."""
    known = settings or read_registry_settings(
        {"HOME": str(tmp_path), **environ}, root=str(tmp_path / "no-root")
    )
    return open_registry(parse_reference(text), settings=known, push=push, emit=emit, limits=limits)
