"""A layer that is larger than the memory an image may cost: loaded, pushed and pulled in streams."""

import hashlib
import json
import os
import random
import subprocess
import sys

import pytest
from round_trip_world import registry

from shipway.archive.tarwriter import render_header
from shipway.core.digest import Digest
from shipway.core.manifest import FILE, Entry
from shipway.image.oci import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE
from shipway.verbs.context import host_platform

MOST = 300 << 20
"""Bytes that one process may hold, whatever the layers' sizes; the largest layer here has more."""
LAYER = 340 << 20
PIECE = 1 << 20


def write_large_layout(folder):
    """An OCI layout with one layer of `LAYER` bytes and more, written piece by piece."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    piece = random.Random(1).randbytes(PIECE)
    digest, size = hashlib.sha256(), 0
    with open(folder / "layer", "wb") as file:
        for data in (
            render_header(Entry("large", FILE, 0o644, size=LAYER), b"large"),
            *[piece] * (LAYER // PIECE),
            bytes(1024),
        ):
            digest.update(data)
            size += file.write(data)
    os.rename(folder / "layer", blobs / digest.hexdigest())
    layer = {"mediaType": LAYER_TYPE, "digest": f"sha256:{digest.hexdigest()}", "size": size}
    os_name, architecture = host_platform().split("/")
    rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
    config = json.dumps(
        {"os": os_name, "architecture": architecture, "config": {}, "rootfs": rootfs}
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": describe(config, CONFIG_TYPE),
            "layers": [layer],
        }
    ).encode()
    for data in (config, manifest):
        (blobs / Digest.of(data).hex).write_bytes(data)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    entry = describe(manifest, MANIFEST_TYPE)
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


def describe(data, media_type):
    return {"mediaType": media_type, "digest": Digest.of(data), "size": len(data)}


SMALL = "import os, resource, sys; code = os.spawnv(os.P_WAIT, sys.argv[1], sys.argv[1:]); \
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
"""Starts a command and says its peak. A process counts the memory of whoever forked it as its own (getrusage(2)), so that must be little."""


def peak(*words):
    """Bytes of memory at most of `shipway`, which must succeed."""
    command = [sys.executable, "-I", "-c", SMALL, sys.executable, "-m", "shipway", "-q", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    assert done.returncode == 0, words
    return int(done.stdout.split()[-1]) * 1024


@pytest.mark.slow
@pytest.mark.needs_tool("docker-registry")
def test_layers_of_any_size_are_streams(tmp_path, monkeypatch):
    write_large_layout(tmp_path / "layout")
    with registry(tmp_path / "registry") as host:
        peaks = {"load": peak("load", "--name", "large:1", str(tmp_path / "layout"))}
        for how in ("none", "gzip", "zstd"):
            peaks[f"push {how}"] = peak(
                "push", "--image", "large:1", "--compression", how, f"{host}/large:{how}"
            )
        monkeypatch.setenv("SHIPWAY_STORE", str(tmp_path / "other"))
        peaks["pull"] = peak("pull", f"{host}/large:gzip")
    assert max(peaks.values()) < MOST < LAYER, peaks
