"""Images of several platforms under one name: at registries, in layouts, and what skopeo sees of them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "unit" / "image"))
from image_samples import SETTINGS, add_tree, descriptor

from private_engines import distribution
from shipway.core.digest import Digest, canonical_json
from shipway.core.errors import BuildError, ExitCode, HostileInput, ToolError
from shipway.core.events import silent
from shipway.image.assemble import LayerContent, assemble
from shipway.image.names import find_name, put_name
from shipway.image.oci import MANIFEST_TYPE
from shipway.image.stored import store_image
from shipway.store.store import Store
from shipway.testing.registry import FakeRegistry, Trick
from shipway.verbs.archives import SaveRequest, run_load, run_save
from shipway.verbs.context import Task, host_platform
from shipway.verbs.inspect_remote import inspect_remote
from shipway.verbs.pull import run_pull
from shipway.verbs.push import PushOptions, run_push
from shipway.verbs.several import choose_images

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
AMD, ARM = Task(platform="linux/amd64"), Task(platform="linux/arm64")
BOTH = PushOptions(also=("mine:arm64",))


@pytest.fixture
def registry():
    with FakeRegistry() as running:
        yield running


@pytest.fixture(autouse=True)
def images():
    """`mine:amd64` and `mine:arm64`, which share a layer."""
    store = Store.open()
    made = {}
    for number, architecture in enumerate(("amd64", "arm64"), 10):
        trees = (
            add_tree(store, 1, {"bin/tool": b"#!x"}),
            add_tree(store, number, {"bin/own": b"%d" % number}),
        )
        contents = tuple(
            LayerContent(name=f"l{at}", trees=(tree,), packages=(), reason="because")
            for at, tree in enumerate(trees)
        )
        settings = replace(SETTINGS, platform=f"linux/{architecture}")
        image = store_image(assemble(store, contents, settings, silent), contents, SETTINGS.epoch)
        put_name(store, f"mine:{architecture}", image)
        made[architecture] = image
    return made


def held(registry, name="team/model", tag="1"):
    return registry.repositories[name].manifests[tag][1]


def test_two_platforms_become_an_index_and_a_pull_chooses(registry, images, monkeypatch, tmp_path):
    name = f"{registry.host}/team/model:1"
    pushed = run_push(Task(), name, image="mine:amd64", options=BOTH)
    assert [one.platform for one in pushed.images] == ["linux/amd64", "linux/arm64"]
    assert pushed.digest == Digest.of(held(registry))
    entries = json.loads(held(registry))["manifests"]
    assert [entry["platform"] for entry in entries] == [
        {"os": "linux", "architecture": architecture} for architecture in ("amd64", "arm64")
    ]
    assert pushed.present == 1  # the layer that both have
    monkeypatch.setenv("SHIPWAY_STORE", str(tmp_path / "other"))
    for task, architecture in ((AMD, "amd64"), (ARM, "arm64")):
        pulled = run_pull(task, name)
        assert (pulled.offered, pulled.platform) == (pushed.digest, f"linux/{architecture}")
        assert find_name(Store.open(), name).config_digest == images[architecture].config_digest
    seen = inspect_remote(Task(), name)
    assert [(one.platform, one.layers) for one in seen.images] == [("linux/amd64", 2), ("linux/arm64", 2)]
    assert [one.platform for one in inspect_remote(ARM, name).images] == ["linux/arm64"]


def test_the_order_of_the_images_does_not_change_the_index(registry):
    one = run_push(Task(), f"{registry.host}/team/a:1", image="mine:amd64", options=BOTH)
    other = run_push(
        Task(), f"{registry.host}/team/b:1", image="mine:arm64", options=PushOptions(also=("mine:amd64",))
    )
    assert one.digest == other.digest


def test_each_machine_adds_its_own_platform(registry):
    name = f"{registry.host}/team/model:1"
    together = run_push(Task(), f"{registry.host}/team/both:1", image="mine:amd64", options=BOTH).digest
    first = run_push(Task(), name, image="mine:amd64", options=PushOptions(index=True))
    assert [one.platform for one in inspect_remote(Task(), name).images] == ["linux/amd64"]
    second = run_push(Task(), name, image="mine:arm64", options=PushOptions(index=True))
    assert second.digest == together != first.digest
    again = run_push(Task(), name, image="mine:amd64", options=PushOptions(index=True))
    assert again.digest == together


def test_an_image_alone_under_the_tag_joins_the_index(registry):
    name = f"{registry.host}/team/model:1"
    run_push(Task(), name, image="mine:amd64")
    run_push(Task(), name, image="mine:arm64", options=PushOptions(index=True))
    seen = inspect_remote(Task(), name)
    assert [one.platform for one in seen.images] == ["linux/amd64", "linux/arm64"]
    assert run_push(Task(), name, image="mine:arm64").digest == seen.images[1].digest
    assert inspect_remote(Task(), name).media_type == MANIFEST_TYPE


def test_what_else_an_index_says_stays_as_it_is(registry):
    name = f"{registry.host}/team/model:1"
    run_push(Task(), name, image="mine:amd64", options=BOTH)
    entries = json.loads(held(registry))["manifests"]

    def about(entry):
        marks = {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": entry["digest"],
        }
        unknown = {"os": "unknown", "architecture": "unknown"}
        return descriptor(entry["digest"].encode(), MANIFEST_TYPE, annotations=marks, platform=unknown)

    windows = descriptor(
        b"w", MANIFEST_TYPE, platform={"os": "windows", "architecture": "amd64", "os.version": "10.0"}
    )
    everything = [*entries, windows, *map(about, entries)]
    registry.add_manifest(
        "team/model",
        "1",
        canonical_json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": everything}),
        INDEX_TYPE,
    )
    seen = inspect_remote(AMD, name)
    assert [one.kind for one in seen.images[0].attached] == ["attestation-manifest"]
    run_push(
        Task(), name, image="mine:arm64", options=PushOptions(index=True, attach=None), compression="zstd"
    )
    now = json.loads(held(registry))["manifests"]
    assert windows in now
    assert about(entries[0]) in now
    assert about(entries[1]) not in now  # the image that it is about has gone
    assert [one["platform"]["architecture"] for one in now].count("arm64") == 1


def test_two_images_of_one_platform_are_no_index(registry):
    with pytest.raises(ToolError, match="of the same platform") as caught:
        run_push(
            Task(), f"{registry.host}/a:1", image="mine:amd64", options=PushOptions(also=("mine:amd64",))
        )
    assert caught.value.code == ExitCode.USAGE
    assert registry.seen == []


def test_a_platform_that_this_machine_cannot_build_says_where_it_can(registry, monkeypatch):
    def fail(task, text, name=""):
        raise BuildError("a maintainer script failed", detail="exec format error")

    monkeypatch.setattr("shipway.verbs.several.choose_image", fail)

    other = "linux/arm64" if host_platform() == "linux/amd64" else "linux/amd64"
    with pytest.raises(BuildError, match=f"for {other} cannot be built on this machine") as caught:
        choose_images(Task(platform=other), (), every=False)
    assert "--index" in caught.value.hints[0]
    assert caught.value.detail == "exec format error"
    with pytest.raises(BuildError, match=r"^a maintainer script failed$"):
        choose_images(Task(), (), every=False)


def test_the_tag_stays_when_a_platform_cannot_be_sent(registry):
    name = f"{registry.host}/team/model:1"
    run_push(Task(), name, image="mine:amd64")
    before = held(registry)
    registry.order("POST", "/uploads/", Trick.DENIED)
    with pytest.raises(ToolError):
        run_push(Task(), name, image="mine:arm64", options=PushOptions(index=True))
    assert held(registry) == before


def test_an_index_that_is_none_is_not_built_upon(registry):
    name = f"{registry.host}/team/model:1"
    registry.add_manifest("team/model", "1", b'{"schemaVersion":2,"manifests":[7]}', INDEX_TYPE)
    with pytest.raises(HostileInput):
        run_push(Task(), name, image="mine:arm64", options=PushOptions(index=True))
    assert held(registry) == b'{"schemaVersion":2,"manifests":[7]}'


def save(path, **more):
    return run_save(
        SaveRequest(path=str(path), image="mine:amd64", also=("mine:arm64",), name="team/model:1", **more),
        Task(),
    )


@pytest.mark.parametrize("place", ["layout/", "image.tar"])
def test_a_layout_holds_both_and_a_load_chooses(images, monkeypatch, tmp_path, place):
    saved = save(f"{tmp_path}/{place}")
    assert saved.platforms == ("linux/amd64", "linux/arm64")
    assert save(f"{tmp_path}/again-{place}").digest == saved.digest
    monkeypatch.setenv("SHIPWAY_STORE", str(tmp_path / "other"))
    for task, architecture in ((AMD, "amd64"), (ARM, "arm64")):
        [loaded] = run_load(f"{tmp_path}/{place}", task)
        assert (loaded.name, loaded.config_digest) == ("team/model:1", images[architecture].config_digest)


def test_docker_archives_hold_one_platform(tmp_path):
    with pytest.raises(ToolError, match="several platforms") as caught:
        save(tmp_path / "image.tar", form="docker")
    assert caught.value.code == ExitCode.USAGE
    assert list(tmp_path.glob("*.tar")) == []


@pytest.mark.needs_tool("docker-registry", "skopeo")
def test_skopeo_sees_the_same_index_in_layouts_and_at_a_real_registry(images, tmp_path):
    saved = save(f"{tmp_path}/layout/")
    with distribution(tmp_path / "registry") as (host, _):
        pushed = run_push(
            Task(), f"{host}/team/model:1", image="mine:amd64", compression="none", options=BOTH
        )
        assert pushed.digest == saved.digest
        copy = [
            "skopeo",
            "--insecure-policy",
            "copy",
            "--all",
            "--preserve-digests",
            "--dest-tls-verify=false",
        ]
        subprocess.run(
            [*copy, f"oci:{tmp_path}/layout:1", f"docker://{host}/team/copy:1"],
            check=True,
            capture_output=True,
        )
        assert inspect_remote(Task(), f"{host}/team/copy:1").digest == saved.digest
        raw = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{host}/team/model:1"]
        assert Digest.of(subprocess.run(raw, check=True, capture_output=True).stdout) == pushed.digest
        told = subprocess.run(
            [
                "skopeo",
                "--override-arch=arm64",
                "inspect",
                "--tls-verify=false",
                f"docker://{host}/team/model:1",
            ],
            check=True,
            capture_output=True,
        )
        assert json.loads(told.stdout)["Architecture"] == "arm64"
