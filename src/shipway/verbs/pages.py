"""`jupyter` and `tensorboard`: a tool with a page, as a service in the project's container, found again by the next call."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import time
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError
from shipway.core.text import shown
from shipway.host.answers import ask_local
from shipway.host.dirs import state_dir
from shipway.host.files import write_atomic
from shipway.host.lock import FileLock
from shipway.run.combined import choose_network
from shipway.run.life import client
from shipway.run.life.log_write import log_file
from shipway.run.model import Network
from shipway.run.network.ports import held_port
from shipway.verbs.lasting import require_engine_of
from shipway.verbs.side_layers import Layer, find_layer
from shipway.verbs.ssh import server_here, write_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shipway.run.life.model import Container
    from shipway.verbs.context import Task
    from shipway.verbs.ssh import Entry

_PATIENCE = 60.0
"""Seconds until a page must answer."""
_SIDE_BY_SIDE = 600.0
"""Seconds to wait for another call that starts the same page."""
_POLL = 0.1
_ASK = """import http.client, json, sys
asked = json.load(sys.stdin)
link = http.client.HTTPConnection("127.0.0.1", asked["port"], timeout=2)
link.request("GET", asked["path"], headers=asked["headers"])
sys.exit(link.getresponse().status != 200)"""
"""The question where only the container's own programs are heard. The token comes by the input, which nobody else reads."""


class Kind(NamedTuple):
    """One tool with a page."""

    name: str
    module: str
    packages: tuple[str, ...]
    start: Callable[[Layer, _Place], _Start]
    path: Callable[[str], str]
    """The page's path with the token."""
    asked: Callable[[str], tuple[str, dict[str, str]]]
    """Path and headers of the question whether it answers."""


class _Place(NamedTuple):
    port: int
    token: str
    words: tuple[str, ...]
    workdir: str


class _Start(NamedTuple):
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]


class Page(NamedTuple):
    """A page that answers."""

    container: Container
    tool: str
    port: int
    url: str
    """With the token."""
    tunnel: str
    """The command for the user's own computer, after which `url` works there."""
    here: str
    """The command for this machine, where `url` needs one too; else empty."""
    found: bool
    """It ran before."""
    log: str


def run_page(kind: Kind, container: Container, words: Sequence[str], task: Task) -> Page:
    """Have the tool run in the container, with more `words` for it where it is started now.

    A container that does not see the host's network serves the page on a loopback address of its own. The way there is the
    container's entry as a host of ssh.

    Raises:
        ToolError: it could not be had or started, or does not answer.
    """
    require_engine_of(container)
    with FileLock(os.path.join(container.folder, f"{kind.name}.lock"), timeout=_SIDE_BY_SIDE):
        return _run_page(kind, container, words, task)


def _run_page(kind: Kind, container: Container, words: Sequence[str], task: Task) -> Page:
    entry = None if _sees_host(container) else write_entry(container, task)
    record = os.path.join(container.folder, f"{kind.name}.json")
    running = any(one.name == kind.name and not one.ended for one in client.list_services(container))
    known = _read(record)
    if running and known is not None and _answers(kind, container, *known):
        return _page(kind, container, *known, entry, found=True)
    if running:
        client.stop_service(container, kind.name)
    layer = find_layer(container, kind.name, kind.module, kind.packages, task)
    token = known[1] if known else secrets.token_hex(24)
    with held_port(state_dir(), project=container.project, tool=kind.name) as port:
        place = _Place(port, token, tuple(words), container.environment.workdir)
        write_atomic(record, json.dumps({"port": port, "token": token}).encode(), 0o600)
        start = kind.start(layer, place)
        client.start_service(container, kind.name, start.argv, env=start.env, cwd=place.workdir)
        _await(kind, container, port, token)
    return _page(kind, container, port, token, entry, found=False)


def _sees_host(container: Container) -> bool:
    return choose_network(container.record.asked, container.environment.options).network is Network.HOST


def _await(kind: Kind, container: Container, port: int, token: str) -> None:
    """Wait until it answers.

    Raises:
        EngineError: it ended, or does not answer in time.
    """
    until = time.monotonic() + _PATIENCE
    while not _answers(kind, container, port, token):
        ended = next(
            (one for one in client.list_services(container) if one.name == kind.name and one.ended), None
        )
        if ended is not None or time.monotonic() > until:
            said = _last_lines(container, kind.name)
            raise EngineError(
                f"`{kind.name}` in `{container.name}` "
                + (f"ended with {ended.code}" if ended else "does not answer"),
                hints=(*said, f"all that it wrote: `shipway logs {container.name}/{kind.name}`"),
            )
        time.sleep(_POLL)


def _last_lines(container: Container, name: str) -> tuple[str, ...]:
    from shipway.run.life.log_read import Wanted, read_log

    pieces = read_log(container.folder, name, Wanted(3, 0.0, 0.0))
    text = b"".join(piece.data for piece in pieces).decode("utf-8", "replace")
    return tuple(shown(line) for line in text.splitlines()[-3:])


def _answers(kind: Kind, container: Container, port: int, token: str) -> bool:
    path, headers = kind.asked(token)
    if _sees_host(container):
        return ask_local(port, path, headers) == 200  # noqa: PLR2004 - OK, which nobody gets without the token
    asked = json.dumps({"port": port, "path": path, "headers": headers})
    return client.exec_captured(container, ("python", "-c", _ASK), data=asked.encode()).code == 0


def _page(
    kind: Kind, container: Container, port: int, token: str, entry: Entry | None, *, found: bool
) -> Page:
    here, tunnel = render_tunnels(port, server_here(), entry)
    return Page(
        container=container,
        tool=kind.name,
        port=port,
        url=f"http://127.0.0.1:{port}{kind.path(token)}",
        tunnel=tunnel,
        here=here,
        found=found,
        log=log_file(container.folder, kind.name),
    )


def render_tunnels(port: int, server: Sequence[str], entry: Entry | None) -> tuple[str, str]:
    """The commands for this machine, and for one that reaches it by the words `server` behind `ssh` (pure).

    With `entry` the port is one in the container; the second tunnel then ends with the first, by its terminal.
    """
    there = ("-L", f"{port}:127.0.0.1:{port}")
    if entry is None:
        return "", shlex.join(("ssh", "-N", *there, *server))
    here = shlex.join(("ssh", "-N", "-F", entry.config, *there, entry.host))
    return here, shlex.join(("ssh", "-t", *there, *server, here))


def _read(record: str) -> tuple[int, str] | None:
    try:
        with open(record, encoding="utf-8") as file:
            found = json.load(file)
        return int(found["port"]), str(found["token"])
    except (OSError, ValueError, KeyError):
        return None


def _start_jupyter(layer: Layer, place: _Place) -> _Start:
    """The token comes by a variable; the side layer's pages, settings and kernel by three more."""
    argv = layer.argv(
        "jupyterlab",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={place.port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={place.workdir}",
        "--ServerApp.allow_root=True",
        *place.words,
    )
    env = [("JUPYTER_TOKEN", place.token)]
    if layer.folder:
        env += [
            ("JUPYTERLAB_DIR", f"{layer.folder}/share/jupyter/lab"),
            ("JUPYTER_PATH", f"{layer.folder}/share/jupyter"),
            ("JUPYTER_CONFIG_PATH", f"{layer.folder}/etc/jupyter"),
        ]
    return _Start(argv, tuple(env))


def _start_tensorboard(layer: Layer, place: _Place) -> _Start:
    """It knows no tokens, so all of it is below a path that nobody guesses; that comes by a variable.

    Fast loading would start a second server, which is open to every user of this machine.
    """
    said = any(word.startswith("--logdir") for word in place.words)
    logdir = () if said else ("--logdir", "runs")
    argv = layer.argv(
        "tensorboard.main",
        "--host=127.0.0.1",
        f"--port={place.port}",
        "--load_fast=false",
        *logdir,
        *place.words,
    )
    return _Start(argv, (("TOOL_ARGUMENT_OF_PAGE", f"--path_prefix=/{place.token}"),))


JUPYTER = Kind(
    "jupyter",
    "jupyterlab",
    ("jupyterlab", "ipykernel"),
    _start_jupyter,
    lambda token: f"/lab?token={token}",
    lambda token: ("/api/status", {"Authorization": f"token {token}"}),
)
TENSORBOARD = Kind(
    "tensorboard",
    "tensorboard",
    ("tensorboard", "setuptools<81"),
    _start_tensorboard,
    lambda token: f"/{token}/",
    lambda token: (f"/{token}/data/environment", {}),
)
