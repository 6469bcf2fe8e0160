"""`build --engine docker|podman`: the exported Dockerfile, built by that engine, for those who must."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, OfflineError, ToolError
from shipway.core.events import Note
from shipway.core.reference import parse_reference
from shipway.core.text import shown
from shipway.run.oci.build import (
    BuildSecret,
    EngineBuild,
    build_environment,
    list_files,
    render_build,
    require_build_tool,
    run_engine_build,
)
from shipway.verbs.build_supply import read_supply
from shipway.verbs.context import host_platform
from shipway.verbs.locking import ensure_lock
from shipway.verbs.project import read_project, require_locked, require_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.export.model import Contents
    from shipway.verbs.context import Task
    from shipway.verbs.project import Project

_ARG = re.compile(r"^ARG (\w+)", re.MULTILINE | re.ASCII)
_MOUNTED = re.compile(r"--mount=type=secret,id=([\w.-]+)", re.ASCII)
_KNOWN = re.compile(r"(?i:https?|ftp|no|all)(?i:_proxy)|BUILDKIT_INLINE_CACHE", re.ASCII)
"""ARGs that builders know without being told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByEngineRequest:
    """How an engine is to build."""

    engine: str
    """`docker` or `podman`."""
    tag: str = ""
    arguments: tuple[str, ...] = ()
    """`NAME=VALUE`, or `NAME` for the caller's own variable."""
    secrets: tuple[str, ...] = ()
    """`id=ID,src=FILE` or `id=ID,env=VARIABLE`."""
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    network: str = ""
    no_cache: bool = False
    progress: str = "auto"
    """`auto`, `plain` or `quiet`."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ByEngineResult:
    """What an engine built, or would."""

    name: str
    target: str
    platform: str
    engine: str
    tag: str
    image: str
    """Its id in the engine; empty for a dry run."""
    line: tuple[str, ...]
    """The command line; `BUILD` stands for a folder that lives as long as the build."""
    files: tuple[tuple[str, int], ...]
    """What lies in it: name and bytes."""
    variables: tuple[str, ...]
    """Names of those that are set for the engine's program."""


def run_build_by(request: ByEngineRequest, task: Task) -> ByEngineResult:
    """Lock if need be, and have the engine build the target's exported Dockerfile.

    Raises:
        OfflineError: there is to be no network, which engines use by themselves.
        EngineError: the engine is not there or does not answer.
        BuildError: it could not build.
        LockStale, ToolError: there is no lock to work with, or a word of the request is wrong (USAGE).
    """
    if task.offline:
        raise OfflineError(
            f"`{request.engine}` fetches packages by itself while it builds, and there is to be no network",
            hints=["build without `--engine`, or without `--offline`"],
        )
    if request.tag and parse_reference(request.tag).digest:
        raise ToolError(
            f"`{shown(request.tag)}` names a digest, which cannot be given to an image",
            hints=["leave out what follows `@`"],
            code=ExitCode.USAGE,
        )
    secrets = tuple(map(_parse_secret, request.secrets))
    arguments = tuple(map(_parse_argument, request.arguments))
    tool = require_build_tool(request.engine, os.environ)
    project, contents = _read(task)
    build = _build_of(request, project, contents, secrets=secrets, arguments=arguments, task=task)
    line = render_build(build, tool)
    environ = build_environment(build, tool, os.environ)
    return ByEngineResult(
        name=contents.lock.name,
        target=contents.target.name,
        platform=contents.target.platform,
        engine=request.engine,
        tag=request.tag,
        image="" if request.dry_run else run_engine_build(build, tool, os.environ),
        line=line,
        files=tuple((name, len(text.encode())) for name, text in list_files(build).items()),
        variables=tuple(sorted(name for name, value in environ.items() if os.environ.get(name) != value)),
    )


def _read(task: Task) -> tuple[Project, Contents]:
    from shipway.export.model import read_contents
    from shipway.store.store import Store

    project = read_project(task.directory, task.emit)
    target = require_target(project.spec, task.target).name
    lock, _ = ensure_lock(project, task, Store.open(emit=task.emit))
    platform = task.platform or host_platform()
    require_locked(lock, target, platform)
    return project, read_contents(lock, target, platform)


def _build_of(
    request: ByEngineRequest,
    project: Project,
    contents: Contents,
    *,
    secrets: Sequence[BuildSecret],
    arguments: Sequence[tuple[str, str]],
    task: Task,
) -> EngineBuild:
    from shipway.build.files_tree import ignore_patterns
    from shipway.export.dockerfile import render_dockerfile, render_ignore

    if task.vendor or project.spec.vendor:
        task.emit(Note(f"what was collected is not used: `{request.engine}` fetches by itself", "warning"))
    text = render_dockerfile(contents)
    declared, mounted = set(_ARG.findall(text)), set(_MOUNTED.findall(text))
    _require_known(arguments, secrets, declared, mounted)
    supply = read_supply(contents, project, task.emit)
    values = {name: value for name, value in supply.arguments if name in declared} | dict(arguments)
    given = {one.id for one in secrets}
    ours = (one for one in supply.secrets if one.id in mounted - given)
    return EngineBuild(
        dockerfile=text,
        context=project.folder,
        ignore=render_ignore(contents, ignore_patterns(project.folder, contents.target.ignore)),
        tag=request.tag,
        platform=contents.target.platform,
        arguments=tuple(sorted(values.items())),
        secrets=(*ours, *secrets),
        cache_from=request.cache_from,
        cache_to=request.cache_to,
        progress=request.progress,
        network=request.network,
        no_cache=request.no_cache,
    )


def _require_known(
    arguments: Sequence[tuple[str, str]],
    secrets: Sequence[BuildSecret],
    declared: set[str],
    mounted: set[str],
) -> None:
    """Refuse what no step would see: a mistyped name must not be silence."""
    for name, _ in arguments:
        if name not in declared and not _KNOWN.fullmatch(name):
            raise _wrong(
                f"the Dockerfile has no argument `{shown(name)}`", f"it has: {', '.join(sorted(declared))}"
            )
    for secret in secrets:
        if secret.id not in mounted:
            has = f"the ids that are used: {', '.join(sorted(mounted))}" if mounted else "leave it out"
            raise _wrong(f"no step of the Dockerfile uses the secret `{shown(secret.id)}`", has)


def _parse_argument(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals and name not in os.environ:
        raise _wrong(f"`{shown(name)}` is not set here", "write `--build-arg NAME=VALUE`, or set it")
    return name, value if equals else os.environ[name]


def _parse_secret(text: str) -> BuildSecret:
    pairs = [word.partition("=")[::2] for word in text.split(",")]
    words = dict(pairs)
    kind = words.pop("type", "")
    file = words.pop("src", "") or words.pop("source", "")
    variable, name = words.pop("env", ""), words.pop("id", "")
    if words or len({key for key, _ in pairs}) != len(pairs) or not name or kind not in ("", "file", "env"):
        raise _wrong(f"`{shown(text)}` is no secret", "write `id=ID,src=FILE` or `id=ID,env=VARIABLE`")
    return BuildSecret(
        id=name, file=os.path.abspath(os.path.expanduser(file)) if file else "", variable=variable
    )


def _wrong(message: str, hint: str) -> ToolError:
    return ToolError(message, hints=[hint], code=ExitCode.USAGE)
