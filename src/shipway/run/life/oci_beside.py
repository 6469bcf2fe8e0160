"""The containers of Docker and Podman that share the network of another, as the engine's `inspect` knows both."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

from shipway.run.bus_watch import in_engine
from shipway.run.life.beside import following
from shipway.run.life.model import State, Status
from shipway.run.life.oci_status import parse_inspected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from shipway.run.life.loop import Loop
    from shipway.run.oci.program import Program

_SHARED = "container:"


def parse_network_modes(text: str) -> dict[str, str]:
    """By id, `HostConfig.NetworkMode` of the containers in what `container inspect` prints."""
    with contextlib.suppress(ValueError):
        found = json.loads(text or "[]")
        if isinstance(found, list):
            return {
                str(one["Id"]): str((one.get("HostConfig") or {}).get("NetworkMode", "")) for one in found
            }
    return {}


def find_lost_networks(program: Program, statuses: Mapping[str, Status]) -> frozenset[str]:
    """Those of the containers, by id, whose network's owner does not run any more, or was started again since they were."""
    modes = parse_network_modes(program.ask("container", "inspect", *statuses).text)
    shared = {one: mode.removeprefix(_SHARED) for one, mode in modes.items() if mode.startswith(_SHARED)}
    if not shared:
        return frozenset()
    text = program.ask("container", "inspect", *sorted(set(shared.values()))).text
    hosts = {one for one, mode in parse_network_modes(text).items() if mode == "host"}
    owners = parse_inspected(text)
    return frozenset(
        one
        for one, owner in shared.items()
        if owner not in hosts and is_lost(statuses[one], owners.get(owner))
    )


def is_lost(mine: Status, owner: Status | None) -> bool:
    """Whether a container that stands so has lost the network of one that stands so. None: it was removed."""
    if mine.state not in (State.RUNNING, State.PAUSED):
        return False
    runs = owner is not None and owner.state in (State.RUNNING, State.PAUSED)
    return not runs or (owner is not None and owner.started > mine.started)


@contextlib.contextmanager
def following_owner(
    program: Program, name: str, loop: Loop | None, ended: Callable[[], None]
) -> Iterator[None]:
    """Call `ended` once when the container `name` (or id) of the engine ends, whose network is to be shared.

    Nothing is called where its process is not on this machine, or it has the host's network, which does not go with it.
    """
    fd = _watch_owner(program, name)
    if fd < 0:
        yield
        return
    try:
        with following(fd, loop, ended):
            yield
    finally:
        os.close(fd)


def _watch_owner(program: Program, name: str) -> int:
    text = program.ask("container", "inspect", name).text
    modes, found = parse_network_modes(text), parse_inspected(text)
    for identity, status in found.items():
        if modes[identity] != "host" and status.pid:
            return _open_process(status.pid, identity)
    return -1


def find_owner(program: Program, engine_id: str) -> str:
    """The id of the container whose network the one with the id `engine_id` shares; empty if it has its own."""
    mode = parse_network_modes(program.ask("container", "inspect", engine_id).text).get(engine_id, "")
    return mode.removeprefix(_SHARED) if mode.startswith(_SHARED) else ""


def _open_process(pid: int, identity: str) -> int:
    """A descriptor of the container's process; -1 where a process of that number is none of it."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return -1
    if in_engine(lambda: identity)(pid):
        return fd
    os.close(fd)
    return -1
