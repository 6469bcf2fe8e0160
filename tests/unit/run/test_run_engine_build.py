"""Builds by an engine: the command line as a value, what must not stand in it, and what a failure says."""

from __future__ import annotations

import os
import stat

import pytest

from shipway.core.errors import BuildError, EngineError, ExitCode, ToolError
from shipway.run.oci.build import (
    BuildSecret,
    BuildTool,
    EngineBuild,
    build_environment,
    list_files,
    render_build,
    require_build_tool,
    run_engine_build,
)

FULL = EngineBuild(
    dockerfile="FROM scratch\n",
    context="/home/me/digits",
    ignore="*.log\n",
    tag="digits:1",
    platform="linux/amd64",
    stage="run",
    arguments=(("MIRROR", "https://me:word@mirror.example.org/"),),
    secrets=(
        BuildSecret(id="token", variable="HF_TOKEN"),
        BuildSecret(id="netrc", file="/home/me/.netrc"),
        BuildSecret(id="pip", text="[global]\nindex-url = https://me:hidden-word@index.example.org/\n"),
    ),
    cache_from=("example.org/digits",),
    progress="plain",
    network="host",
    no_cache=True,
)
COMMON = (
    *("--tag", "digits:1", "--platform", "linux/amd64", "--target", "run", "--build-arg", "MIRROR"),
    *("--secret", "id=token,env=HF_TOKEN", "--secret", "id=netrc,src=/home/me/.netrc"),
    *("--secret", "id=pip,src=/x/secret-pip"),
    *("--cache-from", "example.org/digits"),
)
END = ("--network", "host", "--no-cache", "--iidfile", "/x/id")
FILES = ("--file", "/x/Dockerfile", "/home/me/digits")
IGNORE = ("--ignorefile", "/x/Dockerfile.dockerignore")


@pytest.mark.parametrize(
    ("tool", "line"),
    [
        (
            BuildTool.BUILDX,
            ("docker", "buildx", "build", "--load", *COMMON, "--progress", "plain", *END, *FILES),
        ),
        (BuildTool.DOCKER, ("docker", "build", *COMMON, "--progress", "plain", *END, *FILES)),
        (BuildTool.PODMAN, ("podman", "build", *COMMON, "--layers", *END, *IGNORE, *FILES)),
    ],
)
def test_the_line_of_each_tool(tool, line):
    assert render_build(FULL, tool, folder="/x") == line


def test_the_least_line():
    build = EngineBuild(dockerfile="FROM scratch\n", ignore="#\n", context="/y", progress="quiet")
    assert render_build(build, BuildTool.PODMAN) == (
        *("podman", "build", "--layers", "--quiet", "--iidfile", "BUILD/id"),
        *("--ignorefile", "BUILD/Dockerfile.dockerignore", "--file", "BUILD/Dockerfile", "/y"),
    )


def test_values_of_arguments_and_secrets_are_in_the_environment_only():
    environ = {"HF_TOKEN": "hidden-token", "DOCKER_HOST": "ssh://me@far"}
    line = " ".join(render_build(FULL, BuildTool.BUILDX, folder="/x"))
    assert "word" not in line
    assert "hidden-token" not in line
    assert "word" not in repr(FULL)
    env = build_environment(FULL, BuildTool.BUILDX, environ)
    assert env["MIRROR"] == "https://me:word@mirror.example.org/"
    assert (env["DOCKER_HOST"], env["DOCKER_BUILDKIT"]) == ("ssh://me@far", "1")
    assert "hidden-word" in list_files(FULL)["secret-pip"]
    assert "DOCKER_BUILDKIT" not in build_environment(FULL, BuildTool.PODMAN, environ)


@pytest.mark.parametrize(
    ("change", "tool", "what"),
    [
        ({"tag": "--privileged"}, BuildTool.DOCKER, "cannot be a value"),
        ({"cache_from": ("-v",)}, BuildTool.PODMAN, "cannot be a value"),
        ({"network": "a\nb"}, BuildTool.DOCKER, "cannot be a value"),
        ({"context": "sub"}, BuildTool.DOCKER, "no absolute path"),
        ({"arguments": (("PATH", "/x"),)}, BuildTool.DOCKER, "cannot be a build argument"),
        ({"arguments": (("DOCKER_HOST", "tcp://x"),)}, BuildTool.DOCKER, "cannot be a build argument"),
        ({"arguments": (("BUILDKIT_HOST", "tcp://x"),)}, BuildTool.DOCKER, "cannot be a build argument"),
        ({"arguments": (("LD_PRELOAD", "/x"),)}, BuildTool.PODMAN, "cannot be a build argument"),
        ({"arguments": (("a=b", "x"),)}, BuildTool.PODMAN, "cannot be a build argument"),
        ({"secrets": (BuildSecret(id="a"),)}, BuildTool.DOCKER, "not one file or one variable"),
        ({"secrets": (BuildSecret(id="a", file="/y", text="z"),)}, BuildTool.DOCKER, "not one file"),
        ({"secrets": (BuildSecret(id="a,src=/x", file="/y"),)}, BuildTool.DOCKER, "not one file"),
        ({"secrets": (BuildSecret(id="a", file="/y,env=X"),)}, BuildTool.DOCKER, "not one file"),
        ({"cache_to": ("example.org/c",)}, BuildTool.DOCKER, "without buildx"),
        ({"cache_to": ("type=registry,ref=example.org/c",)}, BuildTool.PODMAN, "repositories"),
    ],
)
def test_what_a_tool_cannot_do_is_refused(change, tool, what):
    build = EngineBuild(**{"dockerfile": "FROM scratch\n", "ignore": "#\n", "context": "/y", **change})
    with pytest.raises(ToolError, match=what) as caught:
        render_build(build, tool, folder="/x")
    assert caught.value.code is ExitCode.USAGE
    assert caught.value.hints


def test_a_cache_is_written_by_buildx_and_podman():
    build = EngineBuild(dockerfile="FROM scratch\n", ignore="#\n", context="/y", cache_to=("example.org/c",))
    for tool in (BuildTool.BUILDX, BuildTool.PODMAN):
        line = render_build(build, tool, folder="/x")
        assert line[line.index("--cache-to") + 1] == "example.org/c"


def program(folder, name, script):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Stand-ins for the engines' programs, and the environment in which only they are found."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder, {"PATH": f"{folder}:/usr/bin:/bin", "NOTES": str(tmp_path)}


RECORDS = """\
printf '%s\\n' "$@" >"$NOTES/line"
while [ "$1" != --iidfile ]; do shift; done
folder=${2%/id}
cp "$folder"/* "$NOTES"
stat -c '%a %n' "$folder" >"$NOTES/modes"
printf 'sha256:%064d' 7 >"$2"
"""


def build_with(context, **more):
    return EngineBuild(dockerfile="FROM scratch\nLABEL a=b\n", ignore="*.log\n", context=str(context), **more)


def test_the_files_lie_in_a_folder_of_ours_and_the_id_comes_back(tools, tmp_path):
    folder, environ = tools
    program(folder, "podman", RECORDS)
    secrets = (BuildSecret(id="pip", text="[global]\n"),)
    found = run_engine_build(build_with(tmp_path, tag="x:1", secrets=secrets), BuildTool.PODMAN, environ)
    assert found == "sha256:" + "0" * 63 + "7"
    assert (tmp_path / "Dockerfile").read_text() == "FROM scratch\nLABEL a=b\n"
    assert (tmp_path / "Dockerfile.dockerignore").read_text() == "*.log\n"
    assert (tmp_path / "secret-pip").read_text() == "[global]\n"
    assert (tmp_path / "modes").read_text().startswith("700 ")
    assert (tmp_path / "line").read_text().split("\n")[:3] == ["build", "--tag", "x:1"]
    assert not os.listdir(tmp_path / "cache" / "shipway")


def test_a_build_that_fails_or_says_nothing(tools, tmp_path):
    folder, environ = tools
    program(folder, "podman", "exit 125")
    with pytest.raises(BuildError, match="`podman build` failed: exit code 125"):
        run_engine_build(build_with(tmp_path), BuildTool.PODMAN, environ)
    program(folder, "podman", ":")
    with pytest.raises(BuildError, match="left no image id"):
        run_engine_build(build_with(tmp_path), BuildTool.PODMAN, environ)


def test_missing_secrets_are_named_before_anything_starts(tools, tmp_path):
    _, environ = tools
    gone = (BuildSecret(id="a", file=str(tmp_path / "gone")),)
    with pytest.raises(ToolError, match="is not there"):
        run_engine_build(build_with(tmp_path, secrets=gone), BuildTool.PODMAN, environ)
    unset = (BuildSecret(id="a", variable="UNSET_ONE"),)
    with pytest.raises(ToolError, match="`UNSET_ONE` is not set"):
        run_engine_build(build_with(tmp_path, secrets=unset), BuildTool.PODMAN, environ)


def test_the_tool_is_chosen_by_what_is_there(tools):
    folder, environ = tools
    program(folder, "docker", '[ "$1" = buildx ] && exit 1; echo 20.10.24 28.0.1')
    assert require_build_tool("docker", environ) is BuildTool.DOCKER
    program(folder, "docker", "echo 28.0.1 28.0.1")
    assert require_build_tool("docker", environ) is BuildTool.BUILDX
    program(folder, "podman", "exit 0")
    assert require_build_tool("podman", environ) is BuildTool.PODMAN


def test_a_program_of_docker_without_its_plug_in_is_named(tools):
    folder, environ = tools
    program(folder, "docker", '[ "$1" = buildx ] && exit 1; echo 28.2.2 20.10.24')
    with pytest.raises(EngineError, match=r"28\.2\.2 cannot build without its plug-in `buildx`") as caught:
        require_build_tool("docker", environ)
    assert "docker-buildx" in caught.value.hints[0]


def test_a_quiet_build_says_nothing_on_our_behalf(tools, tmp_path, capfd):
    folder, environ = tools
    program(folder, "podman", RECORDS + "echo the-id; echo trouble >&2")
    run_engine_build(build_with(tmp_path, progress="quiet"), BuildTool.PODMAN, environ)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "trouble\n")
    run_engine_build(build_with(tmp_path), BuildTool.PODMAN, environ)
    assert capfd.readouterr().err == "the-id\ntrouble\n"


def test_an_engine_that_is_missing_silent_or_forbidden_is_named_with_its_remedy(tools):
    folder, environ = tools
    with pytest.raises(EngineError, match="`podman` is not installed") as caught:
        require_build_tool("podman", {"PATH": str(folder)})
    assert "--engine docker" in caught.value.hints[0]
    program(folder, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    with pytest.raises(EngineError, match="does not answer") as caught:
        require_build_tool("docker", environ)
    assert "Cannot connect" in caught.value.detail
    program(folder, "docker", "echo 'permission denied while connecting' >&2; exit 1")
    with pytest.raises(EngineError, match="may not use"):
        require_build_tool("docker", environ)
