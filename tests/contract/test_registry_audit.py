"""Attacks that only show with more than one host, and the table in docs/architecture/registries.md, which names a test for each."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from registry_world import CONFIG, LAYER, MANIFEST, MANIFEST_TYPE, open_at

sys.path.append(str(Path(__file__).parents[1] / "unit" / "image"))

from shipway.core.digest import Digest
from shipway.core.errors import FetchError, HashMismatch, HostileInput, ToolError
from shipway.core.events import Note
from shipway.core.reference import parse_reference
from shipway.host.location import Auth
from shipway.host.registries import Place, RegistrySettings, read_registry_settings
from shipway.image.names import list_names
from shipway.store.store import Store
from shipway.testing.registry import FakeRegistry, Trick
from shipway.verbs.context import Task
from shipway.verbs.pull import run_pull

ROOT = Path(__file__).parents[2]
USER = Auth(user="ada", password="s3cret-word")
INNER = [
    "http://169.254.169.254/latest/meta-data",
    "http://127.0.0.1:1/x",
    "http://[::1]:1/x",
    "http://localhost:1/x",
]
HUB = "hub.example.org/team/thing:v1"


@pytest.fixture
def registry():
    with FakeRegistry() as running:
        fill(running)
        yield running


def fill(running):
    for data in (LAYER, CONFIG):
        running.add_blob("team/thing", data)
    running.add_manifest("team/thing", "v1", MANIFEST, MANIFEST_TYPE)


def remember(tmp_path, *hosts):
    (tmp_path / ".docker").mkdir(exist_ok=True)
    entry = {"auth": USER.header.partition(" ")[2]}
    (tmp_path / ".docker" / "config.json").write_text(json.dumps({"auths": dict.fromkeys(hosts, entry)}))


def outside(running):
    """The environment in which `hub.example.org`, no host of this machine, is `running`."""
    return {"SHIPWAY_INSECURE_REGISTRIES": "hub.example.org", "HTTP_PROXY": f"http://{running.host}"}


def with_mirror(running, mirror, tmp_path):
    place = Place(name=running.host, mirrors=(f"http://{mirror.host}",))
    return RegistrySettings(places={running.host: place}, environ={"HOME": str(tmp_path)})


def manifest(text, tmp_path, **more):
    with open_at(text, tmp_path, **more) as opened:
        return opened.get_manifest(parse_reference(text)).body


# --- into this machine


@pytest.mark.parametrize("target", INNER)
@pytest.mark.parametrize(
    "ask",
    [
        lambda opened, path: opened.get_manifest(parse_reference(HUB)),
        lambda opened, path: opened.list_tags(),
        lambda opened, path: opened.fetch_blob(Digest.of(LAYER), len(LAYER), path),
    ],
    ids=["manifest", "list", "blob"],
)
def test_a_registry_outside_leads_nobody_into_this_machine(registry, tmp_path, target, ask):
    registry.elsewhere = target
    registry.order("GET", "/(manifests|blobs|tags)/", Trick.REDIRECT)
    with open_at(HUB, tmp_path, **outside(registry)) as opened, pytest.raises(FetchError) as caught:
        ask(opened, str(tmp_path / "blob"))
    assert "into this machine" in caught.value.message + caught.value.detail
    assert {seen.headers["host"] for seen in registry.seen} == {"hub.example.org"}


@pytest.mark.parametrize("target", INNER)
def test_a_registry_outside_has_no_token_server_in_this_machine(registry, tmp_path, target):
    remember(tmp_path, "hub.example.org")
    registry.token, registry.realm = USER, target
    with pytest.raises(HostileInput, match="is on this machine"):
        manifest(HUB, tmp_path, **outside(registry))
    assert {seen.headers["host"] for seen in registry.seen} == {"hub.example.org"}


def test_a_layer_from_elsewhere_is_never_fetched(registry):
    with FakeRegistry() as thief:
        thief.add_blob("team/thing", LAYER)
        document = json.loads(MANIFEST)
        document["layers"][0]["urls"] = [f"http://{thief.host}/v2/team/thing/blobs/{Digest.of(LAYER)}"]
        registry.add_manifest("team/thing", "v2", json.dumps(document).encode(), MANIFEST_TYPE)
        with pytest.raises(HostileInput, match="from addresses in the manifest"):
            run_pull(Task(platform="linux/amd64"), f"{registry.host}/team/thing:v2")
        assert thief.seen == []
        assert not registry.asked("GET", "/blobs/")
        assert list_names(Store.open()) == []


# --- lengths


def test_a_length_that_is_too_long_ends_in_bounded_time(registry, tmp_path):
    registry.say("GET", "/(manifests|blobs)/", Content_Length=str(len(LAYER) + 1000))
    with pytest.raises(FetchError):
        manifest(f"{registry.host}/team/thing:v1", tmp_path)
    with open_at(f"{registry.host}/team/thing:v1", tmp_path) as opened, pytest.raises(ToolError):
        opened.fetch_blob(Digest.of(LAYER), len(LAYER), str(tmp_path / "blob"))
    assert not (tmp_path / "blob").exists()


def test_a_length_that_is_too_short_makes_no_shorter_thing(registry, tmp_path):
    registry.say("GET", "/(manifests|blobs)/", Content_Length="7")
    with pytest.raises((FetchError, HashMismatch, HostileInput)):
        manifest(f"{registry.host}/team/thing:v1", tmp_path)
    with (
        open_at(f"{registry.host}/team/thing:v1", tmp_path) as opened,
        pytest.raises((FetchError, HashMismatch)),
    ):
        opened.fetch_blob(Digest.of(LAYER), len(LAYER), str(tmp_path / "blob"))
    assert not (tmp_path / "blob").exists()


# --- mirrors


@pytest.mark.parametrize("how", ["basic", "token"])
def test_a_mirror_that_asks_who_we_are_gets_nothing_of_the_registry(registry, tmp_path, how):
    with FakeRegistry(**{how: USER}) as mirror:
        fill(mirror)
        remember(tmp_path, registry.host)
        settings = with_mirror(registry, mirror, tmp_path)
        name = f"{registry.host}/team/thing:v1"
        assert manifest(name, tmp_path, settings=settings) == MANIFEST
        with open_at(name, tmp_path, settings=settings) as opened:
            opened.fetch_blob(Digest.of(LAYER), len(LAYER), str(tmp_path / "blob"))
        assert mirror.seen
        assert not any(USER.header in seen.headers.values() for seen in mirror.seen)
        assert (tmp_path / "blob").read_bytes() == LAYER


def test_what_is_held_by_digest_cannot_be_changed_by_a_mirror(registry, tmp_path):
    with FakeRegistry() as mirror:
        fill(mirror)
        other = MANIFEST.replace(b'"layers"', b' "layers"')
        mirror.repository("team/thing").manifests[Digest.of(MANIFEST)] = (MANIFEST_TYPE, other)
        mirror.repository("team/thing").blobs[Digest.of(LAYER)] = bytes(len(LAYER))
        settings = with_mirror(registry, mirror, tmp_path)
        held = f"{registry.host}/team/thing@{Digest.of(MANIFEST)}"
        heard = []
        assert manifest(held, tmp_path, settings=settings, emit=heard.append) == MANIFEST
        assert any(isinstance(event, Note) and "passed over" in event.text for event in heard)
        with open_at(held, tmp_path, settings=settings) as opened:
            opened.fetch_blob(Digest.of(LAYER), len(LAYER), str(tmp_path / "blob"))
        assert (tmp_path / "blob").read_bytes() == LAYER


def test_a_mirror_is_asked_for_nothing_but_what_pulls_need(registry, tmp_path):
    with FakeRegistry() as mirror:
        settings = with_mirror(registry, mirror, tmp_path)
        with open_at(f"{registry.host}/team/thing:v1", tmp_path, settings=settings) as opened:
            opened.list_tags()
            opened.list_repositories()
            opened.find_digest(parse_reference(f"{registry.host}/team/thing:v1"))
            opened.has_blob(Digest.of(LAYER))
        assert mirror.seen == []


# --- insecure


def test_insecure_is_said_of_one_name_and_port(tmp_path):
    settings = read_registry_settings(
        {"HOME": str(tmp_path), "SHIPWAY_INSECURE_REGISTRIES": "lab lab:5000"}, root=str(tmp_path)
    )
    bases = {
        name: settings.place(name).base
        for name in ("lab", "lab:5000", "lab:5001", "a.lab", "lab.example.org")
    }
    assert bases == {
        "lab": "http://lab", "lab:5000": "http://lab:5000", "lab:5001": "https://lab:5001",
        "a.lab": "https://a.lab", "lab.example.org": "https://lab.example.org",
    }  # fmt: skip


@pytest.mark.needs_tool("openssl")
def test_insecure_does_not_mean_unchecked(tmp_path):
    path = tmp_path / "own.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=hub", "-keyout", f"{path}.key", "-out", path, "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + Path(f"{path}.key").read_bytes())
    with FakeRegistry(certificate=str(path)) as running:
        fill(running)
        place = Place(name=running.host, url=f"https://{running.host}", insecure=True)
        settings = RegistrySettings(places={running.host: place}, environ={"HOME": str(tmp_path)})
        with pytest.raises(FetchError, match="certificate"):
            manifest(f"{running.host}/team/thing:v1", tmp_path, settings=settings)
        assert running.seen == []


# --- the table


def test_every_test_that_the_table_names_exists():
    text = (ROOT / "docs" / "architecture" / "registries.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", text))
    there = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        there |= set(re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE))
    assert len(named) > 40
    assert named <= there, named - there
