"""The caller's screen for one container: its X or Wayland socket, and the right to just that display."""

from __future__ import annotations

import os
import re
import socket
import stat
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError, ExitCode, ToolError
from shipway.core.text import shown
from shipway.run.model import HostFile, Mount, Network
from shipway.run.xauthority import find_cookie, for_any_host, parse_xauthority, render_xauthority

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipway.run.model import RunRequest

SOCKETS = "/tmp/.X11-unix"  # noqa: S108 - where X servers listen, on the host and inside
AUTHORITY = "etc/shipway-xauthority"
"""Relative to the root inside."""
_DISPLAY = re.compile(r"(?P<host>[^:/]*|\[[0-9a-fA-F:]+\]):(?P<number>\d{1,5})(?P<screen>\.\d+)?\Z", re.ASCII)
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_X_BASE = 6000
"""The port of display 0."""


class Display(NamedTuple):
    """What a container gets of the caller's screen."""

    env: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Mount, ...] = ()
    files: tuple[HostFile, ...] = ()
    notes: tuple[str, ...] = ()
    title: str = ""
    over_network: bool = False
    """The server is reached through the network, as with `ssh -X`."""


def with_display(
    request: RunRequest, environ: Mapping[str, str], given: Mapping[str, str], *, asked: bool = True
) -> RunRequest:
    """The same with the caller's screen. `environ`: the caller's variables. `given`: those of the command line, which win.

    `asked`: for this run, not by the spec, which means a screen only where there is one.

    Raises:
        ToolError: there is no screen, it cannot be used, or not together with something else that is asked for.
    """
    if request.user:
        raise ToolError(
            f"`--display` gives the right to the screen to you alone, and not to the user `{shown(request.user)}`",
            hints=("leave `--user` out, or `--display`",),
            code=ExitCode.USAGE,
        )
    if any(one.target == "/tmp" for one in request.tmpfs):  # noqa: S108 - inside
        raise ToolError(
            "the sockets of a screen lie below `/tmp`, which `--tmpfs /tmp` makes anew",
            hints=("leave `--tmpfs /tmp` out: `/tmp` is empty at every start of a container without a name",),
            code=ExitCode.USAGE,
        )
    runtime = f"/tmp/runtime-{request.account.uid}"  # noqa: S108 - inside
    x11, wayland = read_x11(environ), read_wayland(environ, runtime)
    parts = [part for part in (x11, wayland) if part is not None]
    if not parts and not asked:
        note = "there is no screen here (neither `DISPLAY` nor `WAYLAND_DISPLAY` is set), so `[run] display` is without effect"
        return request._replace(notes=(*request.notes, note))
    if not parts:
        raise _no_display(environ)
    if x11 is not None and x11.over_network and (request.network is not Network.HOST or request.beside):
        raise _not_reached(environ["DISPLAY"], request)
    settings = dict(request.env) | {pair[0]: pair[1] for part in parts for pair in part.env} | dict(given)
    mounts = (*request.mounts, *(mount for part in parts for mount in part.mounts))
    return request._replace(
        env=tuple(sorted(settings.items())),
        mounts=tuple(sorted(mounts, key=lambda mount: (mount.target.count("/"), mount.target))),
        files=tuple(sorted((*request.files, *(file for part in parts for file in part.files)))),
        notes=(*request.notes, *(note for part in parts for note in part.notes)),
        display=" and ".join(part.title for part in parts),
    )


def read_x11(environ: Mapping[str, str]) -> Display | None:
    """The X display that the caller's variables name; None if they name none.

    Raises:
        ToolError: it is not there, or the file with the right to it cannot be read.
    """
    text = environ.get("DISPLAY", "")
    if not text:
        return None
    found = _DISPLAY.match(text)
    if found is None:
        raise _wrong(f"`DISPLAY` has a form that is not known: `{shown(text)}`", "it is `:0`, or `HOST:10.0`")
    host, number, screen = found["host"], found["number"], found["screen"] or ""
    local = host in ("", "unix")
    mounts = (_x_socket(number),) if local else ()
    shown_as = f":{number}{screen}" if local else text
    env = (("DISPLAY", shown_as), ("QT_X11_NO_MITSHM", "1"))
    title = f"X display {shown_as}"
    data = _read_authority(environ)
    try:
        entries = parse_xauthority(data)
    except ValueError as problem:
        path = shown(authority_path(environ))
        raise _wrong(f"`{path}` is no Xauthority file: {problem}", f"`xauth -f {path} list`") from problem
    addresses = () if local or host in _LOOPBACK else _addresses(host, number)
    cookie = find_cookie(entries, number, host=os.uname().nodename, addresses=addresses)
    if cookie is None:
        note = (
            f"`{shown(authority_path(environ))}` holds no cookie for display `{shown(text)}`, so the server may refuse "
            "the container: `xauth list` says what there is"
        )
        return Display(env, mounts, notes=(note,), title=title, over_network=not local)
    file = HostFile(AUTHORITY, render_xauthority((for_any_host(cookie, number),)), 0o600)
    return Display(
        (*env, ("XAUTHORITY", "/" + AUTHORITY)), mounts, (file,), title=title, over_network=not local
    )


def read_wayland(environ: Mapping[str, str], runtime: str) -> Display | None:
    """The Wayland display that the caller's variables name, below `runtime` inside; None if they name none.

    Raises:
        ToolError: its socket is not there.
    """
    name = environ.get("WAYLAND_DISPLAY", "")
    if not name:
        return None
    folder = environ.get("XDG_RUNTIME_DIR", "")
    if not name.startswith("/") and not folder:
        raise _wrong(
            f"`WAYLAND_DISPLAY` is `{shown(name)}`, and `XDG_RUNTIME_DIR`, where its socket lies, is not set",
            'set it as your session does: `export XDG_RUNTIME_DIR="/run/user/$(id -u)"`',
            "or leave Wayland out: `env -u WAYLAND_DISPLAY shipway run --display …`",
        )
    path = os.path.normpath(os.path.join(folder, name))
    if not _is_socket(path):
        raise _wrong(
            f"`WAYLAND_DISPLAY` is `{shown(name)}`, and there is no socket `{shown(path)}`",
            "the session that set it has ended: open a new shell in the one that runs",
            "or leave Wayland out: `env -u WAYLAND_DISPLAY shipway run --display …`",
        )
    inside = os.path.basename(path)
    return Display(
        (("WAYLAND_DISPLAY", inside), ("XDG_RUNTIME_DIR", runtime)),
        (Mount(path, f"{runtime}/{inside}", read_only=True),),
        title=f"Wayland display {inside}",
    )


def authority_path(environ: Mapping[str, str]) -> str:
    """Where the caller's rights to displays are."""
    return environ.get("XAUTHORITY") or os.path.join(environ.get("HOME", ""), ".Xauthority")


def _read_authority(environ: Mapping[str, str]) -> bytes:
    path = authority_path(environ)
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        if not environ.get("XAUTHORITY"):
            return b""
        problem = "it does not exist"
    except OSError as error:
        problem = error.strerror or str(error)
    raise _wrong(
        f"the file with your right to the display, `{shown(path)}`, cannot be read: {problem}",
        "`XAUTHORITY` names it, or it is `~/.Xauthority`: set it as your session does",
    )


def _x_socket(number: str) -> Mount:
    path = f"{SOCKETS}/X{number}"
    if not _is_socket(path):
        raise _wrong(
            f"`DISPLAY` is `:{number}`, and no X server listens there: there is no socket `{path}`",
            "open a shell in the session that runs, or set `DISPLAY` as it does",
            "over ssh: `ssh -X`, which sets it",
        )
    return Mount(path, path, read_only=True)


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _addresses(host: str, number: str) -> tuple[bytes, ...]:
    try:
        found = socket.getaddrinfo(host.strip("[]"), _X_BASE + int(number), type=socket.SOCK_STREAM)
    except OSError as problem:
        raise _wrong(
            f"the host of `DISPLAY`, `{shown(host)}`, is not known: {problem.strerror}",
            "over ssh: `ssh -X`, which sets `DISPLAY`",
        ) from problem
    return tuple(socket.inet_pton(family, str(place[0])) for family, *_, place in found)


def _no_display(environ: Mapping[str, str]) -> ToolError:
    over_ssh = bool(environ.get("SSH_CONNECTION"))
    return _wrong(
        "there is no screen: neither `DISPLAY` (X) nor `WAYLAND_DISPLAY` is set",
        "log in with `ssh -X`; the other side needs `X11Forwarding yes` and `xauth`"
        if over_ssh
        else "start it from a terminal of a graphical session, or log in with `ssh -X`",
        "without a screen: `Xvfb :7 -auth FILE &` and `DISPLAY=:7 XAUTHORITY=FILE`, or draw into files (`MPLBACKEND=agg`)",
    )


def _not_reached(display: str, request: RunRequest) -> EngineError:
    network = f"container:{request.beside}" if request.beside else request.network.value
    return EngineError(
        f"the display `{shown(display)}` is reached over this host's network, which `--network {network}` is not",
        hints=(
            "leave `--network` and `--publish` out, or write `--network host`",
            "or leave `--display` out",
        ),
    )


def _wrong(message: str, *hints: str) -> EngineError:
    return EngineError(message, hints=hints)
