"""Launch records: what a run needs, found again by a few `stat` calls instead of reading spec, lock and plan.

A record says of which files it is the consequence (spec, lock, requirements, ignore files, and files whose absence mattered)
and which trees it mounts. It counts only while every one of those files is the same (times, size and inode; when one of
these differs, its digest) and every tree is still there. Hold the trees (`store.use(keys)`) before asking, so that no
collection can take them in between. A record is a cache: any doubt means that there is none.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from shipway import __version__
from shipway.host.files import make_directory, write_atomic
from shipway.run.model import (
    Environment,
    ImageFacts,
    ImageIds,
    Limits,
    Mount,
    Network,
    Port,
    Restart,
    RestartKind,
    RunOptions,
    TmpfsMount,
    Ulimit,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_FORMAT = 6
_SETTLED = 50_000_000
"""Nanoseconds: a file changed this shortly before it was read may change again without its time showing it."""


class Input(NamedTuple):
    """One file as it was."""

    path: str
    changed: int
    """Nanoseconds, ctime, which nobody can set back as mtime. 0: not there, or so new that it may still change unseen."""
    mtime: int
    """Nanoseconds."""
    size: int
    """-1 for a file that is not there."""
    inode: int
    digest: str
    """Hex sha256, or empty."""


class Ready(NamedTuple):
    """One launch record."""

    environment: Environment
    inputs: tuple[Input, ...]
    context: str
    """Whatever else must be equal: the store's path, the platform."""


def read_inputs(paths: Iterable[str]) -> tuple[Input, ...]:
    """The files as they are now; one that is not there is recorded as such."""
    return tuple(_read_input(path) for path in sorted(set(paths)))


def write_ready(file: str, ready: Ready) -> None:
    """Write the record, for the next run only: it is not made durable.

    Raises:
        OSError: it cannot be written.
    """
    value = {
        "format": _FORMAT,
        "version": __version__,
        "context": ready.context,
        "inputs": ready.inputs,
        "environment": ready.environment._asdict(),
    }
    make_directory(os.path.dirname(file))
    write_atomic(file, json.dumps(value).encode("ascii"), 0o600, durable=False)


def read_ready(file: str) -> Ready | None:
    """The record as it was written, unchecked; None if there is none that this version of shipway wrote."""
    try:
        with open(file, encoding="ascii") as stream:
            value = json.load(stream)
        if value["format"] != _FORMAT or value["version"] != __version__:
            return None
        inputs = tuple(Input(*entry) for entry in value["inputs"])
        return Ready(_parse_environment(value["environment"]), inputs, value["context"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def holds(ready: Ready, *, context: str) -> bool:
    """Whether the record still says the truth. Call it while holding `ready.environment.keys`."""
    if ready.context != context:
        return False
    return all(_is_same(entry) for entry in ready.inputs) and all(
        map(os.path.isdir, ready.environment.lowers)
    )


def _read_input(path: str) -> Input:
    import hashlib  # noqa: PLC0415 - only a file that has changed is read

    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            digest = hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return Input(path, 0, 0, -1, 0, "")
    settled = time.time_ns() - status.st_ctime_ns > _SETTLED
    changed = status.st_ctime_ns if settled else 0
    return Input(path, changed, status.st_mtime_ns, status.st_size, status.st_ino, digest)


def _is_same(entry: Input) -> bool:
    try:
        status = os.stat(entry.path)
    except OSError:
        return entry.size < 0
    now = (status.st_ctime_ns, status.st_mtime_ns, status.st_size, status.st_ino)
    if now == (entry.changed, entry.mtime, entry.size, entry.inode):
        return True
    return status.st_size == entry.size and _read_input(entry.path).digest == entry.digest


def _parse_environment(value: dict[str, Any]) -> Environment:
    options = dict(zip(RunOptions._fields, value["options"], strict=True))
    options["mounts"] = tuple(Mount(*mount) for mount in options["mounts"])
    options["limits"] = Limits(*options["limits"])
    options["network"] = Network(options["network"])
    options["env"] = _pairs(options["env"])
    options["pass_env"] = tuple(options["pass_env"])
    options["secrets"] = tuple(options["secrets"])
    options["ports"] = tuple(Port(*port) for port in options["ports"])
    options["ulimits"] = tuple(Ulimit(*ulimit) for ulimit in options["ulimits"])
    options["tmpfs"] = tuple(TmpfsMount(*tmpfs) for tmpfs in options["tmpfs"])
    kind, most = options["restart"]
    options["restart"] = Restart(RestartKind(kind), most)
    facts = dict(zip(ImageFacts._fields, value["facts"], strict=True))
    facts["shells"] = tuple(facts["shells"])
    image = value["image"]
    return Environment(
        **{
            **value,
            "lowers": tuple(value["lowers"]),
            "keys": tuple(value["keys"]),
            "env": _pairs(value["env"]),
            "command": tuple(value["command"]),
            "options": RunOptions(**options),
            "facts": ImageFacts(**facts),
            "image": ImageIds(*image) if image else None,
            "editable": _pairs(value["editable"]),
        }
    )


def _pairs(value: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, text) for name, text in value)
