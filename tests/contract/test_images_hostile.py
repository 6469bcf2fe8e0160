"""Images that lie or attack, and disks and lines that fail, seen from the verbs: what is here stays as it was."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shipway.core.digest import Digest
from shipway.core.errors import ExitCode, FetchError, HashMismatch, HostileInput, NotFound
from shipway.core.events import Did
from shipway.image.names import find_name, list_names
from shipway.store.store import Store
from shipway.testing.registry import FakeRegistry, Trick
from shipway.verbs.archives import run_load
from shipway.verbs.context import Task
from shipway.verbs.pull import run_pull

sys.path.append(str(Path(__file__).parents[1] / "unit" / "image"))
from image_samples import config_of, descriptor, layer, special, write_layout

from shipway.image.oci import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
TASK = Task(platform="linux/amd64")
ESCAPES = "\x1b[2J\x1b]0;evil\x07\x9b31m\u202e\r\b"


@pytest.fixture
def registry():
    with FakeRegistry() as running:
        yield running


def add_image(registry, *layers, name="team/base", tag="1", config=None, change=None):
    """An image at `registry`; its reference. `change` may alter the manifest's document."""
    config = config or config_of(*layers)
    for data in (config, *layers):
        registry.add_blob(name, data)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor(config, CONFIG_TYPE),
        "layers": [descriptor(one, LAYER_TYPE) for one in layers],
    }
    if change:
        change(document)
    registry.add_manifest(name, tag, json.dumps(document).encode(), MANIFEST_TYPE)
    return f"{registry.host}/{name}:{tag}"


def left_over():
    """What a store holds that no name and no whole tree accounts for."""
    store = Store.open()
    return [name for folder in ("staging", "trash") for name in os.listdir(f"{store.path}/{folder}")]


def blob_path(data):
    return f"/blobs/{Digest.of(data)}$"


# --- lies


def test_a_layer_at_an_address_of_the_manifest_is_never_fetched(registry):
    """CVE-2020-15157: the address would have got the registry's credentials."""
    with FakeRegistry() as thief:

        def change(document):
            document["layers"][0]["urls"] = [f"http://{thief.host}/v2/a/blobs/b"]

        with pytest.raises(HostileInput, match="addresses in the manifest"):
            run_pull(TASK, add_image(registry, layer(("a", b"a")), change=change))
        assert thief.seen == []
    assert list_names(Store.open()) == []


def test_an_index_that_lies_about_a_manifest(registry):
    add_image(registry, layer(("a", b"a")))
    body = registry.repository("team/base").manifests["1"][1]
    platform = {"os": "linux", "architecture": "amd64"}
    for more, refused in (({"size": 5}, HostileInput), ({"digest": Digest.of(b"other")}, NotFound)):
        entry = {**descriptor(body, MANIFEST_TYPE, platform=platform), **more}
        index = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
        registry.add_manifest("team/base", "all", index, INDEX_TYPE)
        with pytest.raises(refused):
            run_pull(TASK, f"{registry.host}/team/base:all")
    assert list_names(Store.open()) == []


@pytest.mark.parametrize(
    ("what", "more"),
    [
        ("layer", {"size": 5}),
        ("layer", {"size": 1 << 40}),
        ("layer", {"digest": Digest.of(b"other")}),
        ("config", {"size": 5}),
        ("config", {"size": 9 << 20}),
        ("config", {"digest": Digest.of(b"other")}),
    ],
)
def test_a_manifest_that_lies_about_its_parts(registry, what, more):
    def change(document):
        (document["config"] if what == "config" else document["layers"][0]).update(more)

    name = add_image(registry, layer(("a", b"a" * 5000)), change=change)
    with pytest.raises((FetchError, HashMismatch, HostileInput, NotFound)):
        run_pull(TASK, name)
    assert list_names(Store.open()) == []
    assert left_over() == []


@pytest.mark.parametrize("trick", [Trick.WRONG, Trick.HTML, Trick.GONE])
def test_a_pull_that_fails_leaves_the_name_as_it_was(registry, trick):
    old, new = layer(("a", b"old")), layer(("a", b"new"))
    name = add_image(registry, old)
    before = run_pull(TASK, name).digest
    add_image(registry, old, new)
    registry.order("GET", blob_path(new), trick)
    with pytest.raises((FetchError, HashMismatch, NotFound)):
        run_pull(TASK, name)
    assert find_name(Store.open(), name).digest == before
    assert left_over() == []


def test_a_tag_that_moved_means_the_new_image_and_the_old_one_stays_by_digest(registry):
    name = add_image(registry, layer(("a", b"old")))
    before = run_pull(TASK, name)
    held = f"{name.rpartition(':')[0]}@{before.digest}"
    run_pull(TASK, held)
    add_image(registry, layer(("a", b"new")))
    after = run_pull(TASK, name)
    assert before.digest != after.digest
    assert find_name(Store.open(), name).digest == after.digest
    assert find_name(Store.open(), held).digest == before.digest


# --- lines and disks that fail


def test_an_interrupted_pull_goes_on_where_it_was(registry, monkeypatch):
    monkeypatch.setattr("shipway.verbs.pull._KEEP_AFTER", 1)
    layers = [layer((f"file{number}", bytes([number]) * 3000)) for number in range(4)]
    name = add_image(registry, *layers)

    def interrupt(event):
        if isinstance(event, Did) and event.phase == "layers" and event.name.endswith("layer 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_pull(TASK._replace(emit=interrupt), name)
    assert list_names(Store.open()) == []
    assert left_over() == []
    seen = len(registry.seen)
    assert run_pull(TASK, name).layers == 4
    again = {one.path.rpartition("/")[2] for one in registry.seen[seen:]}
    assert not again & {Digest.of(one) for one in layers[:3]}
    assert len(find_name(Store.open(), name).layers) == 4


def small_disk(folder, size, *words):
    """Run `shipway` with its store on a file system of `size` bytes, and then say what is in the store."""
    script = (
        f'mount -t tmpfs -o size={size},mode=700 none "$0" && "$@"; code=$?; '
        'cd "$0" && find . -mindepth 3 -type f -not -path "./store/locks/*"; exit $code'
    )
    words = [sys.executable, "-m", "shipway", "-q", *words]
    return subprocess.run(
        ["unshare", "-r", "-m", "sh", "-c", script, str(folder), *words],
        capture_output=True, text=True, check=False, env={**os.environ, "SHIPWAY_STORE": f"{folder}/store"},
    )  # fmt: skip


@pytest.mark.needs_userns
@pytest.mark.parametrize(
    "members",
    [
        [("noise", os.urandom(6 << 20))],
        [("zeros", bytes(6 << 20))],
        [(f"file{number}", b"x") for number in range(2000)],
    ],
    ids=["packed", "unpacked", "files"],
)
def test_a_disk_that_fills_up_is_said_and_nothing_half_written_stays(registry, tmp_path, members):
    """The blob does not fit; the blob fits and what it unpacks to does not; the files alone do not."""
    name = add_image(registry, layer(*members))
    done = small_disk(tmp_path, 4 << 20, "pull", "--platform", "linux/amd64", name)
    assert done.returncode == ExitCode.NO_SPACE, done.stderr
    assert "no space" in done.stderr.lower()
    assert done.stdout == ""


@pytest.mark.needs_userns
def test_a_disk_that_is_large_enough_takes_it(registry, tmp_path):
    name = add_image(registry, layer(("noise", os.urandom(1 << 20))))
    done = small_disk(tmp_path, 16 << 20, "pull", "--platform", "linux/amd64", name)
    assert done.returncode == 0, done.stderr
    assert "/noise" in done.stdout


# --- texts of others


def test_no_text_of_an_image_reaches_the_terminal_as_it_is(tmp_path):
    body = layer(("a", b"a"))
    config = config_of(
        body,
        created="\x1b[31m",
        history=[{"created": "\x1b[2J", "created_by": ESCAPES, "comment": ESCAPES}],
        config={
            "Env": [f"{ESCAPES}={ESCAPES}"],
            "Cmd": [ESCAPES],
            "Entrypoint": [ESCAPES],
            "WorkingDir": f"/{ESCAPES}",
            "Labels": {ESCAPES: ESCAPES},
        },
    )
    write_layout(tmp_path / "in", body, config=config, names=("base:1",))
    run_load(str(tmp_path / "in"), TASK)
    for words in (
        ["images"],
        ["history", "base:1"],
        ["inspect", "base:1"],
        ["run", "--image", "base:1", "--dry-run"],
        ["load", "--dry-run", str(tmp_path / "in")],
        ["rmi", "base:1"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "shipway", *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", done.stdout + done.stderr), words


@pytest.mark.parametrize(
    "listing",
    [
        [{"Config": "c", "Layers": 5}],
        [{"Config": "c", "Layers": "abc"}],
        [{"Config": "c", "Layers": {"a": 1}}],
        [{"Config": "c", "RepoTags": {"a": 1}}],
        [{"Config": "c", "RepoTags": "a"}],
        [{"Config": ["c"], "Layers": []}],
        [{"Config": "c", "Layers": [["a"]]}],
        [{"Layers": []}],
    ],
)
def test_a_docker_archive_whose_list_is_odd(tmp_path, listing):
    (tmp_path / "a.tar").write_bytes(
        layer(("manifest.json", json.dumps(listing).encode()), ("c", config_of()))
    )
    with pytest.raises(HostileInput):
        run_load(str(tmp_path / "a.tar"), TASK)
    assert list_names(Store.open()) == []


def test_names_in_a_docker_archive_reach_nothing_outside_it(tmp_path):
    """Members that are links, and names with `..`: the list is resolved among the members of the archive only."""
    (tmp_path / "secret").write_bytes(config_of())
    link = special("link", b"2", linkname=str(tmp_path / "secret"))
    for config in ("../secret", str(tmp_path / "secret"), "link", "a/../../secret"):
        listing = [{"Config": config, "RepoTags": ["x:1"], "Layers": []}]
        (tmp_path / "a.tar").write_bytes(layer(("manifest.json", json.dumps(listing).encode()), link))
        with pytest.raises(NotFound):
            run_load(str(tmp_path / "a.tar"), TASK)


def test_a_pipe_in_place_of_an_archive_does_not_hold_us_up(tmp_path):
    os.mkfifo(tmp_path / "a.tar")
    with pytest.raises(NotFound):
        run_load(str(tmp_path / "a.tar"), TASK)
