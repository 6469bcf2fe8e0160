"""`give`, from the command line, with a Docker that only answers."""

import json
import sys
from pathlib import Path

import pytest

from shipway.cli.app import execute
from shipway.core.errors import ExitCode
from shipway.image.names import put_name
from shipway.store.store import Store

sys.path.append(str(Path(__file__).parents[1] / "image"))
from image_samples import own_image


@pytest.fixture
def image():
    store = Store.open()
    made = own_image(store)
    put_name(store, "mine:1", made)
    return made


@pytest.fixture
def docker(tmp_path, monkeypatch, image):
    """A daemon elsewhere, which has the image from `load` on; the words of all calls."""
    script = (
        f'cd {tmp_path}; echo "$*" >> calls; case "$1" in context) echo tcp://there;; version) echo "linux/amd64 28.1.0";; '
        f"load) cat > archive;; image) [ -e archive ] && echo {image.config_digest} a:1 || {{ echo No such image >&2; exit 1; }};; esac"
    )
    program = tmp_path / "bin/docker"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return lambda: [line.split() for line in (tmp_path / "calls").read_text().splitlines()]


def test_what_is_not_there_is_moved_once(docker, image, tmp_path, capsys):
    give = ["give", "docker", "--image", "mine:1", "--name", "there:2"]
    assert execute([*give, "--dry-run"]) == 0
    assert not (tmp_path / "archive").exists()
    assert capsys.readouterr() == ("", "Docker would get the image as `there:2`\n")
    assert execute(give) == 0
    written, talk = capsys.readouterr()
    assert written == f"{image.config_digest}\n"
    assert talk.endswith("Docker has the image as `there:2`: docker run --rm there:2\n")
    assert image.config in (tmp_path / "archive").read_bytes()
    assert ["load"] in docker()
    (tmp_path / "calls").unlink()
    assert execute([*give, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["id"], told["present"], told["name"]) == (image.config_digest, True, "there:2")
    assert ["load"] not in docker()
    assert ["tag", image.config_digest, "there:2"] in docker()


def test_a_stored_image_keeps_its_name(docker, capsys):
    assert execute(["give", "docker", "--image", "mine:1", "--dry-run"]) == 0
    assert "`mine:1`" in capsys.readouterr().err


def test_podman_lists_names_without_a_registry_as_its_own(docker, tmp_path, capsys):
    (tmp_path / "bin/docker").rename(tmp_path / "bin/podman")
    assert execute(["give", "podman", "--image", "mine:1", "--dry-run"]) == 0
    assert "Podman would get the image as `localhost/mine:1`" in capsys.readouterr().err


def test_a_digest_is_no_name(docker, capsys):
    name = f"mine@sha256:{'0' * 64}"
    assert execute(["give", "docker", "--image", "mine:1", "--name", name]) == ExitCode.USAGE
    assert "--name NAME:TAG" in capsys.readouterr().err


def test_an_engine_that_is_not_here(image, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("shipway.host.proc.DEFAULT_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert execute(["give", "docker", "--image", "mine:1"]) == ExitCode.ENGINE
    assert "Docker is not installed here" in capsys.readouterr().err
