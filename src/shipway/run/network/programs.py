"""Command lines, requests and words of `pasta` and `slirp4netns` (pure).

Formats: pasta(1) of 2023-03 and later, slirp4netns(1) 1.2 and the JSON of its API socket.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from shipway.run.model import HostFile
from shipway.run.network.ports import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shipway.run.model import Port

PASTA, SLIRP = "pasta", "slirp4netns"
NAME_SERVERS = {PASTA: "169.254.1.1", SLIRP: "10.0.2.3"}
"""Where each answers for the host's name servers."""

GUARD_NAME = "shipway-net"
"""What the guard's process is called (comm in proc(5), 15 bytes at most)."""

_DATE = re.compile(r"(20\d\d)_?(\d\d)_?(\d\d)", re.ASCII)
_REWORKED = 20240726
"""The version of pasta in which its ways of passing on were made anew."""


class Bridge(NamedTuple):
    """What serves a network."""

    program: str
    """`PASTA` or `SLIRP`."""
    path: str


def read_version(text: str) -> int:
    """The date of a pasta, as a number such as 20240726, in what `--version` prints; 0 where it does not say (Debian 12)."""
    match = _DATE.search(text)
    return int("".join(match.groups())) if match else 0


def find_obstacle(program: str, version: int, port: Port) -> str:
    """Why a program cannot show a port, or empty. Measured with pasta of 2023-03 and slirp4netns 1.2."""
    if port.protocol == "tcp" or not is_loopback(port.address):
        return ""
    if program == SLIRP:
        return "`slirp4netns` answers no UDP of this machine's own loopback"
    if version >= _REWORKED or port.host == port.container:
        return ""
    return "`pasta` before 2024-07 shows UDP ports of loopback by the same number only"


def find_doubt(program: str, version: int, port: Port) -> str:
    """What will not work at a port that a program can show, or empty; measured as above."""
    if program == SLIRP or version >= _REWORKED or port.protocol == "udp" or is_loopback(port.address):
        return ""
    return (
        f"at port {port.host} of {port.address}, `pasta` before 2024-07 passes on what a server says only after its client has "
        "spoken; `slirp4netns` would be taken if it were installed"
    )


def order_programs(*, routed: bool) -> tuple[str, ...]:
    """Which is taken first. Pasta copies the host's addresses and routes, so it refuses a host that has none (before 2024-11)."""
    return (PASTA, SLIRP) if routed else (SLIRP, PASTA)


def has_default_route(ipv4: str, ipv6: str) -> bool:
    """Whether /proc/net/route and /proc/net/ipv6_route have a way out (proc_pid_net(5))."""
    lines = (line.split() for line in ipv4.splitlines()[1:])
    others = (line.split() for line in ipv6.splitlines())
    return any(fields[1] == "00000000" for fields in lines if len(fields) > 1) or any(
        fields[1] == "00" and set(fields[0]) == {"0"} and fields[-1] != "lo" for fields in others if fields
    )


def render_pasta(
    path: str, ports: Sequence[Port], fds: Mapping[str, int], *, folder: str, root: bool
) -> list[str]:
    """Without `--foreground` it ends its first process when the network works; `FOLDER/pid` names the one that stays."""
    forwarded: list[str] = []
    for protocol, option in (("tcp", "-t"), ("udp", "-u")):
        mine = [port for port in ports if port.protocol == protocol]
        for port in mine:
            forwarded += [option, f"{port.address}/{port.host}:{port.container}"]
        forwarded += [] if mine else [option, "none"]
    user, net = (f"/proc/self/fd/{fds[name]}" for name in ("user", "net"))
    return [
        path, "--quiet", "--config-net", "--no-map-gw", *(["--runas", "0:0"] if root else []), "--pid", f"{folder}/pid",
        *forwarded,
        "-T", "none", "-U", "none", "--dns-forward", NAME_SERVERS[PASTA], "--userns", user, "--netns", net,
    ]  # fmt: skip


def render_slirp(path: str, fds: Mapping[str, int], *, folder: str, ready: int) -> list[str]:
    """It stays where it is started, and writes to `ready` when the network works; ports are asked for at `FOLDER/api`."""
    user, net = (f"/proc/self/fd/{fds[name]}" for name in ("user", "net"))
    return [
        path, "--configure", "--mtu=65520", "--disable-host-loopback", "--enable-ipv6", f"--ready-fd={ready}",
        f"--api-socket={folder}/api", f"--userns-path={user}", "--netns-type=path", net, "tap0",
    ]  # fmt: skip


def render_forward(port: Port) -> bytes:
    """What slirp4netns is asked to show one port."""
    arguments = {
        "proto": port.protocol,
        "host_addr": port.address,
        "host_port": port.host,
        "guest_port": port.container,
    }
    return json.dumps({"execute": "add_hostfwd", "arguments": arguments}).encode()


def with_name_server(files: Sequence[HostFile], server: str) -> tuple[HostFile, ...]:
    """The program's own name server in resolv.conf: one of the host's on loopback cannot be reached from inside."""
    return tuple(
        HostFile(file.path, _resolv_conf(file.data, server), file.mode)
        if file.path == "etc/resolv.conf"
        else file
        for file in files
    )


def _resolv_conf(data: bytes, server: str) -> bytes:
    lines = data.decode("utf-8", "replace").splitlines()
    kept = [line for line in lines if line.split()[:1] != ["nameserver"]]
    return ("\n".join([f"nameserver {server}", *kept]) + "\n").encode()


def own_words(text: str) -> str:
    """What a program said of its trouble, without what it says of a system log that does not listen."""
    return "\n".join(line for line in text.splitlines() if "to syslog" not in line)[-2000:]
