"""`exec` without a terminal in a container of our own engine, asked for with as little of us loaded as the interpreter allows.

Whoever types `shipway exec NAME COMMAND` many times a minute waits for imports, not for the container. So the plainest form is
answered here: no options, no terminal, a name that is linked below STATE/containers/by-name. Anything else, and any answer
that is not the plain one, is left to the whole program, which does the same and explains more.

No `json`, `socket` or `signal`: their Python halves cost more than the container takes to answer. Frames are those of `wire.py`.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import os
from _json import encode_basestring_ascii as quoted
from _json import scanstring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

BY_NAME = "containers/by-name"
"""Links from names to the folders of lasting containers."""
_WORDS = 3
_KILLED = 137
_FORWARDED = (1, 2, 3, 10, 12, 15)
"""SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM."""


def try_exec(words: Sequence[str]) -> tuple[int, str] | None:
    """The exit code of `exec NAME COMMAND…`, and what there is to say beside it, mostly nothing.

    None when this is not the plain case and nothing was started.
    """
    if len(words) < 2 or words[0].startswith("-") or (os.isatty(0) and os.isatty(1)):  # noqa: PLR2004 - name and command
        return None
    argv = words[2:] if words[1] == "--" else words[1:]
    if not argv or argv[0].startswith("-"):
        return None
    connection = _connect(words[0])
    return None if connection is None else _ask(connection, argv)


def _state() -> str:
    """As `host.dirs.state_dir`."""
    given = os.environ.get("XDG_STATE_HOME", "")
    base = given if given.startswith("/") else os.path.expanduser("~/.local/state")
    return f"{base}/shipway"


def _connect(name: str) -> _socket.socket | None:
    if "/" in name or name in (".", ".."):
        return None
    try:
        place = os.open(f"{_state()}/{BY_NAME}/{name}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    made = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        if _has_lost(place):
            made.close()
            return None  # there is something to say first
        made.connect(f"/proc/self/fd/{place}/control")
    except OSError:
        made.close()
        return None
    finally:
        os.close(place)
    return made


def _has_lost(place: int) -> bool:
    """Whether the container's network is lost (`beside.LOST`)."""
    try:
        os.stat("network-lost", dir_fd=place)
    except FileNotFoundError:
        return False
    return True


def _frame(text: str) -> bytes:
    data = text.encode()
    return bytes((_WORDS,)) + len(data).to_bytes(4, "little") + data


def _ask(connection: _socket.socket, argv: Sequence[str]) -> tuple[int, str] | None:
    told = ", ".join(map(quoted, argv))
    data = _frame(f'{{"do": "exec", "argv": [{told}]}}')
    rights = b"".join(fd.to_bytes(4, "little") for fd in (0, 1, 2))
    sent = connection.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
    while sent < len(data):
        sent += connection.send(data[sent:])
    first = _receive(connection)
    if not first.startswith(b'{"started"'):
        connection.close()
        return None  # it was not started; the whole program says why
    for number in _FORWARDED:
        _signal.signal(number, lambda which, _: connection.send(_frame(f'{{"signal": {which}}}')))
    answer = _receive(connection)
    code = answer.partition(b'"exit":')[2].partition(b",")[0].strip(b" }")
    note = answer.partition(b'"note": "')[2].decode()
    return (int(code) if code.isdigit() else _KILLED), scanstring(note, 0)[0] if note else ""


def _receive(connection: _socket.socket) -> bytes:
    """The payload of the next frame; nothing when the supervisor has gone."""
    head = _exactly(connection, 5)
    return _exactly(connection, int.from_bytes(head[1:], "little")) if head else b""


def _exactly(connection: _socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            return b""
        data += chunk
    return data
