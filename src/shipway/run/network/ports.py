"""Ports of this machine: a free one that stays the same for a project and a tool, and who listens at one.

A port is chosen from numbers that neither belong to the system nor are handed out by the kernel, in an order that depends on
the user, the project and the tool only. It is free when nobody listens there and no other start holds its lock.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import socket
import sys
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError
from shipway.host.files import make_directory
from shipway.host.lock import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
_LOWEST, _HIGHEST = 10000, 65535
_USUAL_EPHEMERAL = (32768, 60999)
_MOST_TRIES = 500
_STRIDES = (7919, 7907, 7901)
"""Primes, of which one divides the size of no range; so every number comes once."""
_LISTENS, _UNCONNECTED = "0A", "07"
"""TCP_LISTEN and TCP_CLOSE as proc_pid_net(5) writes them; the latter is a bound UDP socket."""


class Listener(NamedTuple):
    """Who listens at a port."""

    protocol: str
    """`tcp` or `udp`."""
    address: str
    port: int
    uid: int
    pid: int = 0
    """0: not to be seen by the caller."""
    program: str = ""

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return is_loopback(self.address)


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    return address.startswith("127.") or address in ("::1", "::ffff:127.0.0.1")


def candidate_ports(seed: str, ephemeral: tuple[int, int]) -> Iterator[int]:
    """Every port that may be chosen, once, in the order of `seed`; `ephemeral` are those that the kernel hands out (pure)."""
    numbers = [*range(_LOWEST, ephemeral[0]), *range(ephemeral[1] + 1, _HIGHEST + 1)]
    numbers = numbers or list(range(_LOWEST, _HIGHEST + 1))
    stride = next(prime for prime in _STRIDES if len(numbers) % prime)
    at = int.from_bytes(hashlib.sha256(seed.encode("utf-8", "surrogateescape")).digest()[:8], "big")
    for turn in range(len(numbers)):
        yield numbers[(at + turn * stride) % len(numbers)]


def seed_of(uid: int, project: str, tool: str) -> str:
    """What the order of candidates depends on."""
    return f"{uid}\n{project}\n{tool}"


def read_ephemeral(path: str = "/proc/sys/net/ipv4/ip_local_port_range") -> tuple[int, int]:
    """The first and the last port that the kernel hands out by itself."""
    try:
        with open(path, encoding="ascii") as file:
            low, high = file.read().split()
        return int(low), int(high)
    except (OSError, ValueError):
        return _USUAL_EPHEMERAL


@contextlib.contextmanager
def held_port(
    state: str, *, project: str, tool: str, address: str = LOOPBACK, protocol: str = "tcp"
) -> Iterator[int]:
    """A free port for `tool` of `project`, which no other start of ours gets before the block ends.

    The block should last until something listens there. `state` is the state folder.

    Raises:
        EngineError: none is free.
    """
    folder = f"{state}/ports"
    make_directory(folder, 0o700)
    for tried, port in enumerate(candidate_ports(seed_of(os.getuid(), project, tool), read_ephemeral())):
        if tried >= _MOST_TRIES:
            break
        lock = FileLock(f"{folder}/{port}.{protocol}", remove=True)
        if not lock.try_acquire():
            continue
        try:
            if probe_port(port, address, protocol):
                continue
            yield port
            return
        finally:
            lock.release()
    raise EngineError(
        f"none of {_MOST_TRIES} ports of {address} is free",
        hints=("`ss -lptn` shows who listens", "name one: `-p HOST:CONTAINER`"),
    )


def probe_port(port: int, address: str = LOOPBACK, protocol: str = "tcp") -> int:
    """Whether it can be bound now: 0, or the kernel's error number."""
    try:
        bound_socket(port, address, protocol).close()
    except OSError as problem:
        return problem.errno or errno.EADDRINUSE
    return 0


def bound_socket(port: int, address: str, protocol: str) -> socket.socket:
    """A socket that has the port. Raises `OSError` if it cannot be had."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    try:
        if protocol == "tcp":  # connections that are over do not count; of UDP it would let two have one port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
    except BaseException:
        made.close()
        raise
    return made


def find_listeners(
    port: int, protocol: str = "tcp", *, network: str = "self", proc: str = "/proc"
) -> tuple[Listener, ...]:
    """Who listens at `port` (0: at any) in the network of process `network`, with process where the caller may see it."""
    found: dict[Listener, str] = {}
    for name in (protocol, f"{protocol}6"):
        with contextlib.suppress(OSError), open(f"{proc}/{network}/net/{name}", encoding="ascii") as file:
            found |= dict(parse_listeners(file.read(), protocol, port))
    owners = _find_owners(set(found.values()), proc) if found else {}
    return tuple(
        one._replace(pid=owners[inode][0], program=owners[inode][1]) if inode in owners else one
        for one, inode in found.items()
    )


def parse_listeners(text: str, protocol: str, port: int) -> Iterator[tuple[Listener, str]]:
    """Listeners at `port` (0: at any) with the inodes of their sockets, from a table of proc_pid_net(5) (pure)."""
    state = _LISTENS if protocol == "tcp" else _UNCONNECTED
    for line in text.splitlines()[1:]:
        fields = line.split()
        address, _, number = fields[1].partition(":")
        if port in (0, int(number, 16)) and fields[3] == state:
            yield Listener(protocol, _parse_address(address), int(number, 16), int(fields[7])), fields[9]


def _parse_address(text: str) -> str:
    """Words of 32 bits in the machine's order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    raw = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)  # noqa: PLR2004 - bytes of IPv4


def _find_owners(inodes: set[str], proc: str) -> dict[str, tuple[int, str]]:
    """Process and program that have the sockets open, by inode."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[str, tuple[int, str]] = {}
    for pid in filter(str.isdigit, os.listdir(proc)):
        for link in _list_links(f"{proc}/{pid}/fd"):
            if link in wanted:
                found[wanted[link]] = (int(pid), _read_name(f"{proc}/{pid}/comm"))
        if len(found) == len(inodes):
            break
    return found


def _list_links(folder: str) -> Iterator[str]:
    """What a process has open; nothing where the caller may not look."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                yield os.readlink(f"{folder}/{name}")


def _read_name(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "?"


def describe_listener(listener: Listener) -> str:
    """`nginx (process 812)`, or whose it is where the process cannot be seen."""
    if listener.pid:
        return f"`{listener.program}` (process {listener.pid})"
    return f"a program of user {listener.uid}"


def render_firewall_rules(port: int, protocol: str = "tcp") -> tuple[str, ...]:
    """Lines that let others reach a port, for an administrator to decide on and to type (ufw(8), nft(8))."""
    return (
        f"sudo ufw allow {port}/{protocol}",
        f"sudo nft add rule inet filter input {protocol} dport {port} accept",
    )
