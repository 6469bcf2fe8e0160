"""An image on its way to Docker: what moves, by which way, and what is left."""

import json
import os
import shutil
import socket
import subprocess
import tarfile
from io import BytesIO

import pytest
from service_ways import forwarded

from private_engines import PRIVATE, private_docker
from shipway.core.digest import DiffId
from shipway.core.errors import EngineError
from shipway.core.events import Did, Note
from shipway.image.hand_over import join_portable
from shipway.image.oci import ImageConfig, ImageLayer, render_image
from shipway.image.portable import PortableLayer
from shipway.run.oci.docker import DOCKER
from shipway.run.oci.image import ensure_image
from shipway.run.oci.podman import podman_for
from shipway.run.oci.program import Program

PLATFORM = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[os.uname().machine]


def layer_of(name, text):
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(text)
        archive.addfile(member, BytesIO(text))
    return out.getvalue()


def image_of(*contents, platform=PLATFORM):
    """An image of one file per layer, and a list of the layers that were generated."""
    written = []

    def writer(index, data):
        def write(sink):
            written.append(index)
            sink.write(data)

        return write

    datas = [layer_of(f"file{index}", content) for index, content in enumerate(contents)]
    layers = tuple(
        ImageLayer(name=str(index), diff_id=DiffId.of(data), size=len(data), packages=(), reason="")
        for index, data in enumerate(datas)
    )
    config = ImageConfig(platform=platform, env=(), workdir="/", command=("/x",), epoch=0)
    portable = [
        PortableLayer(layer.diff_id, layer.size, writer(index, data))
        for index, (layer, data) in enumerate(zip(layers, datas, strict=True))
    ]
    return join_portable(render_image(config, layers), portable, platform=platform), written


@pytest.fixture(scope="module", params=["docker", "podman"])
def engine(request):
    with PRIVATE[request.param]() as settings:
        yield request.param, settings


pytestmark = [pytest.mark.needs_root, pytest.mark.needs_tool("docker", "dockerd", "podman", "runc")]


@pytest.fixture
def program(engine, monkeypatch):
    name, settings = engine
    for key, value in settings.items():
        monkeypatch.setenv(key, value)
    return Program(DOCKER if name == "docker" else podman_for(0), shutil.which(name))


def tag_of(program, name):
    return f"{program.dialect.local}shipway/{name}:t"


def names(program):
    return program.require("images", "--format", "{{.Repository}}:{{.Tag}}").split()


def test_the_image_arrives_once_and_under_its_own_name(program):
    image, written = image_of(b"once", b"two")
    identity = ensure_image(program, image, tag_of(program, "once"), [].append)
    assert identity.removeprefix("sha256:") == image.image.config_digest.hex
    assert sorted(written) == [0, 1]
    assert tag_of(program, "once") in names(program)
    assert not any("127.0.0.1" in name for name in names(program))
    assert ensure_image(program, image, tag_of(program, "once"), [].append) == identity
    assert sorted(written) == [0, 1]


def test_a_changed_layer_moves_alone(program):
    ensure_image(program, image_of(b"below", b"old")[0], tag_of(program, "moves"), [].append)
    image, written = image_of(b"below", b"new")
    events = []
    ensure_image(program, image, tag_of(program, "moves"), events.append)
    assert written == [1]
    assert len([event for event in events if isinstance(event, Did)]) == 1


def test_the_name_moves_with_the_build(program):
    for content in (b"first", b"second"):
        image, _ = image_of(b"name", content)
        ensure_image(program, image, tag_of(program, "name"), [].append)
        found = program.require("image", "inspect", "--format", "{{.Id}}", tag_of(program, "name"))
        assert found.removeprefix("sha256:") == image.image.config_digest.hex


def test_the_name_comes_back_with_an_earlier_build(program):
    tag = tag_of(program, "back")
    first, written = image_of(b"back", b"1")
    identity = ensure_image(program, first, tag, [].append)
    ensure_image(program, image_of(b"back", b"2")[0], tag, [].append)
    assert ensure_image(program, first, tag, [].append) == identity
    assert program.require("image", "inspect", "--format", "{{.Id}}", tag) == identity
    assert sorted(written) == [0, 1]


def test_an_image_of_another_platform_is_not_moved(program):
    other = {"linux/amd64": "linux/arm64", "linux/arm64": "linux/amd64"}[PLATFORM]
    image, written = image_of(b"other", platform=other)
    with pytest.raises(EngineError, match=f"the image is for {other}, and .* runs on {PLATFORM}") as caught:
        ensure_image(program, image, tag_of(program, "other"), [].append)
    assert f"--platform {PLATFORM}" in caught.value.hints[0]
    assert written == []
    assert tag_of(program, "other") not in names(program)


@pytest.fixture
def far(monkeypatch):
    """Docker behind a TCP port, as a service on another machine is."""
    with private_docker() as settings, forwarded(settings["DOCKER_HOST"].removeprefix("unix://")) as address:
        monkeypatch.setenv("DOCKER_CONFIG", settings["DOCKER_CONFIG"])
        monkeypatch.setenv("DOCKER_HOST", f"tcp://{address}")
        yield Program(DOCKER, shutil.which("docker"))


def test_a_service_elsewhere_loads_what_it_lacks(far):
    image, written = image_of(b"far", b"old", b"top")
    identity = ensure_image(far, image, "shipway/far:t", [].append)
    assert (identity, written) == (image.image.config_digest, [0, 1, 2])
    changed, written = image_of(b"far", b"new", b"top")
    events = []
    assert ensure_image(far, changed, "shipway/far:t", events.append) == changed.image.config_digest
    assert written == [1, 2]
    assert not [event for event in events if isinstance(event, Note)]
    layers = json.loads(
        far.require("image", "inspect", "--format", "{{json .RootFS.Layers}}", "shipway/far:t")
    )
    assert layers == [layer.diff_id for layer in changed.layers]


def test_a_service_that_does_not_reach_us_loads_and_says_so(program, monkeypatch):
    """As Docker in a virtual machine: its own loopback is not ours."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setattr("shipway.image.loopback.Loopback.reference", f"127.0.0.1:{port}/shipway/image:latest")
    image, written = image_of(b"unreached", os.urandom(8))
    events = []
    ensure_image(program, image, tag_of(program, "unreached"), events.append)
    assert written == [0, 1]
    assert [event.text for event in events if isinstance(event, Note)] == [
        f"{program.dialect.title} does not reach this machine's loopback, so the image is loaded"
    ]
    done = subprocess.run(
        [program.path, "save", tag_of(program, "unreached")], capture_output=True, check=True
    )
    assert b"unreached" in done.stdout
