"""Builds by real engines: the Dockerfile and what stays out, arguments, secrets of both kinds, a stage, an id that runs, a failure."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import pytest

from private_engines import call_engine, distribution, private_docker, private_podman
from shipway.core.errors import BuildError, EngineError
from shipway.run.oci.build import (
    BuildSecret,
    EngineBuild,
    require_build_tool,
    run_engine_build,
)

pytestmark = [pytest.mark.needs_root, pytest.mark.slow, pytest.mark.needs_tool("dash")]

DOCKERFILE = """\
FROM scratch AS made
COPY root/ /
COPY note.txt /note
ARG MIRROR
RUN --mount=type=secret,id=token --mount=type=secret,id=file \\
    read -r a </run/secrets/token || true; read -r b </run/secrets/file; \\
    echo "${#a} ${#b} $MIRROR" >/result
FROM made AS later
RUN exit 3
"""
TOKEN = "hidden-word"
PATH = "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin"


def copy_shell(root):
    """The host's dash and what it loads, as `/bin/sh` of a root file system."""
    (root / "bin").mkdir(parents=True)
    dash = shutil.which("dash")
    shutil.copy(dash, root / "bin" / "sh")
    listed = subprocess.run(["ldd", dash], check=True, capture_output=True, text=True).stdout
    for word in listed.split():
        if word.startswith("/"):
            place = root / word.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(word, place)


@pytest.fixture(scope="module")
def docker():
    """The environment in which a private engine answers."""
    with private_docker() as settings:
        yield {"PATH": PATH, "HOME": "/nonexistent", **settings}


@pytest.fixture(scope="module")
def podman():
    """The environment in which Podman keeps everything in a private place."""
    with private_podman() as settings:
        yield {"PATH": PATH, "HOME": "/nonexistent", **settings}


@pytest.fixture(
    params=[
        pytest.param("docker", marks=[pytest.mark.needs_docker]),
        pytest.param("podman", marks=[pytest.mark.needs_tool("podman", "runc")]),
    ]
)
def engine(request):
    return request.param, request.getfixturevalue(request.param)


def built(tmp_path, **more):
    copy_shell(tmp_path / "root")
    (tmp_path / "root" / "left-out").write_text("no\n")
    (tmp_path / ".dockerignore").write_text("note.txt\n")
    (tmp_path / "note.txt").write_text("from the project\n")
    (tmp_path / "secret").write_text("hidden-line\n")
    secrets = (
        BuildSecret(id="token", variable="A_TOKEN"),
        BuildSecret(id="file", file=str(tmp_path / "secret")),
    )
    return EngineBuild(
        dockerfile=DOCKERFILE,
        ignore="note.*\n!note.txt\nroot/left-out\n",
        context=str(tmp_path),
        progress="plain",
        network="none",
        arguments=(("MIRROR", "far"),),
        secrets=secrets,
        **more,
    )


def test_a_build_gets_its_arguments_and_secrets_and_its_image_runs(engine, tmp_path):
    name, environ = engine
    tool = require_build_tool(name, environ)
    build = built(tmp_path, tag="digits:1", stage="made")
    image = run_engine_build(build, tool, {**environ, "A_TOKEN": TOKEN})
    history = subprocess.run(
        [name, "history", "--no-trunc", image], check=True, capture_output=True, env=environ
    )
    assert b"hidden" not in history.stdout
    script = "read -r a </result; read -r b </note; echo $a $b; [ -e /run/secrets/token ] || [ -e /left-out ] || echo clean"
    ran = subprocess.run(
        [name, "run", "--rm", "--network", "none", image, "/bin/sh", "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env=environ,
    )
    assert ran.stdout == "11 11 far from the project\nclean\n"


def test_a_step_that_fails_is_a_build_error(engine, tmp_path, capfd):
    name, environ = engine
    with pytest.raises(BuildError, match="build` failed: exit code"):
        run_engine_build(
            built(tmp_path, stage="later"), require_build_tool(name, environ), {**environ, "A_TOKEN": TOKEN}
        )
    assert "exit 3" in capfd.readouterr().err


@pytest.mark.needs_tool("docker-registry")
def test_finished_steps_come_from_a_registry(engine, tmp_path):
    """Docker's own builder leaves them in the image itself, Podman in a repository."""
    name, environ = engine
    tool = require_build_tool(name, environ)
    with distribution(tmp_path / "registry") as (host, _):
        cache = f"{host}/team/cache"
        (tmp_path / "registries.conf").write_text(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
        environ = {**environ, "CONTAINERS_REGISTRIES_CONF": str(tmp_path / "registries.conf")}
        copy_shell(tmp_path / "root")
        build = EngineBuild(
            dockerfile="FROM scratch\nCOPY root/ /\nRUN read -r id </proc/sys/kernel/random/uuid; echo $id >/id\n",
            ignore="#\n",
            context=str(tmp_path),
            network="none",
            **{
                "docker": {"tag": f"{cache}:1", "arguments": (("BUILDKIT_INLINE_CACHE", "1"),)},
                "podman": {"cache_to": (cache,)},
            }[name],
        )

        def step(build):
            image = run_engine_build(build, tool, environ)
            line = ["run", "--rm", "--network", "none", image, "/bin/sh", "-c", "read -r id </id; echo $id"]
            return call_engine(name, environ, *line)

        first = step(build)
        if name == "docker":
            call_engine(name, environ, "push", f"{cache}:1")
            call_engine(name, environ, "image", "rm", f"{cache}:1")
            call_engine(name, environ, "builder", "prune", "--all", "--force")
        else:
            call_engine(name, environ, "image", "rm", "--all", "--force")
        again = replace(build, tag="", arguments=(), cache_to=())
        source = f"{cache}:1" if name == "docker" else cache
        assert step(replace(again, cache_from=(source,))) == first
        assert step(replace(again, no_cache=True)) != first


@pytest.mark.needs_docker
def test_a_daemon_that_is_gone_is_named(tmp_path):
    with pytest.raises(EngineError, match="does not answer"):
        require_build_tool("docker", {"PATH": PATH, "DOCKER_HOST": f"unix://{tmp_path}/gone"})
