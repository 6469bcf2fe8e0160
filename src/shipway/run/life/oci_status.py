"""How containers stand, as Docker's or Podman's `inspect` and `diff` say."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shipway.host.clock import now
from shipway.run.life.lives import Changed
from shipway.run.life.model import State, Status
from shipway.run.model import Port
from shipway.run.oci.trouble import find_trouble
from shipway.run.top.kept import is_of_start, places_of_mounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.run.life.model import Container
    from shipway.run.oci.program import Program

_STATES = {
    "created": State.CREATED,
    "configured": State.CREATED,
    "initialized": State.CREATED,
    "running": State.RUNNING,
    "stopping": State.RUNNING,
    "restarting": State.RESTARTING,
    "paused": State.PAUSED,
}


UNWATCHED = "what watched it for Podman was killed"
_ELSEWHERE = ("CONTAINER_HOST", "CONTAINER_CONNECTION")
_KILLED = 137
_MONITOR_PATIENCE = 5.0
"""Seconds that a monitor may take to say that its container has ended."""
_INITS = ("sbin/docker-init", "run/podman-init", "dev/init")
"""What the engines put into a container that is to have an init."""


def inspect_containers(program: Program, ids: Sequence[str]) -> dict[str, Status]:
    """By id; those that the engine does not know are left out.

    Raises:
        EngineError: it does not answer.
    """
    if not ids:
        return {}
    finished = program.ask("container", "inspect", *ids)
    text = finished.stderr.decode("utf-8", "replace")
    if finished.code != 0 and (find_trouble(program.dialect, text) or not says_missing(text)):
        raise program.trouble(finished, "container", "inspect")
    found = parse_inspected(finished.text)
    if program.dialect.name != "podman" or any(map(os.environ.get, _ELSEWHERE)):
        return found
    return {name: _watched(program, name, status, finished.text) for name, status in found.items()}


def _watched(program: Program, identity: str, status: Status, text: str) -> Status:
    """Podman believes for ever that a container runs whose monitor was killed before it ended; a monitor that lives is about to
    say how it ended, or has while we asked.

    `text`: what `container inspect` printed.
    """
    deadline = time.monotonic() + _MONITOR_PATIENCE
    while _has_ended(status):
        monitored = _lives(parse_monitor(text, identity))
        if monitored and time.monotonic() > deadline:
            return status
        text = program.ask("container", "inspect", identity).text
        found = parse_inspected(text).get(identity)
        if found is None:  # it was removed meanwhile
            return status
        if not monitored and _has_ended(found):
            return found._replace(
                state=State.EXITED, pid=0, code=_KILLED, reason=UNWATCHED, ports=(), ended=now()
            )
        status = found
    return status


def _has_ended(status: Status) -> bool:
    """Whether it is said to run, and has no process."""
    return status.state is State.RUNNING and status.pid > 0 and not _lives(status.pid)


def parse_monitor(text: str, identity: str) -> int:
    """The process that watches a container, in what Podman's `container inspect` prints; 0 if it has none."""
    with contextlib.suppress(ValueError):
        for one in json.loads(text or "[]"):
            if one["Id"] == identity:
                return int(one.get("State", {}).get("ConmonPid") or 0)
    return 0


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except FileNotFoundError:
        return False
    except (OSError, IndexError):
        return True


def says_missing(text: str) -> bool:
    """Whether an engine's words say that it has no such container; that there is no such socket is something else."""
    return _MISSING.search(text) is not None


_MISSING = re.compile(r"no such (?:container|object)|no container with", re.IGNORECASE)


def parse_inspected(text: str) -> dict[str, Status]:
    """The statuses in what `container inspect` prints."""
    with contextlib.suppress(ValueError):
        found = json.loads(text or "[]")
        if isinstance(found, list):
            return {str(one["Id"]): _status(one) for one in found}
    return {}


def _status(one: dict[str, Any]) -> Status:
    state = one.get("State", {})
    does = _STATES.get(str(state.get("Status", "")).lower(), State.EXITED)
    return Status(
        state=does,
        pid=int(state.get("Pid") or 0),
        started=parse_time(str(state.get("StartedAt", ""))),
        ended=parse_time(str(state.get("FinishedAt", ""))),
        code=int(state.get("ExitCode") or 0),
        restarts=int(one.get("RestartCount") or 0),
        memory_kills=int(bool(state.get("OOMKilled"))),
        reason=str(state.get("Error") or ""),
        ports=_ports(one.get("NetworkSettings") or {}) if does is State.RUNNING else (),
    )


def _ports(network: dict[str, Any]) -> tuple[Port, ...]:
    """Podman leaves the address out where it is every one of the host's."""
    found = []
    for name, places in (network.get("Ports") or {}).items():
        number, _, protocol = str(name).partition("/")
        found += [
            Port(int(number), int(place["HostPort"]), place.get("HostIp") or "0.0.0.0", protocol or "tcp")  # noqa: S104 - what it says
            for place in places or ()
        ]
    return tuple(found)


def parse_time(text: str) -> float:
    """Seconds since 1970 from RFC 3339 with nanoseconds; 0 for the engines' zero time."""
    if not text or text.startswith("0001-"):
        return 0.0
    head, dot, rest = text.partition(".")
    if dot:
        digits = rest.rstrip("Z")
        zone = next((digits[i:] for i, c in enumerate(digits) if c in "+-"), "")
        text = f"{head}.{digits[: len(digits) - len(zone)][:6]}{zone or '+00:00'}"
    else:
        text = head.replace("Z", "+00:00")
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(text).timestamp()
    return 0.0


def read_changed(program: Program, container: Container) -> tuple[Changed, ...]:
    """What the engine's `diff` lists, without what every start writes and the places of mounts."""
    places = places_of_mounts(container.environment, container.record.asked)
    text = program.require("diff", container.record.engine_id)
    return tuple(
        one for one in parse_diff(text) if not (is_of_start(one.path, places) or one.path.endswith(_INITS))
    )


def parse_diff(text: str) -> tuple[Changed, ...]:
    """The lines `A /path`, `C /path`, `D /path`; a folder that only leads to something else is left out."""
    found = [(line[:1], line[2:].lstrip("/")) for line in text.splitlines() if line[1:2] == " "]
    folders = {path.rpartition("/")[0] for _, path in found}
    leading = {
        "/".join(path.split("/")[:count]) for path in folders for count in range(1, path.count("/") + 2)
    }
    return tuple(
        Changed(path, what, "d" if path in leading else "")
        for what, path in found
        if path and not (what == "C" and path in leading)
    )
