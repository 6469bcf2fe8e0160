"""Containers that are thrown away with the command that started them: listed and entered as long as they run.

The command that waits for one holds the lock beside its run folder, and answers there. It loads what answers only when somebody
asks, so that starting costs no more than a file and a socket.
"""

from __future__ import annotations

import _socket
import json
import os
import time
from typing import TYPE_CHECKING

from shipway.host.lock import is_locked
from shipway.run.places import runs_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.run.life.model import Container
    from shipway.run.model import Port, RunRequest
    from shipway.sandbox.launch import Running

_FILE = "container.json"


def announce(folder: str, request: RunRequest, engine: str) -> None:
    """Write down what runs in the run folder `folder`. The variables are not in it."""
    value = {
        "project": request.project,
        "name": request.name,
        "target": request.target,
        "engine": engine,
        "argv": request.argv,
        "tty": request.tty,
        "started": time.time(),
    }
    fd = os.open(f"{folder}/{_FILE}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, json.dumps(value).encode())
    finally:
        os.close(fd)


def open_door(folder: str) -> _socket.socket:
    """The socket at which others may ask for the run in `folder` (as `wire.listen`, without the cost of loading that)."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    made = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        made.bind(f"/proc/self/fd/{place}/control")
        made.listen(16)
    finally:
        os.close(place)
    return made


def doorkeeper(door: _socket.socket, request: RunRequest) -> Callable[[Running], None]:
    """What answers at `door`, from the first question to the end of the run."""

    def keep(running: Running) -> None:
        from shipway.run.life.doorkeeping import answer_until_end  # noqa: PLC0415 - most runs are never asked

        answer_until_end(door, request, running)

    return keep


def list_runs(state: str) -> tuple[Container, ...]:
    """Those that run now."""
    try:
        names = os.listdir(runs_folder(state))
    except FileNotFoundError:
        return ()
    found = [_read(runs_folder(state, name)) for name in sorted(names) if not name.endswith(".lock")]
    return tuple(one for one in found if one is not None)


def _read(folder: str) -> Container | None:
    from shipway.run.life.beside import find_lost  # noqa: PLC0415 - a run does not list
    from shipway.run.life.model import NETWORK, Container, Record, State, Status  # noqa: PLC0415 - a run does not list
    from shipway.run.model import Environment, Invocation, LifeOptions  # noqa: PLC0415

    try:
        with open(f"{folder}/{_FILE}", encoding="utf-8") as file:
            value = json.load(file)
        pid = int(os.path.basename(folder).partition("-")[0])
        environment = Environment(
            value["project"], value["name"], value["target"], lowers=(), keys=(), env=(), workdir="/"
        )
        started = float(value["started"])
        record = Record(
            id=os.path.basename(folder).rpartition("-")[2][:12],
            name=f"{value['name']}-{pid}",
            engine=value["engine"],
            environment=environment,
            asked=Invocation(argv=tuple(value["argv"]), tty=value["tty"]),
            options=LifeOptions(),
            made=started,
            lasting=False,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not is_locked(f"{folder}.lock"):
        return None
    ports: tuple[Port, ...] = ()
    if os.path.exists(f"{folder}/{NETWORK}"):
        from shipway.run.network.bridge import read_record  # noqa: PLC0415 - most runs have the host's network

        network = read_record(folder)
        ports = network[1] if network else ()
    lost = find_lost(folder)
    return Container(
        record, Status(State.RUNNING, pid=pid, started=started, ports=ports, lost_network=lost), folder
    )
