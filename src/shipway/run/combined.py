"""What the command line and the spec's `[run]` say together, and whether that makes sense (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import ExitCode, ToolError
from shipway.core.text import shown
from shipway.core.units import render_size
from shipway.run.model import Limits, Network

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipway.run.model import Invocation, Mount, Port, RunOptions, TmpfsMount

RESERVED = ("/proc", "/sys", "/dev")
_NO_LIMITS = Limits()


class Net(NamedTuple):
    """The network of a container."""

    network: Network
    ports: tuple[Port, ...]
    notes: tuple[str, ...] = ()


def combine_limits(asked: Limits, spec: Limits) -> Limits:
    """Those asked for, and the spec's where nothing was asked for.

    Raises:
        ToolError: they contradict each other.
    """
    if asked == _NO_LIMITS and spec == _NO_LIMITS:
        return asked
    said = {name: value for name, value in asked._asdict().items() if value not in (None, "")}
    merged = spec._replace(**said)
    if asked.memory is not None and asked.memory_swap is None:
        merged = merged._replace(memory_swap=None)  # the spec's sum was made for the spec's memory
    _require_sense(merged)
    return merged


def _require_sense(limits: Limits) -> None:
    swap, memory = limits.memory_swap, limits.memory
    if swap is None:
        return
    if memory is None:
        raise _wrong(
            "`--memory-swap` is the sum of memory and swap, and there is no limit of memory",
            "say how much of it is memory: `--memory 4g --memory-swap 6g` allows 2g of swap",
        )
    if 0 <= swap < memory:
        raise _wrong(
            f"`--memory-swap` is the sum of memory and swap, so {render_size(swap)} cannot hold {render_size(memory)} of memory",
            f"the same number, {render_size(memory)}, means no swap, and -1 all the swap there is",
        )


def describe_memory(limits: Limits) -> str:
    """The limit of memory in words; `limits.memory` is set."""
    memory, swap = limits.memory or 0, limits.memory_swap
    if swap == -1:
        allowance = "all the swap there is"
    elif swap is None or swap == memory:
        allowance = "no swap"
    else:
        allowance = f"{render_size(swap - memory)} of swap"
    return f"memory {render_size(memory)} and {allowance}"


def choose_network(asked: Invocation, options: RunOptions) -> Net:
    """What the container sees of the network. Ports that are shown mean a network of its own, unless somebody says which.

    Raises:
        ToolError: ports, and a network that has none.
    """
    ports = (*options.ports, *asked.ports)
    if asked.beside:
        if ports:
            raise _wrong(
                f"the network is that of `{shown(asked.beside)}`, so ports are shown there",
                "leave `--publish` out, and give it to that container",
            )
        return Net(Network.BRIDGE, ())
    said = asked.network or (options.network if options.network is not Network.HOST else None)
    if not ports:
        return Net(said or Network.HOST, ())
    if said is Network.NONE:
        raise _wrong(
            "a container without a network has no ports", "leave `--publish` out, or `--network none`"
        )
    if said is not Network.HOST:
        return Net(Network.BRIDGE, _without_doubles(ports))
    for port in ports:
        if port.host not in (0, port.container):
            raise _wrong(
                f"with `--network host` the container's port {port.container} is the machine's, and cannot be {port.host}",
                f"map it: `--network bridge -p {port.host}:{port.container}`",
                f"or leave it as it is: port {port.container} of this machine",
            )
    listed = ", ".join(str(port.container) for port in ports)
    note = f"with `--network host` every port of the container is this machine's own, so `--publish` does nothing for {listed}"
    return Net(Network.HOST, (), (note,))


def _without_doubles(ports: Iterable[Port]) -> tuple[Port, ...]:
    taken: dict[tuple[str, int, str], Port] = {}
    found: dict[Port, None] = {}
    for port in ports:
        key = (port.address, port.host, port.protocol)
        other = taken.setdefault(key, port)
        if port.host and other != port:
            raise _wrong(
                f"port {port.host} of this machine cannot be both {other.container} and {port.container} inside",
                "choose two numbers",
            )
        found[port] = None
    return tuple(found)


def require_place(target: str, hint: str = "choose a place of its own, such as `/data`") -> None:
    """Make sure that something may be mounted at `target`, which is normal.

    Raises:
        ToolError: it belongs to the system.
    """
    if target == "/" or any(target == place or target.startswith(place + "/") for place in RESERVED):
        raise _wrong(f"nothing can be mounted at `{shown(target)}`", hint)


def combine_tmpfs(
    asked: tuple[TmpfsMount, ...], spec: tuple[TmpfsMount, ...], mounts: tuple[Mount, ...]
) -> tuple[TmpfsMount, ...]:
    """Folders in memory, parents first; a later one at the same place counts.

    Raises:
        ToolError: one is where something else is mounted, or the system's.
    """
    by_target = {one.target: one for one in (*spec, *asked)}
    mounted = {mount.target for mount in mounts}
    for target in by_target:
        require_place(target, "choose another place, such as `/scratch`; `--shm-size` is for shared memory")
        if target in mounted:
            raise _wrong(
                f"`{shown(target)}` cannot be both in memory and mounted", "leave one of the two out"
            )
    return tuple(sorted(by_target.values(), key=lambda one: (one.target.count("/"), one.target)))


def find_near_misses(mounts: Iterable[Mount], cwd: str) -> tuple[str, ...]:
    """Mounts at a place that differs from the working directory by one character: mostly a slip."""
    found = []
    for mount in mounts:
        depth = mount.target.count("/")
        part = "/".join(cwd.split("/")[: depth + 1])
        if is_one_off(mount.target, part):
            found.append(
                f"the mount is at `{shown(mount.target)}`, and commands start in `{shown(cwd)}`, one character beside it"
            )
    return tuple(found)


def is_one_off(one: str, other: str) -> bool:
    """Whether one character was changed, added, left out, or changed places with the next."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    short, long = sorted((one, other), key=len)
    at = next((index for index, char in enumerate(short) if char != long[index]), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    swapped = short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
    return short[at + 1 :] == long[at + 1 :] or swapped


def _wrong(message: str, *hints: str) -> ToolError:
    return ToolError(message, hints=hints, code=ExitCode.USAGE)
