"""A whole project in Docker: locked, built, handed over and run by the command line alone."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from private_engines import private_docker
from shipway.core.errors import ExitCode

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_network, pytest.mark.needs_tool("docker", "dockerd")]

SPEC = """\
name = "greeter"
base = "debian:bookworm"
apt = ["hello"]
command = ["hello"]

[run]
engine = "docker"
"""


def listening_docker(folder):
    """A `docker` to put on PATH that writes down how it is called, and the calls since the last look."""
    program = folder / "docker"
    program.write_text(f'#!/bin/sh\necho "$1" >> {folder}/calls\nexec {shutil.which("docker")} "$@"\n')
    program.chmod(0o755)

    log = folder / "calls"

    def calls():
        found = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return found

    return calls


@pytest.fixture(scope="module")
def docker():
    with private_docker() as settings:
        yield settings


@pytest.fixture
def project(docker, shared_store, tmp_path, monkeypatch):
    monkeypatch.setenv("SHIPWAY_STORE", shared_store)
    for name, value in docker.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "shipway.toml").write_text(SPEC)
    return folder


def shipway(project, *words):
    command = [sys.executable, "-m", "shipway", "-q", *words]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def test_a_project_runs_in_docker(project):
    (project / "note.txt").write_text("from the project\n")
    first = shipway(project, "run")
    assert (first.returncode, first.stdout) == (0, "Hello, world!\n"), first.stderr
    done = shipway(project, "run", "--", "sh", "-c", "cat note.txt; echo made > out; [ -e /.dockerenv ]")
    assert (done.returncode, done.stdout) == (0, "from the project\n"), done.stderr
    assert (project / "out").stat().st_uid == os.getuid()
    native = shipway(project, "run", "--engine", "native", "--", "sh", "-c", "[ -e /.dockerenv ]")
    assert native.returncode == 1
    line = shipway(project, "run", "--dry-run").stdout
    (image,) = [word for word in line.split() if word.startswith("sha256:")]
    found = subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False)
    assert found.returncode == 0, "the line that is shown names the image that was handed over"


def test_a_second_run_asks_the_engine_twice(project, tmp_path, monkeypatch):
    """Whether the image is there, and to run it: nothing is planned or made again, also after an edit."""
    calls = listening_docker(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def run(*words):
        done = shipway(project, "run", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("--engine", "native", "--", "true")
    run("--", "true")
    assert calls()[-1] == "run"
    (project / "main.py").write_text("edited")
    assert run("--", "cat", "main.py") == "edited"
    assert calls() == ["image", "run"]
    assert "sha256:" in run("--dry-run")
    assert calls() == [], "a dry run asks no engine"
    (project / "shipway.toml").write_text(SPEC.replace("[run]", "env = { NEW = '1' }\n[run]"))
    assert run("--", "sh", "-c", "echo $NEW") == "1\n"
    assert "pull" in calls(), "another environment is another image"


def test_a_given_image_runs_by_dockers_own_command_after_each_edit(project):
    """With the project's files in it; after an edit only they move."""

    def given():
        done = shipway(project, "--progress", "json", "give", "docker", "--name", "greeter:dev")
        assert done.returncode == 0, done.stderr
        moved = [line for line in done.stderr.splitlines() if '"hand over"' in line and '"did"' in line]
        command = ["docker", "run", "--rm", "--network=none", "greeter:dev", "cat", "note.txt"]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr
        return found.stdout, len(moved)

    note = project / "note.txt"
    note.write_text("one")
    assert given()[0] == "one"
    note.write_text("two")
    assert given() == ("two", 1)
    assert given() == ("two", 0)


def test_a_check_of_a_slim_target_runs_where_it_is_told(project):
    refused = shipway(project, "slim", "--", "sh", "-c", "[ -e /.dockerenv ]")
    assert refused.returncode == ExitCode.VERIFY, "our own engine, whatever the spec prefers"
    done = shipway(project, "slim", "--engine", "docker", "--json", "--", "sh", "-c", "[ -e /.dockerenv ]")
    assert done.returncode == 0, done.stderr
    saved = json.loads(done.stdout)
    assert saved["after"] < saved["before"]
