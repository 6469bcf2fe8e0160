"""A whole project in Docker: locked, built, handed over and run by the command line alone."""

import os
import subprocess
import sys

import pytest

from private_engines import private_docker

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_network, pytest.mark.needs_tool("docker", "dockerd")]

SPEC = """\
name = "greeter"
base = "debian:bookworm"
apt = ["hello"]
command = ["hello"]

[run]
engine = "docker"
"""


def test_a_project_runs_in_docker(shared_store, tmp_path, monkeypatch):
    monkeypatch.setenv("SHIPWAY_STORE", shared_store)
    (tmp_path / "shipway.toml").write_text(SPEC)
    (tmp_path / "note.txt").write_text("from the project\n")

    def shipway(*words):
        command = [sys.executable, "-m", "shipway", "-q", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    with private_docker() as settings:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        first = shipway("run")
        assert (first.returncode, first.stdout) == (0, "Hello, world!\n"), first.stderr
        done = shipway("run", "--", "sh", "-c", "cat note.txt; echo made > out; [ -e /.dockerenv ]")
        assert (done.returncode, done.stdout) == (0, "from the project\n"), done.stderr
        assert (tmp_path / "out").stat().st_uid == os.getuid()
        native = shipway("run", "--engine", "native", "--", "sh", "-c", "[ -e /.dockerenv ]")
        assert native.returncode == 1
        line = shipway("run", "--dry-run").stdout
        (image,) = [word for word in line.split() if word.startswith("sha256:")]
        found = subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False)
        assert found.returncode == 0, "the line that is shown names the image that was handed over"
