"""Images on their way through other people's tools and back: every path and every digest is what it was."""

import functools
import os
import subprocess
import sys

import pytest
from round_trip_world import (
    expected,
    in_folder,
    in_tar,
    load_foreign,
    make_ours,
    registry,
    without_engine,
)

from private_engines import PRIVATE, call_engine
from shipway.core.digest import Digest
from shipway.core.events import silent
from shipway.core.manifest import FILE, disk_mode
from shipway.core.reference import parse_reference
from shipway.image.encode import Encoding
from shipway.image.load import load_images
from shipway.image.names import find_name, put_name
from shipway.image.save import pack_image, save_archive, save_docker, save_layout
from shipway.store.store import Store
from shipway.verbs.context import Task, host_platform
from shipway.verbs.pull import run_pull
from shipway.verbs.push import run_push

pytestmark = [pytest.mark.slow, pytest.mark.needs_root]
NAME = parse_reference("team/model:1")
TASK = Task(platform=host_platform())
SENTENCE = "round and round"
MOUNTED = ("cache", "etc", "tmp", "dev", "work", "root", "proc", "sys", "run")
"""Where a run of ours mounts something, whatever the image has there."""


@pytest.fixture
def store():
    return Store.open()


@pytest.fixture
def ours(store, tmp_path):
    """An image of ours, called `mine:1`."""
    image = make_ours(store, tmp_path / "made")
    put_name(store, "mine:1", image)
    return image


def tool(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shipway(folder, *words):
    folder.mkdir(exist_ok=True)
    return tool(sys.executable, "-m", "shipway", "-q", "-C", str(folder), *words)


def as_the_engine_has_it(engine, image, tmp_path):
    """Run a command of `image`, then everything that a container of it holds."""
    assert (
        engine("run", "--rm", "--network=none", image, "sh", "-c", "cat words; echo $ROUND")
        == f"{SENTENCE}\ntrip"
    )
    made = engine("create", "--network=none", image, "sh")
    engine("export", "-o", f"{tmp_path}/container.tar", made)
    engine("rm", made)
    return in_tar(tmp_path / "container.tar")


def as_the_native_engine_has_it(image, folder):
    """Kind, mode, and content or target of every path that no mount of a run covers, as a process inside sees it."""
    elsewhere = " ".join(f"! -path './{name}*'" for name in MOUNTED)
    script = (
        f"cd /; find . -mindepth 1 {elsewhere} -printf '%y\\0%m\\0%P\\0%l\\0'; echo; echo; "
        f"find . {elsewhere} -type f -print0 | xargs -0 sha256sum -z"
    )
    out = shipway(folder, "run", "--image", image, "--workdir", "/", "--", "sh", "-c", script)
    listed, _, sums = out.partition("\n\n")
    fields = listed.removesuffix("\0").split("\0")
    digests = {line[68:]: line[:64] for line in sums.split("\0")}
    return {
        path: (kind, int(mode, 8) if kind != "l" else 0, digests.get(path, target))
        for kind, mode, path, target in zip(*[iter(fields)] * 4, strict=True)
    }


def for_the_native_engine(seen):
    """Set-id bits and owners are the manifest's only: whoever runs an image is the user inside."""
    return {
        path: (one.kind, 0 if one.kind == "l" else disk_mode(one.kind, one.mode), one.content)
        for path, one in seen.items()
        if path.split("/")[0] not in MOUNTED
    }


@pytest.mark.needs_tool("skopeo", "umoci")
@pytest.mark.parametrize("encoding", ["none", "gzip"])
def test_skopeo_copies_and_umoci_unpacks_it(store, ours, tmp_path, encoding):
    packed = pack_image(store, ours, Encoding(encoding), silent, oci=True)
    digest = save_layout(str(tmp_path / "layout"), NAME, packed)
    copy = f"oci:{tmp_path}/copy:there"
    tool("skopeo", "--insecure-policy", "copy", "--preserve-digests", f"oci:{tmp_path}/layout:1", copy)
    assert Digest.of(tool("skopeo", "inspect", "--raw", copy).encode()) == digest
    tool("umoci", "unpack", "--image", f"{tmp_path}/copy:there", str(tmp_path / "bundle"))
    assert in_folder(tmp_path / "bundle" / "rootfs") == expected(store, ours)


@pytest.mark.needs_docker
@pytest.mark.needs_tool("docker-registry", "skopeo")
def test_docker_loads_it_and_pulls_it(store, ours, tmp_path):
    wanted = without_engine(expected(store, ours))
    with PRIVATE["docker"]() as settings, registry(tmp_path / "registry") as host:
        docker = functools.partial(call_engine, "docker", settings)
        save_docker(f"{tmp_path}/ours.tar", NAME, pack_image(store, ours, Encoding.NONE, silent, oci=True))
        docker("load", "-i", f"{tmp_path}/ours.tar")
        assert docker("image", "inspect", "--format", "{{.Id}}", NAME.text) == ours.config_digest
        assert without_engine(as_the_engine_has_it(docker, NAME.text, tmp_path)) == wanted
        docker("rmi", "-f", ours.config_digest)
        pushed = run_push(TASK, f"{host}/team/model:1", image="mine:1")
        docker("pull", "-q", pushed.name)
        line = docker("image", "inspect", "--format", "{{.Id}} {{index .RepoDigests 0}}", pushed.name)
        assert line == f"{ours.config_digest} {host}/team/model@{pushed.digest}"
        assert without_engine(as_the_engine_has_it(docker, pushed.name, tmp_path)) == wanted
        docker("tag", pushed.name, f"{host}/team/back:1")
        docker("push", "-q", f"{host}/team/back:1")
        come = run_pull(TASK, f"{host}/team/back:1")
        assert come.config_digest == ours.config_digest


@pytest.mark.needs_tool("podman", "runc")
def test_podman_loads_it_and_runs_it(store, ours, tmp_path):
    with PRIVATE["podman"]() as settings:
        podman = functools.partial(call_engine, "podman", settings)
        packed = pack_image(store, ours, Encoding.GZIP, silent, oci=True)
        digest = save_archive(f"{tmp_path}/ours.tar", NAME, packed)
        podman("load", "-q", "-i", f"{tmp_path}/ours.tar")
        line = podman("image", "inspect", "--format", "{{.Id}} {{.Digest}}", NAME.text)
        assert line == f"{ours.config_digest.hex} {digest}"
        there = as_the_engine_has_it(podman, NAME.text, tmp_path)
        assert without_engine(there) == without_engine(expected(store, ours))


@pytest.mark.needs_tool("docker-registry")
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_a_registry_gives_it_back_and_it_runs(store, ours, tmp_path, monkeypatch, compression):
    with registry(tmp_path / "registry") as host:
        pushed = run_push(TASK, f"{host}/team/model:1", image="mine:1", compression=compression)
        monkeypatch.setenv("SHIPWAY_STORE", str(tmp_path / "other"))
        other = Store.open()
        pulled = run_pull(TASK, pushed.name)
    come = find_name(other, pushed.name)
    assert (pulled.digest, come.config_digest) == (pushed.digest, ours.config_digest)
    assert expected(other, come) == expected(store, ours)
    assert as_the_native_engine_has_it(pushed.name, tmp_path / "here") == for_the_native_engine(
        expected(store, ours)
    )


@pytest.mark.needs_docker
def test_an_image_of_others_comes_by_docker_and_runs(store, tmp_path):
    """Loaded by Docker as it came, saved by it, loaded here: the same layers, the same configuration, the same paths."""
    image = load_foreign(store, tmp_path / "theirs")
    packed = pack_image(store, image, Encoding.NONE, silent, oci=True)
    save_docker(f"{tmp_path}/in.tar", parse_reference("others:1"), packed)
    with PRIVATE["docker"]() as settings:
        docker = functools.partial(call_engine, "docker", settings)
        docker("load", "-i", f"{tmp_path}/in.tar")
        there = as_the_engine_has_it(docker, "others:1", tmp_path)
        docker("save", "-o", f"{tmp_path}/out.tar", "others:1")
    other = Store.open(str(tmp_path / "other"))
    [loaded] = load_images(other, f"{tmp_path}/out.tar", platform=host_platform(), emit=silent)
    assert loaded.image.config_digest == image.config_digest
    assert expected(other, loaded.image) == expected(store, image)
    assert without_engine(there) == without_engine(expected(store, image))
    put_name(store, "others:1", image)
    assert as_the_native_engine_has_it("others:1", tmp_path / "here") == for_the_native_engine(
        expected(store, image)
    )
    assert os.stat(tmp_path / "here").st_uid == os.getuid()
    assert any(seen.kind == FILE for seen in there.values())
