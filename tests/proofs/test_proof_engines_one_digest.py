"""One image digest whatever engine runs it: what runs an image is no part of it."""

import json
import subprocess
import sys

import pytest

from private_engines import PRIVATE, call_engine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs_root,
    pytest.mark.needs_network,
    pytest.mark.needs_tool("docker", "dockerd", "podman", "runc"),
]
SPEC = """\
name = "greeter"
base = "debian:bookworm"
apt = ["hello"]
command = ["hello"]
"""


@pytest.mark.parametrize("program", ["docker", "podman"])
def test_what_build_makes_does_not_depend_on_who_runs_it(shared_store, tmp_path, monkeypatch, program):
    monkeypatch.setenv("SHIPWAY_STORE", shared_store)
    (tmp_path / "shipway.toml").write_text(SPEC)

    def shipway(*words):
        command = [sys.executable, "-m", "shipway", "-q", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def built():
        shown = json.loads(shipway("build", "--json"))
        return shown["digest"], shown["config_digest"]

    with PRIVATE[program]() as settings:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        before = built()
        for engine in ("native", program):
            assert shipway("run", "--engine", engine) == "Hello, world!\n"
            assert built() == before
        monkeypatch.setenv("SHIPWAY_ENGINE", program)
        assert shipway("run") == "Hello, world!\n"
        assert built() == before
        words = ["image", "ls", "--all", "--no-trunc", "--quiet"]
        there = call_engine(program, settings, *words).split()
        assert len(set(there)) == 1, (
            "the image that is run, without the project's files, is one for all runs too"
        )
