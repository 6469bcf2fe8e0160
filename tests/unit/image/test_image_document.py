import json

import pytest
from image_samples import config_of, descriptor, layer

from shipway.core.errors import HostileInput, NotFound
from shipway.image.document import (
    DOCKER_MANIFEST_TYPE,
    INDEX_TYPE,
    MANIFEST_LIMIT,
    choose_platform,
    parse_config,
    parse_list,
    parse_manifest_or_index,
)
from shipway.image.oci import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE

BODY = layer(("a", b"a"))


def manifest(**more):
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor(b"{}", CONFIG_TYPE),
        "layers": [descriptor(BODY, LAYER_TYPE)],
        **more,
    }


def parse(document, **more):
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return parse_manifest_or_index(text, "x", **more)


def test_a_manifest_is_read():
    found = parse(manifest())
    assert found.config.size == 2
    assert [one.size for one in found.layers] == [len(BODY)]
    assert parse(manifest(mediaType=DOCKER_MANIFEST_TYPE)).media_type == DOCKER_MANIFEST_TYPE


def with_layer(**more):
    return manifest(layers=[{**descriptor(BODY, LAYER_TYPE), **more}])


@pytest.mark.parametrize(
    "document",
    [
        b"no json",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"schemaVersion":2,"schemaVersion":2,"config":{},"layers":[]}',
        b'{"schemaVersion":2,' + b" " * MANIFEST_LIMIT + b"}",
        manifest(manifests=[]),
        manifest(mediaType=INDEX_TYPE),
        {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "manifests": []},
        manifest(schemaVersion=3),
        manifest(schemaVersion="2"),
        manifest(layers={}),
        manifest(layers=[descriptor(BODY, LAYER_TYPE)] * 2000),
        manifest(config=[]),
        with_layer(digest="sha256:../../etc/passwd"),
        with_layer(digest="sha512:" + "0" * 128),
        with_layer(digest="sha256:" + "A" * 64),
        with_layer(digest=5),
        with_layer(size=-1),
        with_layer(size=True),
        with_layer(size="5"),
        with_layer(size=1 << 60),
        with_layer(urls=["https://elsewhere.invalid/layer"]),
        with_layer(mediaType="application/x-unknown"),
        with_layer(mediaType=7),
        with_layer(annotations={"a": 1}),
    ],
)
def test_manifests_that_are_refused(document):
    with pytest.raises(HostileInput):
        parse(document)


def test_what_was_sent_under_another_type_is_refused():
    with pytest.raises(HostileInput, match="was sent as"):
        parse(manifest(), media_type=DOCKER_MANIFEST_TYPE)
    without = manifest()
    del without["mediaType"]
    with pytest.raises(HostileInput, match="contradicts its media type"):
        parse(without, media_type=INDEX_TYPE)


@pytest.mark.parametrize(
    "document",
    [
        {"schemaVersion": 1, "fsLayers": []},
        manifest(config=descriptor(b"{}", "application/vnd.cncf.helm.config.v1+json")),
    ],
)
def test_what_is_no_image_is_told(document):
    with pytest.raises(NotFound):
        parse(document)


def index_of(*platforms):
    return parse(
        {
            "schemaVersion": 2,
            "manifests": [
                descriptor(text.encode(), MANIFEST_TYPE, platform=dict(zip(("os", "architecture", "variant"), text.split("/"), strict=False)))
                for text in platforms
            ],
        }
    )  # fmt: skip


def test_the_platform_is_chosen():
    there = index_of("unknown/unknown", "linux/arm/v7", "linux/arm64/v8", "linux/amd64/v3", "linux/amd64")
    assert choose_platform(there, "linux/arm64", "x").platform == "linux/arm64/v8"
    assert choose_platform(there, "linux/amd64", "x").platform == "linux/amd64"
    with pytest.raises(NotFound, match="it has linux/arm/v7, linux/arm64/v8"):
        choose_platform(index_of("linux/arm/v7", "linux/arm64/v8"), "linux/amd64", "x")
    with pytest.raises(NotFound, match="it has none"):
        choose_platform(index_of("unknown/unknown"), "linux/amd64", "x")


def test_a_configuration_is_read():
    body = config_of(BODY, variant="v8", history=[{"created_by": "sh", "empty_layer": True}])
    found = parse_config(body, "x", layers=1)
    assert (found.platform, found.env, found.command) == ("linux/amd64/v8", (("A", "1"),), ("sh",))
    assert found.history[0].empty


def changed(**inner):
    return config_of(BODY, config=inner)


@pytest.mark.parametrize(
    "body",
    [
        config_of(),
        config_of(BODY, BODY),
        config_of(BODY, rootfs={"type": "layers"}),
        config_of(BODY, rootfs={"type": "other", "diff_ids": []}),
        config_of(BODY, rootfs=[]),
        config_of(BODY, config=[1]),
        config_of(BODY, history=5),
        config_of(BODY, history=["x"]),
        config_of(BODY, os=5),
        changed(Env=["no-equals"]),
        changed(Env=["A=\0"]),
        changed(Env="A=1"),
        changed(Cmd="sh"),
        changed(Entrypoint=[1]),
        changed(WorkingDir=[]),
        changed(Labels={"a": []}),
        changed(User=str(1 << 31)),
        changed(User="0:4294967296"),
        changed(User="-1"),
        changed(User="+0"),
        changed(User="²"),
        changed(User="٣"),
        changed(User="9" * 5000),
        changed(User="a\0"),
        changed(Env=["A=\ud800"]),
        changed(Cmd=["a\0b"]),
        changed(WorkingDir="/a\udfff"),
        changed(Labels={"a\ud800": "b"}),
        config_of(BODY, created="2024\0"),
        config_of(BODY, history=[{"created_by": "\ud800"}]),
    ],
)
def test_configurations_that_are_refused(body):
    with pytest.raises(HostileInput):
        parse_config(body, "x", layers=1)


@pytest.mark.parametrize("body", [b"{}", b"[1]", b'[],"x":[]', b'[],"list":[]', b"[", b""])
def test_lists_that_are_refused(body):
    with pytest.raises(HostileInput):
        parse_list(body, "x")
