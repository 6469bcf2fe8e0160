"""A project with data of every kind, by the command line alone: the same inside on every engine, fetched once."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from private_engines import private_docker
from shipway.testing.file_server import FileServer

pytestmark = pytest.mark.needs_network

REVISION = "d" * 40
MODEL = {"config.json": b"{}", "weights/one.bin": b"W" * 5000}
LABELS = b"cat\ndog\n"
SPEC = """\
name = "greeter"
base = "debian:bookworm"
apt = ["hello"]

[data.own]
folder = "sets"
target = "/data/own"

[data.state]
volume = "checkpoints"
target = "/checkpoints"

[data.labels]
url = "{url}/labels.txt"
sha256 = "{sha256}"
target = "/data/labels.txt"

[data.model]
hub = "hf:org/model"
revision = "{revision}"
target = "/models/model"

[targets.plain]

[targets.whole.data.model]
hub = "hf:org/model"
revision = "{revision}"
files = ["weights"]
target = "/models/model"
how = "copy"
"""
LOOK = (
    "cat /data/own/x /data/labels.txt; cat /models/model/config.json; wc -c < /models/model/weights/one.bin"
)
SEEN = "mine\ncat\ndog\n{}5000\n"


@pytest.fixture(scope="module")
def docker():
    with private_docker() as settings:
        yield settings


@pytest.fixture
def server():
    with FileServer() as server:
        server.put("/labels.txt", LABELS)
        for name, data in MODEL.items():
            server.put(f"/org/model/resolve/{REVISION}/{name}", data)
        entries = [{"rfilename": name, "size": len(data)} for name, data in MODEL.items()]
        listing = json.dumps({"siblings": entries}).encode()
        server.put(f"/api/models/org/model/revision/{REVISION}", listing, "application/json")
        yield server


@pytest.fixture
def project(server, shared_store, tmp_path, monkeypatch):
    monkeypatch.setenv("SHIPWAY_STORE", shared_store)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "hf_of_this_test_alone")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "project"
    (folder / "sets").mkdir(parents=True)
    (folder / "sets/x").write_text("mine\n")
    sha256 = hashlib.sha256(LABELS).hexdigest()
    (folder / "shipway.toml").write_text(SPEC.format(url=server.url, sha256=sha256, revision=REVISION))
    return folder


def shipway(project, *words):
    command = [sys.executable, "-m", "shipway", *words]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def items(project, *words):
    return {
        one["name"]: one
        for one in json.loads(shipway(project, "data", "list", "--json", *words).stdout)["items"]
    }


def test_data_are_fetched_once_and_seen_where_they_are_declared(project, server):
    assert items(project)["model"]["state"] == "not locked"
    first = shipway(project, "run", "--", "sh", "-c", LOOK)
    assert (first.returncode, first.stdout) == (0, SEEN), first.stderr
    assert "data: `model` is fetched: 2 files, 4.9 KiB" in first.stderr
    assert {one["state"] for one in items(project).values()} == {"here"}
    asked = len(server.requests)
    again = shipway(project, "run", "--offline", "--", "sh", "-c", LOOK)
    assert (again.returncode, again.stdout) == (0, SEEN), again.stderr
    assert len(server.requests) == asked
    refused = shipway(
        project, "run", "--", "sh", "-c", "! touch /models/model/y && ! sh -c 'echo >> /data/labels.txt'"
    )
    assert refused.returncode == 0, refused.stderr
    kept = shipway(project, "run", "--", "sh", "-c", "echo step1 > /checkpoints/last && touch /data/own/made")
    assert kept.returncode == 0, kept.stderr
    assert (project / "sets/made").exists()
    assert shipway(project, "run", "--", "cat", "/checkpoints/last").stdout == "step1\n"


def test_what_is_gone_from_the_store_comes_back(project, server):
    assert shipway(project, "run", "--", "true").returncode == 0
    place = Path(items(project)["model"]["path"]).parent
    shutil.rmtree(place)
    before = shipway(project, "run", "--", "sh", "-c", LOOK)
    assert (before.returncode, before.stdout) == (0, SEEN), before.stderr


def test_copied_data_are_in_the_image_and_not_mounted(project):
    done = shipway(
        project, "run", "-t", "whole", "--", "sh", "-c", "ls /models/model; echo more > /models/model/y"
    )
    assert (done.returncode, done.stdout) == (0, "weights\n"), done.stderr
    assert "the image holds 4.9 KiB of `model`" in done.stderr
    layers = shipway(project, "explain", "-t", "whole").stdout
    assert "data-model" in layers
    exported = shipway(project, "export", "-t", "whole", "dockerfile")
    assert exported.returncode == 10
    assert "cannot hold the data `model`" in exported.stderr


@pytest.mark.needs_root
@pytest.mark.needs_tool("docker", "dockerd")
def test_docker_sees_the_same(project, docker, monkeypatch):
    for name, value in docker.items():
        monkeypatch.setenv(name, value)
    done = shipway(
        project, "run", "--engine", "docker", "--", "sh", "-c", LOOK + "; echo docker > /checkpoints/who"
    )
    assert (done.returncode, done.stdout) == (0, SEEN), done.stderr
    assert shipway(project, "run", "--", "cat", "/checkpoints/who").stdout == "docker\n"
    whole = shipway(project, "run", "-t", "whole", "--engine", "docker", "--", "ls", "/models/model")
    assert (whole.returncode, whole.stdout) == (0, "weights\n"), whole.stderr
