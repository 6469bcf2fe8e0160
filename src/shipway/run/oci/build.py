"""`docker build`, `docker buildx build` or `podman build` of a Dockerfile given as text: one command line, and its run.

The Dockerfile and what stays out of the context lie in a private folder, because a Dockerfile from standard input has no
ignore file of its own. Secrets and values of arguments reach the engine by its environment or by files, never by its
argument list, and what was a text is gone after the build. The caller's
`DOCKER_HOST`, contexts and `CONTAINER_HOST` are obeyed, for the engine's own program is what is called.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shipway.core.errors import BuildError, EngineError, ExitCode, ToolError
from shipway.core.text import shown
from shipway.host.files import translating_disk_errors
from shipway.host.proc import Command, describe_end, find_tool, run
from shipway.host.scratch import scratch_folder

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z", re.ASCII)
_IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}\Z", re.ASCII)
_STEERS = re.compile(
    r"(?:PATH|HOME|TMPDIR|LD_.*|(?:DOCKER|BUILDKIT(?!_INLINE_CACHE\Z)|BUILDX|BUILDAH|CONTAINER|CONTAINERS|XDG|SSH)_.*)\Z"
)
"""Variables that steer the engine's program itself."""
_DOCKERFILE, _IGNORE = "Dockerfile", "Dockerfile.dockerignore"
_STDERR = 2
_ASK_SECONDS = 30.0
_NEEDS_PLUGIN = 23
"""The first version of Docker's program that cannot build with BuildKit by itself."""
FOLDER = "BUILD"
"""What stands for the private folder in a line that is only shown."""


class BuildTool(StrEnum):
    """What builds."""

    BUILDX = "docker buildx"
    DOCKER = "docker"
    """BuildKit by Docker's own program, without the plug-in."""
    PODMAN = "podman"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSecret:
    """A secret that steps of the Dockerfile mount; from a file or a variable of the caller's, or a text of ours."""

    id: str
    file: str = ""
    variable: str = ""
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineBuild:
    """One build by an engine."""

    dockerfile: str = field(repr=False)
    context: str
    """Absolute path of the folder that COPY reads."""
    ignore: str
    """What COPY does not see, as the text of a `.dockerignore`, a comment at least; that of the context is not read."""
    tag: str = ""
    platform: str = ""
    stage: str = ""
    arguments: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Values of ARGs; some hold addresses with passwords."""
    secrets: tuple[BuildSecret, ...] = ()
    cache_from: tuple[str, ...] = ()
    """Repositories, or for Docker also `type=…`."""
    cache_to: tuple[str, ...] = ()
    progress: str = "auto"
    """`auto`, `plain`, `tty` or `quiet`."""
    network: str = ""
    no_cache: bool = False


def render_build(build: EngineBuild, tool: BuildTool, *, folder: str = FOLDER) -> tuple[str, ...]:
    """The command line. `folder` holds what `list_files` says, and gets the image's id as `id`. Pure.

    Raises:
        ToolError: the tool cannot do what the build asks for.
    """
    _check(build, tool)
    podman = tool is BuildTool.PODMAN
    head = {BuildTool.BUILDX: ("buildx", "build", "--load")}.get(tool, ("build",))
    return (
        "podman" if podman else "docker",
        *head,
        *_option("--tag", build.tag),
        *_option("--platform", build.platform),
        *_option("--target", build.stage),
        *(word for name, _ in build.arguments for word in ("--build-arg", name)),
        *(word for secret in build.secrets for word in ("--secret", _render_secret(secret, folder))),
        *(word for cache in build.cache_from for word in ("--cache-from", cache)),
        *(word for cache in build.cache_to for word in ("--cache-to", cache)),
        *(("--layers",) if podman else ()),
        *_progress(build.progress, podman=podman),
        *_option("--network", build.network),
        *(("--no-cache",) if build.no_cache else ()),
        "--iidfile",
        f"{folder}/id",
        *(("--ignorefile", f"{folder}/{_IGNORE}") if podman else ()),
        "--file",
        f"{folder}/{_DOCKERFILE}",
        build.context,
    )


def list_files(build: EngineBuild) -> dict[str, str]:
    """What lies in the folder before the build: name -> text."""
    texts = {f"secret-{secret.id}": secret.text for secret in build.secrets if secret.text}
    return {_DOCKERFILE: build.dockerfile, _IGNORE: build.ignore, **texts}


def _option(name: str, value: str) -> tuple[str, ...]:
    return (name, value) if value else ()


def _progress(how: str, *, podman: bool) -> tuple[str, ...]:
    if how == "quiet":
        return ("--quiet",)
    return () if podman else ("--progress", how)


def _render_secret(secret: BuildSecret, folder: str) -> str:
    source = secret.file or f"{folder}/secret-{secret.id}"
    return f"id={secret.id}," + (f"env={secret.variable}" if secret.variable else f"src={source}")


def _check(build: EngineBuild, tool: BuildTool) -> None:
    for value in (build.tag, build.platform, build.stage, build.network, *build.cache_from, *build.cache_to):
        if value.startswith("-") or not value.isprintable():
            raise _usage(
                f"`{shown(value)}` cannot be a value for `{tool} build`",
                "give a name that starts with a letter",
            )
    if not os.path.isabs(build.context):
        raise _usage(f"the context `{shown(build.context)}` is no absolute path", "name the project's folder")
    for name, _ in build.arguments:
        if not _NAME.match(name) or _STEERS.match(name):
            raise _usage(
                f"`{shown(name)}` cannot be a build argument",
                "it would steer the engine's own program; rename the ARG",
            )
    for secret in build.secrets:
        sources = [one for one in (secret.file, secret.variable, secret.text) if one]
        if not _ID.match(secret.id) or len(sources) != 1 or "," in secret.file:
            raise _usage(
                f"the secret `{shown(secret.id)}` is not one file or one variable",
                "write `id=NAME,src=FILE` or `id=NAME,env=VARIABLE`",
            )
    if build.cache_to and tool is BuildTool.DOCKER:
        raise _usage(
            "Docker without buildx cannot write a cache to a registry",
            "install `docker-buildx`, or leave `--cache-to` out",
        )
    if tool is BuildTool.PODMAN and any("=" in cache for cache in (*build.cache_from, *build.cache_to)):
        raise _usage("Podman's caches are repositories, without `type=`", "write `REGISTRY/REPOSITORY`")


def _usage(message: str, hint: str) -> ToolError:
    return ToolError(message, hints=[hint], code=ExitCode.USAGE)


def build_environment(build: EngineBuild, tool: BuildTool, environ: Mapping[str, str]) -> dict[str, str]:
    """The engine program's environment: the caller's, the values of arguments, and BuildKit for Docker. Pure.

    Raises:
        ToolError: a secret's variable is not set.
    """
    for secret in build.secrets:
        if secret.variable and secret.variable not in environ:
            raise _usage(
                f"`{shown(secret.variable)}` is not set, and secret `{shown(secret.id)}` needs it",
                "set it, and build again",
            )
    buildkit = {} if tool is BuildTool.PODMAN else {"DOCKER_BUILDKIT": "1"}
    return {**environ, **buildkit, **dict(build.arguments)}


def require_build_tool(engine: str, environ: Mapping[str, str]) -> BuildTool:
    """What builds for `engine`, `docker` or `podman`.

    Raises:
        EngineError: its program is not there or lacks a part, or its daemon does not answer.
    """
    if find_tool(engine, environ.get("PATH")) is None:
        other = "podman" if engine == "docker" else "docker"
        raise EngineError(
            f"`{engine}` is not installed",
            hints=[
                f"install `{engine}`, or build with `--engine {other}`",
                "`shipway build` needs no engine",
            ],
        )
    if engine == "podman":
        return BuildTool.PODMAN
    version = _require_daemon(environ)
    asked = run(Command(argv=("docker", "buildx", "version"), env=environ), timeout=_ASK_SECONDS)
    if asked.code == 0:
        return BuildTool.BUILDX
    number = version.partition(".")[0]
    if number.isdecimal() and int(number) >= _NEEDS_PLUGIN:
        raise EngineError(
            f"Docker's program {shown(version)} cannot build without its plug-in `buildx`",
            hints=[
                "install `docker-buildx` or `docker-buildx-plugin`, or use `--engine podman`",
                "`shipway build` needs no engine",
            ],
        )
    return BuildTool.DOCKER


def _require_daemon(environ: Mapping[str, str]) -> str:
    """The version of Docker's own program, when its daemon answers."""
    what = "{{.Client.Version}} {{.Server.Version}}"
    command = Command(argv=("docker", "version", "--format", what), env=environ)
    asked = run(command, timeout=_ASK_SECONDS)
    if asked.code == 0:
        return asked.text.partition(" ")[0].strip()
    said = asked.stderr.decode("utf-8", "replace")
    refused = "permission denied" in said.lower()
    raise EngineError(
        "this account may not use Docker's daemon" if refused else "Docker's daemon does not answer",
        hints=[
            "ask for the group `docker`, or use `--engine podman`"
            if refused
            else "start it, or correct `DOCKER_HOST` or the context",
            "`shipway build` needs no engine",
        ],
        detail=said.strip(),
    )


def run_engine_build(build: EngineBuild, tool: BuildTool, environ: Mapping[str, str]) -> str:
    """Build, with the engine's own progress on standard error, and return the image's id.

    Raises:
        BuildError: the engine could not build it.
        ToolError: the tool cannot do what the build asks for, or a secret is missing.
    """
    for secret in build.secrets:
        if secret.file and not os.path.isfile(secret.file):
            raise _usage(f"the secret's file `{shown(secret.file)}` is not there", "correct its path")
    with scratch_folder("engine-build") as folder:
        with translating_disk_errors(f"write to `{folder}`", error=ToolError):
            for name, text in list_files(build).items():
                with open(os.path.join(folder, name), "x", encoding="utf-8") as file:
                    file.write(text)
        command = Command(
            argv=render_build(build, tool, folder=folder), env=build_environment(build, tool, environ)
        )
        # A quiet build says its id there, which the file says better.
        finished = run(command, stdout=None if build.progress == "quiet" else _STDERR, stderr=_STDERR)
        if finished.code != 0:
            raise BuildError(
                f"`{tool} build` failed: {describe_end(finished.code)}",
                hints=[
                    "its own output above says at which step",
                    "`shipway export dockerfile` shows the file that it was given",
                ],
            )
        return _read_id(os.path.join(folder, "id"), tool)


def _read_id(path: str, tool: BuildTool) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(200).strip()
    except FileNotFoundError:
        text = ""
    if not _IMAGE_ID.match(text):
        raise BuildError(f"`{tool} build` left no image id", hints=[f"look at its version: `{tool} version`"])
    return text
