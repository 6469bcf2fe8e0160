"""A project built by real engines, from the command line alone: same mirrors, same ignore list, and an image that runs."""

import json
import subprocess
import sys

import pytest

from private_engines import call_engine, distribution, private_docker, private_podman

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs_root,
    pytest.mark.needs_network,
    pytest.mark.needs_tool("docker", "dockerd", "podman", "runc"),
]
PATH = "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin"
"""Debian's own client first: a newer one without its build plug-in refuses."""
BOOTSTRAP = "localhost/bootstrap:1"
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


@pytest.fixture
def shipway(shared_store, monkeypatch):
    """The command line in a folder; it must succeed. Standard output."""
    monkeypatch.setenv("SHIPWAY_STORE", shared_store)

    def call(folder, *words):
        command = [sys.executable, "-m", "shipway", "-q", *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-6000:]
        return done.stdout

    return call


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_an_engine_builds_the_project(engines, engine, project, shipway, monkeypatch):
    settings = engines[engine]
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    # What lends apt and dpkg is an image of ours, so no hub is asked.
    archive = project.parent / "tools.tar"
    shipway(project, "save", "-t", "tools", "--format", "docker", "--name", BOOTSTRAP, str(archive))
    call_engine(engine, settings, "load", "--input", str(archive))

    words = ["build", "--engine", engine, "--network", "host", "--build-arg", f"BOOTSTRAP={BOOTSTRAP}"]
    image = shipway(project, *words, "--tag", "team/greeter:1").strip()
    assert image.startswith("sha256:")
    run = ["run", "--rm", "--network", "none"]
    assert call_engine(engine, settings, *run, "team/greeter:1") == "Hello, world!"
    listed = call_engine(engine, settings, *run, image, "sh", "-c", "id -u; ls; cat note.txt").split("\n")
    assert listed[:1] + listed[-1:] == ["1000", "from the project"]
    assert "secret.log" not in listed
    again = json.loads(shipway(project, *words, "--json"))
    assert again["image"] == image, "finished steps are used again"


@pytest.mark.needs_tool("docker-registry")
def test_an_engine_builds_over_an_image_of_a_registry(engines, project, shipway, tmp_path, monkeypatch):
    settings = engines["docker"]
    with distribution(tmp_path / "registry") as (host, _):
        for name, value in {**settings, "SHIPWAY_INSECURE_REGISTRIES": host}.items():
            monkeypatch.setenv(name, value)
        base = f"{host}/team/tools:1"
        shipway(project, "push", base, "-t", "tools")
        folder = tmp_path / "over"
        folder.mkdir()
        (folder / "shipway.toml").write_text(f'name = "over"\nbase = "{base}"\napt = ["sl"]\n')
        words = ["build", "--engine", "docker", "--network", "host", "--build-arg", f"BOOTSTRAP={base}"]
        image = shipway(folder, *words).strip()
    run = ["run", "--rm", "--network", "none", image]
    assert (
        call_engine("docker", settings, *run, "sh", "-c", "ls /usr/games/sl /usr/bin/apt-get").count("\n")
        == 1
    )
    listed = call_engine("docker", settings, *run, "dpkg", "--audit")
    assert listed == "", "every package is installed whole"
