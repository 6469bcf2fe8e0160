"""`jupyter` and `tensorboard`: a tool with a page, as a service in the project's container, found again by the next call."""

from __future__ import annotations

import json
import os
import secrets
import time
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError
from shipway.core.text import shown
from shipway.host.answers import ask_local
from shipway.host.dirs import state_dir
from shipway.host.files import write_atomic
from shipway.run.combined import choose_network
from shipway.run.life import client
from shipway.run.life.log_write import log_file
from shipway.run.model import Network
from shipway.run.ports import held_port
from shipway.run.ssh_config import server_words
from shipway.verbs.lasting import require_engine_of
from shipway.verbs.side_layers import Layer, find_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shipway.run.life.model import Container
    from shipway.verbs.context import Task

_PATIENCE = 60.0
"""Seconds until a page must answer."""
_POLL = 0.1


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
    found: bool
    """It ran before."""
    log: str


def run_page(kind: Kind, container: Container, words: Sequence[str], task: Task) -> Page:
    """Have the tool run in the container, with more `words` for it where it is started now.

    Raises:
        ToolError: it could not be had or started, or does not answer.
    """
    require_engine_of(container)
    _require_host_network(container)
    record = os.path.join(container.folder, f"{kind.name}.json")
    running = any(one.name == kind.name and not one.ended for one in client.list_services(container))
    known = _read(record)
    if running and known is not None and _answers(kind, *known):
        return _page(kind, container, *known, found=True)
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
    return _page(kind, container, port, token, found=False)


def _require_host_network(container: Container) -> None:
    network = choose_network(container.record.asked, container.environment.options).network
    if network is not Network.HOST:
        raise EngineError(
            f"`{container.name}` has {'no network' if network is Network.NONE else 'a network of its own'}, so a page in it "
            "is not at this machine's loopback address",
            hints=(
                f"forward a port by ssh: `shipway ssh --install {container.name}`, then `ssh -L`",
                "or let it see the host's network: `--network host`",
            ),
        )


def _await(kind: Kind, container: Container, port: int, token: str) -> None:
    """Wait until it answers.

    Raises:
        EngineError: it ended, or does not answer in time.
    """
    until = time.monotonic() + _PATIENCE
    while not _answers(kind, port, token):
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


def _answers(kind: Kind, port: int, token: str) -> bool:
    path, headers = kind.asked(token)
    return ask_local(port, path, headers) == 200  # noqa: PLR2004 - OK, which nobody gets without the token


def _page(kind: Kind, container: Container, port: int, token: str, *, found: bool) -> Page:
    server = " ".join(server_words(os.environ, os.uname().nodename))
    return Page(
        container,
        kind.name,
        port,
        f"http://127.0.0.1:{port}{kind.path(token)}",
        f"ssh -N -L {port}:127.0.0.1:{port} {server}",
        found,
        log_file(container.folder, kind.name),
    )


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
