"""What a spec says about running, in the words of engines. A variable that is passed on is named and never written out."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipway.export.model import Contents
    from shipway.spec.model import MountRule, RunOptions


def image_name(contents: Contents) -> str:
    """The project's name as engines allow it for images and containers."""
    return re.sub(r"[^a-z0-9]+", "-", contents.lock.name.lower()).strip("-") or "project"


def engine_options(run: RunOptions) -> tuple[str, ...]:
    """Everything but mounts, as `docker run` and `podman run` take it."""
    words = [f"--network={run.network}"]
    words += [f"--shm-size={run.shm_size}"] if run.shm_size is not None else []
    words += [f"--publish={port}" for port in published(run)]
    words += [f"--ipc={run.ipc}"] if run.ipc == "host" else []
    words += [f"--memory={run.memory}"] if run.memory is not None else []
    words += [f"--memory-swap={run.memory_swap}"] if run.memory_swap is not None else []
    words += [f"--cpus={run.cpus:g}"] if run.cpus is not None else []
    words += [f"--cpuset-cpus={run.cpuset}"] if run.cpuset else []
    words += [f"--cpu-shares={run.cpu_shares}"] if run.cpu_shares is not None else []
    words += [f"--pids-limit={run.pids}"] if run.pids is not None else []
    words += [f"--ulimit={limit}" for limit in run.ulimits]
    words += [f"--tmpfs={folder}" for folder in run.tmpfs]
    words += [f"--env={name}={value}" for name, value in run.env]
    return (*words, *(f"--env={name}" for name in passed(run)))


def passed(run: RunOptions) -> tuple[str, ...]:
    """Variables of the caller. Whoever starts a container by these words shows their values to the engine, secrets too."""
    return (*run.pass_env, *(word.removesuffix("?") for word in run.secret_variables))


def published(run: RunOptions) -> tuple[str, ...]:
    """The ports, with the address that we mean where none is written; theirs would be all of them."""
    return tuple(
        port if _has_address(port) else f"127.0.0.1:{port}" if ":" in port else f"127.0.0.1::{port}"
        for port in run.ports
    )


def _has_address(port: str) -> bool:
    return (
        port.startswith("[")
        or port.count(":") > 1
        or not port[:1].isdecimal()
        or "." in port.partition(":")[0]
    )


def unmounted(contents: Contents) -> tuple[str, ...]:
    """Data that shipway fetches and mounts out of its store, which no other tool knows, by name."""
    return tuple(use.name for use in contents.target.data if use.source and not use.copy)


def describe_unmounted(targets: Iterable[Contents]) -> tuple[str, ...]:
    """What an exported file says about them; nothing where all data are mounted."""
    names = dict.fromkeys(name for contents in targets for name in unmounted(contents))
    listed = ", ".join(f"`{name}`" for name in names)
    return (f"Data that shipway fetches are not mounted: {listed}; `shipway run` has them.",) if names else ()


def mount_source(mount: MountRule, *, home: str, project: str) -> str:
    """Where a mount is from, with `home` and `project` as the reader of the text writes these folders."""
    source = mount.source
    if source == "~" or source.startswith("~/"):
        return home + source[1:]
    if source.startswith("/"):
        return source
    path = posixpath.normpath(source)
    return project if path == "." else f"{project}/{path}"
