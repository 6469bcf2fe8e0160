"""The Development Containers CLI, from npm, on an image that was handed to Docker: a container up, and a command in it."""

import json
import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from devcontainer_cli import fetch_cli
from private_engines import private_docker
from shipway.host.files import remove_tree

pytestmark = [
    pytest.mark.needs_network,
    pytest.mark.needs_root,
    pytest.mark.needs_userns,
    pytest.mark.needs_docker,
    pytest.mark.needs_tool("node", "npm"),
]

USER = pwd.getpwnam("nobody").pw_uid
"""A plain user with a name, which the program asks for."""
SPEC = 'name = "points"\nbase = "debian:bookworm"\npython = "3.11"\npip = ["einops"]\nenv = { OF_SPEC = "a b" }\n'
SHOWN = 'import einops, os; print(einops.__file__, os.getuid(), os.getcwd(), os.environ["OF_SPEC"])'


@pytest.fixture
def place():
    """A folder that the plain user reaches and owns."""
    folder = Path(tempfile.mkdtemp(prefix="shipway-devcontainer-", dir="/var/tmp"))
    yield folder
    remove_tree(str(folder))


class Caller:
    """A plain user with a project, who calls programs."""

    def __init__(self, place, cli, settings):
        self.cli, self.project = cli, place / "points"
        programs = place / "bin"
        for folder in (self.project, programs):
            folder.mkdir()
        (self.project / "shipway.toml").write_text(SPEC)
        (programs / "shipway").write_text(f'#!/bin/sh\nexec {sys.executable} -m shipway "$@"\n')
        (programs / "shipway").chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        self.environ = {
            **kept, **settings, "HOME": str(place), "SHIPWAY_STORE": f"{place}/store",
            "DOCKER_CONFIG": f"{place}/docker", "PATH": f"{programs}:{os.environ['PATH']}",
        }  # fmt: skip
        subprocess.run(["chown", "-R", f"{USER}:{USER}", place], check=True)

    def call(self, *words):
        """What a program prints that the user calls in the project; it must succeed."""
        done = subprocess.run(
            words, cwd=self.project, env=self.environ, user=USER, group=USER, extra_groups=(),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def devcontainer(self, verb, *words):
        return self.call("node", str(self.cli), verb, "--workspace-folder", str(self.project), *words)


def test_an_image_of_ours_is_a_development_container(place):
    cli = fetch_cli(place)
    with private_docker() as settings:
        caller = Caller(place, cli, settings)
        caller.call("shipway", "code", "--devcontainer", "--format", "image")
        up = json.loads(caller.devcontainer("up"))
        assert (up["outcome"], up["remoteUser"], up["remoteWorkspaceFolder"]) == ("success", "dev", "/work")
        shown = caller.devcontainer("exec", "python", "-c", SHOWN).split(maxsplit=3)
        assert shown[0].startswith("/opt/venv/")
        assert shown[1:] == [str(USER), "/work", "a b\n"]
        said = caller.devcontainer("exec", "sh", "-c", "id -un; cd; pwd; touch here /work/there")
        assert said.split() == ["dev", "/home/dev"]
        assert (caller.project / "there").stat().st_uid == USER
        assert json.loads(caller.devcontainer("up"))["containerId"] == up["containerId"]
        caller.call("docker", "rm", "--force", up["containerId"])
