"""Namespaces that a container of our own engine does not make itself: those of another, or a network with a way out."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError
from shipway.core.text import shown
from shipway.run.model import Network
from shipway.sandbox.control import MEMORY

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping

    from shipway.core.events import Emit
    from shipway.run.life.loop import Loop
    from shipway.run.life.model import Container
    from shipway.run.model import RunRequest

_CONTAINER = "container:"
_OTHERS = "use `--engine docker` or `--engine podman`"


def _shared(request: RunRequest) -> dict[str, str]:
    """Namespace -> the container that it is shared with."""
    asked = {"net": request.beside, "pid": request.pid_space, "ipc": request.ipc_space}
    found = {name: text.removeprefix(_CONTAINER) for name, text in asked.items() if text not in ("", "host")}
    return {name: text for name, text in found.items() if text}


@contextlib.contextmanager
def opened_spaces(
    request: RunRequest,
    *,
    state: str,
    folder: str,
    emit: Emit,
    on_lost: Callable[[str], None],
    loop: Loop | None = None,
) -> Iterator[tuple[RunRequest, Mapping[str, int]]]:
    """The request as it is to be run, and descriptors of the namespaces to join; what serves them lives as long as the block.

    `folder` is the container's own. `loop`: see `bridge.opened_bridge`. `on_lost`: gets the name of the container whose network
    is shared when that one ends first, in another thread where there is no loop.

    Raises:
        EngineError: a container is not there or cannot be joined, or there is no program for a network of its own.
    """
    shared = _shared(request)
    if shared:
        _require_network(request, shared)
        with _opened_container(request, shared, state, loop, on_lost) as joined:
            yield joined
    elif request.network is Network.BRIDGE:
        from shipway.run.network.bridge import opened_bridge  # noqa: PLC0415 - most containers have the host's network

        with opened_bridge(request, state=state, folder=folder, emit=emit, loop=loop) as opened:
            yield opened
    else:
        yield request, {}


def describe_shared_end(request: RunRequest) -> str:
    """Why a container ends by a hand that nobody sees: whose processes it shares has ended. Empty if it shares none."""
    name = _shared(request).get("pid", "")
    return f"`{shown(name)}`, whose processes it shares, has ended" if name else ""


def _require_network(request: RunRequest, shared: Mapping[str, str]) -> None:
    if request.network is Network.BRIDGE and "net" not in shared:
        name = shown(next(iter(shared.values())))
        raise EngineError(
            f"a container beside `{name}` cannot have a network with a way out that is its own",
            hints=(
                f"share the network too: `--network container:{name}`",
                "or use the host's: `--network host` without `-p`",
            ),
        )


@contextlib.contextmanager
def _opened_container(
    request: RunRequest,
    shared: Mapping[str, str],
    state: str,
    loop: Loop | None,
    on_lost: Callable[[str], None],
) -> Iterator[tuple[RunRequest, dict[str, int]]]:
    from shipway.run.life import client  # noqa: PLC0415 - as above

    names = sorted(set(shared.values()))
    if len(names) > 1:
        raise EngineError(
            f"a container can share with one other, not with {' and '.join(f'`{shown(name)}`' for name in names)}",
            hints=("name the same one for network, processes and shared memory", _OTHERS),
        )
    container = client.find_container(state, names[0])
    other = _stay_beside(container)
    try:
        fds = client.namespaces(container)
    except BaseException:
        _close(other)
        raise
    try:
        ours = {name for name in ("user", *shared) if _is_ours(name, fds[name])}
        wanted = {name: fds[name] for name in ("user", *shared) if name not in ours}
        if "ipc" in wanted:
            wanted[MEMORY] = fds[MEMORY]
        if "user" in ours and wanted:
            raise EngineError(
                f"`{shown(container.name)}` was started without a user namespace, so nothing can be put beside it",
                hints=(f"go into it: `shipway exec {container.name}`", _OTHERS),
            )
        follows = "net" in wanted and "pid" not in shared  # who shares processes ends with the other
        with _following(other if follows else None, loop, lambda: on_lost(container.name)):
            yield _as_there(request, container.folder, ours & set(shared)), wanted if len(wanted) > 1 else {}
    finally:
        _close(other)
        for fd in fds.values():
            os.close(fd)


def _stay_beside(container: Container) -> socket.socket | None:
    """A connection that ends with the other; None where its supervisor, of an older version, has none, or it does not run."""
    from shipway.run.life.supervised_life import stay_beside  # noqa: PLC0415 - few share anything

    with contextlib.suppress(EngineError):
        return stay_beside(container.folder)
    return None


def _close(connection: socket.socket | None) -> None:
    if connection is not None:
        connection.close()


@contextlib.contextmanager
def _following(other: socket.socket | None, loop: Loop | None, ended: Callable[[], None]) -> Iterator[None]:
    if other is None:
        yield
        return
    from shipway.run.life.beside import following  # noqa: PLC0415 - few share a network

    with following(other.fileno(), loop, ended):
        yield


def _as_there(request: RunRequest, folder: str, hosts: set[str]) -> RunRequest:
    """The request with the other container's name server, and with the host's namespaces where the other has those."""
    if "net" in hosts:
        request = request._replace(network=Network.HOST)
    elif request.beside:
        from shipway.run.network.bridge import read_record  # noqa: PLC0415 - as above
        from shipway.run.network.programs import NAME_SERVERS, with_name_server  # noqa: PLC0415

        record = read_record(folder)
        if record is not None:
            request = request._replace(files=with_name_server(request.files, NAME_SERVERS[record[0]]))
    return request._replace(
        pid_space="host" if "pid" in hosts else request.pid_space,
        ipc_space="host" if "ipc" in hosts else request.ipc_space,
    )


def _is_ours(name: str, fd: int) -> bool:
    """Whether it is our own, which cannot be entered again: so is the network of a container that has the host's."""
    return os.path.samestat(os.fstat(fd), os.stat(f"/proc/self/ns/{name}"))
