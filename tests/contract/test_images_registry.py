"""Images between stores by way of a registry: push, pull, and what either refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from shipway.core.digest import Digest
from shipway.core.errors import ExitCode, HashMismatch, HostileInput, NotFound, ToolError
from shipway.image.names import find_name, list_names, put_name
from shipway.store.store import Store
from shipway.testing.registry import FakeRegistry
from shipway.verbs.context import Task
from shipway.verbs.pull import run_pull
from shipway.verbs.push import run_push

sys.path.append(str(Path(__file__).parents[1] / "unit" / "image"))
from image_samples import config_of, descriptor, layer, own_image

from private_engines import distribution
from shipway.image.oci import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
TASK = Task(platform="linux/amd64")


@pytest.fixture
def registry():
    with FakeRegistry() as running:
        yield running


@pytest.fixture
def image():
    """An image of ours in the store of this test, called `mine:1`."""
    store = Store.open()
    made = own_image(store)
    put_name(store, "mine:1", made)
    return made


def add_remote(registry, name, tag, *layers, config=None):
    config = config or config_of(*layers)
    for data in (config, *layers):
        registry.add_blob(name, data)
    body = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": descriptor(config, CONFIG_TYPE),
            "layers": [descriptor(one, LAYER_TYPE) for one in layers],
        }
    ).encode()
    registry.add_manifest(name, tag, body, MANIFEST_TYPE)
    return body


def other_store(monkeypatch, tmp_path):
    monkeypatch.setenv("SHIPWAY_STORE", str(tmp_path / "other"))
    return Store.open()


@pytest.mark.parametrize("compression", ["", "none", "gzip", "zstd"])
def test_what_is_pushed_is_pulled_as_the_same_image(registry, image, monkeypatch, tmp_path, compression):
    name = f"{registry.host}/team/model:1"
    pushed = run_push(TASK, name, image="mine:1", compression=compression)
    assert (pushed.name, pushed.uploaded, pushed.present) == (name, 3, 0)
    again = run_push(TASK, name, image="mine:1", compression=compression)
    assert (again.digest, again.sent, again.present) == (pushed.digest, 0, 3)
    store = other_store(monkeypatch, tmp_path)
    pulled = run_pull(TASK, name)
    found = find_name(store, name)
    assert pulled.digest == pulled.offered == found.digest == pushed.digest
    assert pulled.config_digest == found.config_digest == image.config_digest
    assert [one.diff_id for one in found.layers] == [one.diff_id for one in image.layers]
    assert pulled.fetched > 0
    assert run_pull(TASK, name).fetched == 0
    if compression == "none":
        assert pushed.digest == image.digest
    assert run_push(TASK, f"{registry.host}/team/model:2", image=name).digest == pushed.digest


def test_a_neighbouring_repository_lends_its_layers(registry, image):
    put_name(Store.open(), f"{registry.host}/team/base:1", image)
    run_push(TASK, f"{registry.host}/team/base:1", image="mine:1")
    pushed = run_push(TASK, f"{registry.host}/team/model:1", image="mine:1")
    assert (pushed.mounted, pushed.uploaded) == (2, 1)


def test_what_a_stored_image_says_of_its_base_leads_to_no_question(registry, monkeypatch):
    other = layer(("a", b"a"))
    labels = {"org.opencontainers.image.base.name": f"{registry.host}/secret/repository:1"}
    config = config_of(other, config={"Labels": labels})
    add_remote(registry, "team/base", "1", other, config=config)
    run_pull(TASK, f"{registry.host}/team/base:1")
    pushed = run_push(TASK, f"{registry.host}/team/copy:1", image=f"{registry.host}/team/base:1")
    assert pushed.digest
    asked = [seen.query.get("from") for seen in registry.asked("POST", "/uploads/")]
    assert asked
    assert ("secret/repository",) not in asked
    add_remote(
        registry,
        "team/base",
        "2",
        other,
        config=config_of(other, config={"Labels": {"org.opencontainers.image.base.name": "::"}}),
    )
    run_pull(TASK, f"{registry.host}/team/base:2")
    assert run_push(TASK, f"{registry.host}/team/copy:2", image=f"{registry.host}/team/base:2").digest


def test_a_dry_run_moves_nothing(registry, image):
    name = f"{registry.host}/team/model:1"
    assert run_push(TASK, name, image="mine:1", dry_run=True).digest == ""
    assert registry.asked("POST", "/v2/.*") == []
    body = add_remote(registry, "team/base", "1", layer(("a", b"a")))
    result = run_pull(TASK, f"{registry.host}/team/base:1", dry_run=True)
    assert result.digest == Digest.of(body)
    assert result.fetched > 0
    assert [one.name for one in list_names(Store.open())] == ["mine:1"]
    assert registry.asked("GET", "/v2/team/base/blobs/.*") == []


def test_the_host_says_where_images_may_go(registry, image, monkeypatch):
    monkeypatch.setenv("SHIPWAY_PUSH_ALLOW", f"{registry.host}/allowed")
    with pytest.raises(ToolError, match="may not be pushed") as caught:
        run_push(TASK, f"{registry.host}/team/model:1", image="mine:1")
    assert caught.value.code == ExitCode.USAGE
    assert registry.asked("(GET|HEAD|POST|PUT)", "/v2/.*") == []
    assert run_push(TASK, f"{registry.host}/allowed/model:1", image="mine:1").digest


def test_the_project_says_where_its_image_may_go(registry, tmp_path):
    (tmp_path / "shipway.toml").write_text('name = "x"\n[push]\nallow = ["registry.example.org/team"]\n')
    task = TASK._replace(directory=str(tmp_path))
    with pytest.raises(ToolError, match="may not be pushed"):
        run_push(task, f"{registry.host}/team/model:1")


def test_a_digest_is_no_place_to_push_to(image):
    with pytest.raises(ToolError, match="names a digest"):
        run_push(TASK, f"registry.invalid/a@{image.digest}", image="mine:1")


def add_index(registry, name, tag, **platforms):
    entries = []
    for architecture, body in platforms.items():
        registry.add_manifest(name, f"of-{architecture}", body, MANIFEST_TYPE)
        platform = {"os": "linux", "architecture": architecture}
        entries.append(descriptor(body, MANIFEST_TYPE, platform=platform))
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}).encode()
    registry.add_manifest(name, tag, index, INDEX_TYPE)
    return index


def test_the_platform_is_chosen_and_both_digests_are_told(registry):
    amd = add_remote(registry, "team/base", "a", layer(("a", b"amd")))
    arm = add_remote(registry, "team/base", "b", layer(("a", b"arm")))
    index = add_index(registry, "team/base", "1", amd64=amd, arm64=arm)
    result = run_pull(TASK._replace(platform="linux/arm64"), f"{registry.host}/team/base:1")
    assert (result.digest, result.offered) == (Digest.of(arm), Digest.of(index))
    add_index(registry, "team/base", "2", s390x=amd)
    with pytest.raises(NotFound, match="it has linux/s390x"):
        run_pull(TASK, f"{registry.host}/team/base:2")


def test_nothing_is_named_when_a_layer_lies(registry):
    good = layer(("a", b"a"))
    add_remote(registry, "team/base", "1", good, config=config_of(layer(("a", b"other"))))
    with pytest.raises(HashMismatch):
        run_pull(TASK, f"{registry.host}/team/base:1")
    add_remote(registry, "team/base", "2", layer(("../escape", b"x")))
    with pytest.raises(HostileInput):
        run_pull(TASK, f"{registry.host}/team/base:2")
    assert list_names(Store.open()) == []


def test_what_the_registry_lacks_is_told(registry):
    with pytest.raises(NotFound):
        run_pull(TASK, f"{registry.host}/team/none:1")


@pytest.mark.needs_tool("docker-registry", "skopeo")
def test_skopeo_and_we_see_the_same_image_in_a_real_registry(image, monkeypatch, tmp_path):
    with distribution(tmp_path / "registry") as (host, _):
        name = f"{host}/team/model:1"
        pushed = run_push(TASK, name, image="mine:1")
        copy = ["skopeo", "--insecure-policy", "copy", "--preserve-digests", "--src-tls-verify=false"]
        subprocess.run(
            [*copy, "--dest-tls-verify=false", f"docker://{name}", f"docker://{host}/team/copy:2"],
            check=True,
            capture_output=True,
        )
        store = other_store(monkeypatch, tmp_path)
        pulled = run_pull(TASK, f"{host}/team/copy:2")
        assert pulled.digest == pushed.digest
        found = find_name(store, f"{host}/team/copy:2")
        assert [one.diff_id for one in found.layers] == [one.diff_id for one in image.layers]
