"""A `RunRequest` as the command line of an engine that speaks Docker's language (pure)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError
from shipway.core.text import shown
from shipway.run.model import RestartKind, Top
from shipway.run.oci.options import (
    gpus,
    laid_files,
    memory_folders,
    namespaces,
    scratches,
    shown_mounts,
    spaces,
)
from shipway.run.secrets import FILE, PLACE, open_variables, wrapped

if TYPE_CHECKING:
    from shipway.run.model import LifeOptions, Limits, LogOptions, RunRequest

RUN = "RUN"
"""Stands for the folder of a run, which exists only as long as its container."""
_STEERING = re.compile(
    r"(PATH|HOME|USER|LOGNAME|TMPDIR|SHELL|TZ|LANG|LC_.*|DOCKER_.*|BUILDKIT_.*|CONTAINER_.*|CONTAINERS_.*|XDG_.*|SSH_.*"
    r"|REGISTRY_.*|STORAGE_.*|SSL_CERT_.*|GO.*|LD_.*|https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY|APPTAINER.*|SINGULARITY.*)\Z"
)
"""Variables by which an engine's own program would be led."""
CID = ".cid"
"""Ends the name of the file, in the folder of a run, with the engine's id of the container; the engine's name comes before it."""
LABEL = "shipway.container"
"""Holds our id of a container that lives on."""
PROJECT_LABEL = "shipway.project"


class Dialect(NamedTuple):
    """How an engine differs from the others of its kind."""

    name: str
    """Its program, and what `--engine` calls it."""
    title: str
    always: tuple[str, ...] = ()
    """Words that every `run` gets."""
    pull: tuple[str, ...] = ()
    """Words that `pull` needs for a registry without TLS on loopback."""
    local: str = ""
    """What begins the name of an image of this machine."""
    partial: bool = False
    """Whether `load` takes an archive without the layers that are there."""
    about: tuple[str, ...] = ()
    """Words whose answer is platform and version, separated by a space."""
    limits: str = ""
    """A Go template for `info`: the limits that can be enforced, among those of `wanted_limits`."""
    bridge: tuple[str, ...] = ()
    """Words for a network of the container's own."""
    put: tuple[str, ...] = ()
    """Words that `cp` needs, to leave files to whom an archive says."""
    makes_workdir: bool = True
    """Whether the folder that a command starts in is made."""
    devices: bool = False
    """Whether GPUs are devices with names (CDI), and not asked for by `--gpus`."""
    oldest: tuple[int, int] = (0, 0)
    """The oldest version that is supported."""
    remedy: str = ""
    """How it is installed."""
    stopped: str = ""
    """How its service is started."""
    refused: str = ""
    """What to do when the caller may not use it."""
    gpus: str = ""
    """What to do when it has no GPUs to hand out."""


class Inputs(NamedTuple):
    """The variables of a container on their way past the argument list, where everybody on the machine reads."""

    file: bytes
    """For `--env-file`: lines of `NAME=VALUE`, taken literally."""
    inherited: tuple[tuple[str, str], ...]
    """What no such file can hold: handed over in the environment of the engine's program."""


def plan_inputs(env: tuple[tuple[str, str], ...]) -> Inputs:
    """Divide `env`.

    Raises:
        EngineError: a variable has several lines, and would lead the engine's own program.
    """
    lines, inherited = [], []
    for name, value in env:
        if not _needs_environment(value):
            lines.append(f"{name}={value}\n")
        elif _STEERING.match(name):
            raise EngineError(
                f"the variable `{shown(name)}` cannot be handed to this engine: its value is not one line of text",
                hints=("leave the variable out, or use `--engine native`",),
            )
        else:
            inherited.append((name, value))
    return Inputs("".join(lines).encode(), tuple(inherited))


def render_run(request: RunRequest, dialect: Dialect, *, image: str, folder: str = RUN) -> tuple[str, ...]:
    """The words after the engine's program that are `request`, in the image with the id or name `image`.

    `folder`: holds `env` (see `plan_inputs`), `scratch`, and the run's own files below `files`; the engine writes its id there.

    Raises:
        EngineError: as `plan_inputs`, or something is kept, which only our own engine does.
    """
    if request.top is Top.KEPT:
        raise EngineError(
            f"{dialect.title} keeps nothing under a name",
            hints=("write to the project or the home folder", "use `--keep` with `--engine native`"),
        )
    return (
        "run",
        "--rm",
        "--interactive",
        f"--cidfile={folder}/{dialect.name}{CID}",
        *_container(request, dialect, image=image, folder=folder),
    )


def render_create(
    request: RunRequest, dialect: Dialect, life: LifeOptions, *, identity: str, image: str, folder: str
) -> tuple[str, ...]:
    """The words that make a container that lives on, without starting it. `identity`: ours, which becomes a label.

    Raises:
        EngineError: as `plan_inputs`, or the name is none for the engine.
    """
    if len(life.name) == 1 and dialect.name == "docker":
        raise EngineError(
            f"Docker wants names of two characters at least, not `{life.name}`",
            hints=("choose a longer `--name`",),
        )
    restart = life.restart
    most = f":{restart.most}" if restart.most else ""
    words = [
        "create",
        f"--name={life.name}",
        f"--label={LABEL}={identity}",
        f"--label={PROJECT_LABEL}={request.project}",
        *(("--interactive",) if life.interactive else ()),
        *((f"--restart={restart.kind.value}{most}",) if restart.kind is not RestartKind.NO else ()),
        *_log_words(life.log),
        *_container(request._replace(top=_plain_top(request.top)), dialect, image=image, folder=folder),
    ]
    return tuple(words)


def _plain_top(top: Top) -> Top:
    """The engine keeps what is written as long as the container is there."""
    return Top.READ_ONLY if top is Top.READ_ONLY else Top.THROWN_AWAY


def _log_words(log: LogOptions) -> tuple[str, ...]:
    options = {
        "max-size": None if log.max_size is None else f"{log.max_size}b",
        "max-file": log.max_files,
        "mode": log.mode or None,
        "max-buffer-size": None if log.buffer is None else f"{log.buffer}b",
        **dict(log.others),
    }
    return (
        *((f"--log-driver={log.driver}",) if log.driver else ()),
        *(f"--log-opt={name}={value}" for name, value in options.items() if value is not None),
    )


def _container(request: RunRequest, dialect: Dialect, *, image: str, folder: str) -> tuple[str, ...]:
    """What is the same however long it lives."""
    account = request.account
    argv = wrapped(request.argv) if request.secrets else request.argv
    words = [
        *(("--tty",) if request.tty else ()),
        *(() if request.pid_space else ("--init",)),  # which is for whoever is the first process
        "--pull=never",
        *namespaces(request, dialect),
        f"--user={account.uid}:{account.gid}",
        f"--workdir={request.cwd}",
        *(() if request.beside else (f"--hostname={request.hostname}",)),
        *spaces(request, dialect),
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        *_limits(request),
        *gpus(request, dialect),
        *(("--read-only",) if request.top is Top.READ_ONLY else ()),
        *memory_folders(request),
        f"--env-file={folder}/env",
        *(f"--env={name}" for name, _ in plan_inputs(open_variables(request)).inherited),
        *(_mount(f"{folder}/{name}", target, read_only=False) for name, target in scratches(request)),
        *(
            _mount(f"{folder}/files/{file.path}", f"/{file.path}", read_only=True)
            for file in laid_files(request)
        ),
        *(
            _mount(mount.source, mount.target, read_only=mount.read_only)
            for mount in shown_mounts(request, dialect)
        ),
        *((_mount(f"{folder}/{FILE}", PLACE, read_only=True),) if request.secrets else ()),
        f"--entrypoint={argv[0]}",
        image,
        *argv[1:],
    ]
    return tuple(words)


def parse_version(text: str) -> tuple[int, int]:
    """The first two numbers of a version; zeros when it has none."""
    found = re.match(r"(\d+)\.(\d+)", text, re.ASCII)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def wanted_limits(request: RunRequest) -> tuple[str, ...]:
    """The limits that are asked for, as `Dialect.limits` names them."""
    limits = request.limits
    asked = {
        "memory": limits.memory is not None,
        "cpu": limits.cpus is not None,
        "pids": limits.pids is not None,
        "cpuset": bool(limits.cpuset),
        "shares": limits.cpu_shares is not None,
        "swap": limits.memory_swap not in (None, limits.memory),
    }
    return tuple(name for name, wanted in asked.items() if wanted)


def limit_words(limits: Limits, unit: str = "b") -> tuple[str, ...]:
    """The limits as Docker, Podman and Apptainer take them. `unit`: behind bytes."""
    words = []
    if limits.memory is not None:
        swap = limits.memory if limits.memory_swap is None else limits.memory_swap
        words += [f"--memory={limits.memory}{unit}", f"--memory-swap={swap}{'' if swap == -1 else unit}"]
    if limits.cpus is not None:
        words.append(f"--cpus={limits.cpus:g}")
    if limits.cpuset:
        words.append(f"--cpuset-cpus={limits.cpuset}")
    if limits.cpu_shares is not None:
        words.append(f"--cpu-shares={limits.cpu_shares}")
    if limits.pids is not None:
        words.append(f"--pids-limit={limits.pids}")
    return tuple(words)


def _limits(request: RunRequest) -> tuple[str, ...]:
    each = (f"--ulimit={one.name}={one.soft}:{one.hard}" for one in request.ulimits)
    return (*limit_words(request.limits), *each)


def _mount(source: str, target: str, *, read_only: bool) -> str:
    fields = ["type=bind", f"source={source}", f"target={target}", *(["readonly"] if read_only else [])]
    return "--mount=" + ",".join(csv_field(field) for field in fields)


def csv_field(field: str) -> str:
    """One field of a CSV line (RFC 4180), which the value of `--mount` is."""
    return '"' + field.replace('"', '""') + '"' if any(mark in field for mark in ',"\n\r') else field


def _needs_environment(value: str) -> bool:
    return "\n" in value or "\r" in value or not value.isprintable() or len(value) > 60_000  # noqa: PLR2004 - the readers' lines end at 64 KiB
