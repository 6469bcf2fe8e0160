"""Namespaces that a container of our own engine does not make itself: those of another, or a network with a way out."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from shipway.core.errors import EngineError
from shipway.core.text import shown
from shipway.run.model import Network

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shipway.core.events import Emit
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
    request: RunRequest, *, state: str, folder: str, emit: Emit
) -> Iterator[tuple[RunRequest, Mapping[str, int]]]:
    """The request as it is to be run, and descriptors of the namespaces to join; what serves them lives as long as the block.

    `folder` is the container's own.

    Raises:
        EngineError: a container is not there or cannot be joined, or there is no program for a network of its own.
    """
    shared = _shared(request)
    if shared:
        with _opened_container(shared, state) as fds:
            yield request, fds
    elif request.network is Network.BRIDGE:
        from shipway.run.bridge import opened_bridge  # noqa: PLC0415 - most containers have the host's network

        with opened_bridge(request, state=state, folder=folder, emit=emit) as opened:
            yield opened
    else:
        yield request, {}


@contextlib.contextmanager
def _opened_container(shared: Mapping[str, str], state: str) -> Iterator[dict[str, int]]:
    from shipway.run.life import client  # noqa: PLC0415 - as above

    names = sorted(set(shared.values()))
    if len(names) > 1:
        raise EngineError(
            f"A container can share with one other, not with {' and '.join(f'`{shown(name)}`' for name in names)}",
            hints=("name the same one for network, processes and shared memory", _OTHERS),
        )
    container = client.find_container(state, names[0])
    fds = client.namespaces(container)
    try:
        wanted = {
            name: fd for name, fd in fds.items() if name in ("user", *shared) and not _is_ours(name, fd)
        }
        yield wanted if len(wanted) > 1 else {}
    finally:
        for fd in fds.values():
            os.close(fd)


def _is_ours(name: str, fd: int) -> bool:
    """Whether it is our own, which cannot be entered again: so is the network of a container that has the host's."""
    return os.path.samestat(os.fstat(fd), os.stat(f"/proc/self/ns/{name}"))
