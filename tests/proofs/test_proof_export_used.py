"""Exported files do what they are for: make and Compose run them, a development container starts, sources are built, slim is slim.

One engine and one base for all of it: what the builds share is built once.
"""

import contextlib
import json
import os
import subprocess
import sys
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

import pytest
from export_world import BUILD, docker, place_programs
from rootfs_compare import differences, from_manifests, from_tar, read_allowed

from devcontainer_cli import fetch_cli
from shipway.verbs.context import Task
from shipway.verbs.export import run_export
from shipway.verbs.prepare import build_planned, plan_project

HERE = os.path.dirname(os.path.abspath(__file__))
SPEC = """
name = "used"
base = "debian:bookworm"
default-target = "cpu"
env = { GREETING = 'a "b" $HOME' }
command = ["python", "-B", "main.py"]
pip = ["six==1.17.0", "app @ git+git://127.0.0.1:%d/app"]
apt = ["git", "ca-certificates"]

[files]
include = ["main.py"]

[run]
mounts = ["./data:/data:ro"]
env = { MODE = "x $y" }
pass-env = ["PASSED"]

[targets.cpu]

[targets.gpu]
inherits = "cpu"

[targets.slim]
inherits = "cpu"
slim = ["docs", "headers", "locales", "static-libraries", "tests"]
"""
MAIN = "import app, os, six\nprint(app.NAME, os.environ['GREETING'], os.environ['MODE'], os.getuid(), open('/data/words').read())\n"
SAYS = """from git a "b" $HOME x $y {} words"""
APP = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n[project]\nname = "app"\nversion = "1"\n[tool.setuptools]\npy-modules = ["app"]\n'

NOTES = ("var/lib/dpkg/alternatives/builtins.7.gz",)
"""Of an alternative that is a manual page alone: there it was made, and then nothing was left of it."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs_root,
    pytest.mark.needs_userns,
    pytest.mark.needs_network,
    pytest.mark.needs_docker,
    pytest.mark.needs_tool("mmdebstrap", "make", "docker-compose", "git", "node", "npm"),
    pytest.mark.timeout(900),
]


@contextlib.contextmanager
def repository(folder):
    """A git repository behind git's own server; its port."""
    work = folder / "work"
    work.mkdir(parents=True)
    (work / "pyproject.toml").write_text(APP)
    (work / "app.py").write_text("NAME = 'from git'\n")
    git = [
        "git",
        "-C",
        str(work),
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "init.defaultBranch=main",
    ]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "app"]):
        subprocess.run([*git, *words], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(folder / "app")], check=True)
    words = ["git", "daemon", "--inetd", "--export-all", f"--base-path={folder}", str(folder)]

    class Handler(BaseRequestHandler):
        def handle(self):
            subprocess.run(words, stdin=self.request, stdout=self.request, check=False)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


@pytest.fixture
def project(tmp_path, monkeypatch, shared_store):
    """The project, locked, with every kind of file exported."""
    monkeypatch.setenv("SHIPWAY_STORE", shared_store)
    folder = tmp_path / "used"
    (folder / "data").mkdir(parents=True)
    (folder / "data/words").write_text("words")
    (folder / "main.py").write_text(MAIN)
    with repository(tmp_path / "git") as port:
        (folder / "shipway.toml").write_text(SPEC % port)
        for kind, path in (
            ("makefile", "Makefile"),
            ("compose", "compose.yaml"),
            ("devcontainer", ".devcontainer/devcontainer.json"),
        ):
            run_export(kind, Task(directory=str(folder)), output=str(folder / path))
        yield folder


def call(project, env, *words):
    """What a program prints that is called in the project."""
    done = subprocess.run(words, cwd=project, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done.stdout.strip()


def test_exported_files_are_used(project, docker_with_debian, tmp_path):
    env = {**os.environ, **docker_with_debian, "PASSED": "on"}
    env["PATH"] = f"{place_programs(tmp_path / 'bin')}:{os.environ['PATH']}"
    check_makefile(project, docker_with_debian, env)
    check_compose(project, env)
    check_devcontainer(project, tmp_path, env)
    check_slim(project, docker_with_debian, tmp_path)


def check_makefile(project, engine, env):
    """All four targets; a container runs as the caller and sees the project."""
    for suffix in ("", "-gpu"):
        call(project, env, "make", f"docker-build{suffix}")
        call(project, env, "make", f"docker-run{suffix}")
        said = docker(engine, "exec", f"used{suffix}", "python", "-B", "main.py")
        assert said == SAYS.format(os.getuid())
        assert docker(engine, "exec", f"used{suffix}", "printenv", "PASSED", "HOME").split() == ["on", "/tmp"]
        docker(engine, "rm", "--force", f"used{suffix}")
    assert "up to date" in call(project, env, "make", "build/Dockerfile.cpu")


def check_compose(project, env):
    """Debian's Compose, which is of the first series, builds the service and runs it as whoever is named."""
    env = {
        **env,
        "USER_ID": "61234",
        "GROUP_ID": "61234",
        "COMPOSE_DOCKER_CLI_BUILD": "1",
        "DOCKER_BUILDKIT": "1",
    }
    call(project, env, "docker-compose", "build", "cpu")
    said = call(project, env, "docker-compose", "run", "--rm", "-T", "cpu")
    assert said == SAYS.format(61234)
    said = call(project, env, "docker-compose", "run", "--rm", "-T", "cpu", "printenv", "PASSED", "HOME")
    assert said.split() == ["on", "/tmp"]


def check_devcontainer(project, folder, env):
    """The Development Containers CLI builds the Dockerfile by the words of the file, starts a container and goes in."""
    cli = str(fetch_cli(folder))

    def devcontainer(verb, *words):
        # Its own small build, of the user's number, goes by the same engine as the one of the file.
        building = {**env, "DOCKER_BUILDKIT": "1"}
        return call(project, building, "node", cli, verb, "--workspace-folder", str(project), *words)

    up = json.loads(devcontainer("up"))
    assert (up["outcome"], up["remoteUser"], up["remoteWorkspaceFolder"]) == ("success", "dev", "/work")
    said = devcontainer("exec", "sh", "-c", "id -un; cd ~ && pwd; cd /work && python -B main.py")
    assert said.split("\n") == ["dev", "/home/dev", SAYS.format(1000)]


def check_slim(project, engine, tmp_path):
    """The slim target's Dockerfile gives the files of the slim image, which is smaller than the other one."""
    task = Task(directory=str(project), target="slim")
    run_export("dockerfile", task, output=str(project / "build/Dockerfile.slim"))
    docker(engine, "build", *BUILD, "-t", "slim", "-f", str(project / "build/Dockerfile.slim"), str(project))
    docker(engine, "create", "--name", "slim", "slim")
    docker(engine, "export", "-o", str(tmp_path / "slim.tar"), "slim")
    planned = plan_project(task, files=True)
    ours = from_manifests([tree.manifest() for tree in build_planned(planned, task).trees])
    theirs = from_tar(tmp_path / "slim.tar")
    manuals = [
        path for path, entry in theirs.items() if path.startswith("usr/share/man/") and entry.kind != "d"
    ]
    assert not manuals
    assert "usr/share/doc/git/copyright" in theirs
    allowed = read_allowed(os.path.join(HERE, "export_differences.toml"))
    left = [
        f"{path}: {what}"
        for path, what in differences(ours, theirs)
        if path not in NOTES and not any(one.covers(path, what, "", "") for one in allowed)
    ]
    assert not left, "\n".join(left[:100])
    sizes = {
        name: int(docker(engine, "image", "inspect", "--format", "{{.Size}}", name))
        for name in ("slim", "used")
    }
    print(f"bytes of images: {sizes}", file=sys.stderr)
    assert sizes["slim"] < sizes["used"] * 0.9
