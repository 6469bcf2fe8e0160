"""`compose.yaml` with one service per target: the part of the Compose Specification that docker-compose 1.29 reads, too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shipway.export.options import describe_unmounted, image_name, mount_source, passed, published

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shipway.export.model import Contents
    from shipway.spec.model import RunOptions


def render_compose(targets: Sequence[Contents], runs: Mapping[str, RunOptions]) -> str:
    """The file. `runs`: by name of target. Expects each target's Dockerfile at `build/Dockerfile.TARGET`."""
    services = {one.target.name: _service(one, runs[one.target.name]) for one in targets}
    dockerfiles = ", ".join(
        f"`shipway export dockerfile -t {name} --output build/Dockerfile.{name}`" for name in services
    )
    head = [
        f"# {targets[0].lock.name}. Written by `shipway export compose`; change the spec and export again.",
        f"# Needs: {dockerfiles}",
        "# Start as yourself: USER_ID=$(id -u) GROUP_ID=$(id -g) docker compose run --rm SERVICE",
        *(f"# {sentence}" for sentence in describe_unmounted(targets)),
        "# docker-compose 1 builds it with COMPOSE_DOCKER_CLI_BUILD=1 DOCKER_BUILDKIT=1 in front.",
    ]
    document = {"services": services}
    return "\n".join([*head, *_yaml(document, "")]) + "\n"


def _service(contents: Contents, run: RunOptions) -> dict[str, Any]:
    name = contents.target.name
    service: dict[str, Any] = {
        "build": {"context": ".", "dockerfile": f"build/Dockerfile.{name}"},
        "platform": contents.target.platform,
        "image": f"{image_name(contents)}-{name.lower()}:latest",
        "init": True,
        "stdin_open": True,
        "tty": True,
        "user": "${USER_ID:-1000}:${GROUP_ID:-1000}",
        "working_dir": _plain(contents.settings.workdir),
        "network_mode": str(run.network),
        "environment": ["HOME=/tmp", *(_plain(f"{key}={value}") for key, value in run.env), *passed(run)],
        "volumes": [
            {"type": "bind", "source": ".", "target": _plain(contents.settings.workdir)},
            *(_volume(mount) for mount in _mounts(run)),
        ],
    }
    service |= {"shm_size": str(run.shm_size)} if run.shm_size is not None else {}
    service |= _limits(run)
    service |= {"ports": list(published(run))} if run.ports else {}
    service |= {"ipc": run.ipc} if run.ipc == "host" else {}
    service |= {"tmpfs": [_plain(folder) for folder in run.tmpfs]} if run.tmpfs else {}
    service |= {"restart": run.restart} if run.restart else {}
    if contents.uses_gpu:
        devices = [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]
        service["deploy"] = {"resources": {"reservations": {"devices": devices}}}
    return service


def _limits(run: RunOptions) -> dict[str, Any]:
    values = {
        "mem_limit": None if run.memory is None else str(run.memory),
        "memswap_limit": None if run.memory_swap is None else run.memory_swap,
        "cpus": run.cpus,
        "cpuset": run.cpuset or None,
        "cpu_shares": run.cpu_shares,
        "pids_limit": run.pids,
        "ulimits": dict(map(_ulimit, run.ulimits)) or None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _ulimit(text: str) -> tuple[str, dict[str, int]]:
    name, _, bounds = text.partition("=")
    soft, _, hard = bounds.replace("unlimited", "-1").partition(":")
    return name, {"soft": int(soft), "hard": int(hard or soft)}


def _mounts(run: RunOptions) -> list[tuple[str, str, bool]]:
    return [
        (mount_source(mount, home="~", project="."), mount.target, mount.read_only)
        for mount in (*run.mounts, *run.secret_files)
    ]


def _volume(mount: tuple[str, str, bool]) -> dict[str, Any]:
    source, target, read_only = mount
    volume: dict[str, Any] = {"type": "bind", "source": _plain(source), "target": _plain(target)}
    return volume | ({"read_only": True} if read_only else {})


def _plain(text: str) -> str:
    """`text` with nothing that Compose would expand."""
    return text.replace("$", "$$")


def _yaml(value: Any, indent: str) -> list[str]:
    """YAML 1.2: mappings and lists in blocks, every scalar as JSON writes it."""
    lines = []
    entries = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for key, item in entries:
        lead = f"{indent}-" if key is None else f"{indent}{json.dumps(key)}:"
        if isinstance(item, dict | list) and item:
            lines += [lead, *_yaml(item, indent + "  ")]
        else:
            lines.append(f"{lead} {json.dumps(item)}")
    return lines
