"""A project built by real engines, from the command line alone: same mirrors, same ignore list, and an image that runs."""

import json
import subprocess
import sys

import pytest

from private_engines import call_engine, private_docker, private_podman

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs_root,
    pytest.mark.needs_network,
    pytest.mark.needs_tool("docker", "dockerd", "podman", "runc"),
]
PATH = "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin"
"""Debian's own client first: a newer one without its build plug-in refuses."""
SPEC = """\
name = "greeter"
base = "debian:bookworm"
apt = ["hello"]
command = ["hello"]
files.ignore = ["*.log"]

[targets.default]

[targets.tools]
apt = ["apt"]
"""


@pytest.fixture(scope="module")
def engines():
    with private_docker() as docker, private_podman() as podman:
        yield {"docker": {"PATH": PATH, **docker}, "podman": {"PATH": PATH, **podman}}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("greeter")
    (folder / "shipway.toml").write_text(SPEC)
    (folder / "note.txt").write_text("from the project\n")
    (folder / "secret.log").write_text("no\n")
    return folder


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_an_engine_builds_the_project(engines, engine, project, shared_store, monkeypatch):
    monkeypatch.setenv("SHIPWAY_STORE", shared_store)
    settings = engines[engine]
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    def shipway(*words):
        command = [sys.executable, "-m", "shipway", "-q", *words]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-6000:]
        return done.stdout

    # What lends apt and dpkg is an image of ours, so no hub is asked.
    archive = project.parent / "tools.tar"
    shipway("save", "-t", "tools", "--format", "docker", "--name", "localhost/bootstrap:1", str(archive))
    call_engine(engine, settings, "load", "--input", str(archive))

    words = [
        "build",
        "--engine",
        engine,
        "--network",
        "host",
        "--build-arg",
        "BOOTSTRAP=localhost/bootstrap:1",
    ]
    image = shipway(*words, "--tag", "team/greeter:1").strip()
    assert image.startswith("sha256:")
    run = ["run", "--rm", "--network", "none"]
    assert call_engine(engine, settings, *run, "team/greeter:1") == "Hello, world!"
    listed = call_engine(engine, settings, *run, image, "sh", "-c", "id -u; ls; cat note.txt").split("\n")
    assert listed[:1] + listed[-1:] == ["1000", "from the project"]
    assert "secret.log" not in listed
    again = json.loads(shipway(*words, "--json"))
    assert again["image"] == image, "finished steps are used again"
