"""Small things about processes: descriptors, signals, messages between relatives.

`_signal` and `_socket` are the C halves of `signal` and `socket`: their Python halves build enumerations, which costs more than
entering a namespace.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import errno
import gc
import marshal
import os
import warnings

from . import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGUSR1, SIGUSR2 = 1, 2, 3, 9, 10, 12
SIGPIPE, SIGTERM, SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP = 13, 15, 17, 18, 19, 20
SIGTTIN, SIGTTOU, SIGWINCH, SIGXFSZ = 21, 22, 28, 25
FORWARDED = (SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGCONT, SIGTSTP, SIGWINCH)
TO_THE_GROUP = frozenset({SIGHUP, SIGINT, SIGQUIT, SIGCONT, SIGTSTP, SIGWINCH})
"""What a terminal would send to every process of the foreground, not to its leader alone."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ALL_SIGNALS = tuple(n for n in range(1, 65) if n not in (32, 33))
"""All but the two that the C library keeps for itself."""
STANDARD = (0, 1, 2)
_HIGHEST_FD = 0xFFFFFFFF


def block_signals() -> set[int]:
    """Block everything that can be blocked in this thread; returns what was blocked before."""
    return set(_signal.pthread_sigmask(_signal.SIG_BLOCK, ALL_SIGNALS))


def restore_signals(mask: Iterable[int]) -> None:
    """Set the thread's mask."""
    _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)


def default_signals() -> None:
    """No signal ignored, as a fresh program expects it: exec resets handlers, but what is ignored (Python's SIGPIPE) stays."""
    for number in ALL_SIGNALS:
        if _signal.getsignal(number) == _signal.SIG_IGN:
            _signal.signal(number, _signal.SIG_DFL)


def handle_signal(number: int, handler: Any) -> Any:
    """`signal.signal` without its import."""
    return _signal.signal(number, handler)


def fork() -> int:
    """`os.fork` in a program that may have threads: the child makes system calls only, and leaves by exec or `_exit`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        # A collection would touch, and so copy, every page that is shared with the parent.
        gc.disable()
    return pid


def find_candidates(name: str, env: Mapping[str, str]) -> list[str]:
    """The paths that a program called `name` is looked for at."""
    if "/" in name:
        return [name]
    return [f"{directory or '.'}/{name}" for directory in env.get("PATH", DEFAULT_PATH).split(":")]


def describe_missing(name: str, number: int) -> str:
    """The sentence for a program that could not be executed."""
    if number == errno.ENOENT:
        return f"`{name}` is not there" if "/" in name else f"`{name}` is in no directory of PATH"
    return f"cannot execute `{name}`: {os.strerror(number)}"


class SignalReader:
    """The blocked signals of this process as a readable descriptor."""

    def __init__(self) -> None:
        self.fd = syscalls.signal_descriptor((1 << 64) - 1)

    def read(self) -> int:
        """The number of the next signal; waits for one."""
        return int.from_bytes(os.read(self.fd, 128)[:4], "little")


def close_all_but(keep: Iterable[int]) -> None:
    """Close every descriptor that is not in `keep`."""
    first = 0
    for fd in [*sorted(set(keep)), None]:
        last = _HIGHEST_FD if fd is None else fd - 1
        if first <= last:
            _close_range(first, last)
        first = 0 if fd is None else fd + 1


def _close_range(first: int, last: int) -> None:
    try:
        syscalls.close_range(first, last)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        for name in os.listdir("/proc/self/fd"):
            if first <= int(name) <= last:
                close_quietly(int(name))


def close_on_exec(keep: Iterable[int]) -> None:
    """Let exec close every descriptor from 3 on that is not in `keep`; those in `keep` stay open across it."""
    try:
        syscalls.close_range(3, _HIGHEST_FD, syscalls.CLOSE_RANGE_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM, errno.EINVAL):
            raise
        for fd in {int(name) for name in os.listdir("/proc/self/fd")} - set(STANDARD):
            try:
                os.set_inheritable(fd, False)
            except OSError:  # the listing's own descriptor
                continue
    for fd in keep:
        os.set_inheritable(fd, True)


def close_quietly(fd: int) -> None:
    """Close `fd` if it is open."""
    try:
        os.close(fd)
    except OSError:
        return


def set_standard_streams(stdin: int, stdout: int, stderr: int) -> None:
    """Put three descriptors at 0, 1 and 2, whatever their numbers are now."""
    high = [duplicate_high(fd) for fd in (stdin, stdout, stderr)]
    for number, fd in enumerate(high):
        os.dup2(fd, number, inheritable=True)
        os.close(fd)


def duplicate_high(fd: int) -> int:
    """A duplicate of `fd` above the standard streams."""
    copy = os.dup(fd)
    if copy not in STANDARD:
        return copy
    try:
        return duplicate_high(fd)
    finally:
        os.close(copy)


def send_message(fd: int, value: Any) -> None:
    """Write one value of built-in types to a pipe or socket."""
    data = marshal.dumps(value)
    view = memoryview(len(data).to_bytes(8, "little") + data)
    while view:
        view = view[os.write(fd, view) :]


def receive_message(fd: int) -> Any:
    """The next value, or None at the end of the stream."""
    head = _read_exactly(fd, 8)
    if head is None:
        return None
    data = _read_exactly(fd, int.from_bytes(head, "little"))
    return None if data is None else marshal.loads(data)  # noqa: S302 - written by our own fork


def _read_exactly(fd: int, size: int) -> bytes | None:
    chunks = []
    while size:
        chunk = os.read(fd, min(size, 1 << 20))
        if not chunk:
            return None
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


class FdChannel:
    """A socket pair between relatives over which descriptors travel."""

    def __init__(self) -> None:
        self.ours, self.theirs = _socket.socketpair()

    def send(self, label: bytes, fd: int) -> None:
        """Send `fd` under a one-byte label; for the relative that was forked."""
        rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, fd.to_bytes(4, "little"))
        self.theirs.sendmsg([label], [rights])

    def receive(self) -> tuple[bytes, int] | None:
        """The next label and descriptor, or None when the other side is gone."""
        label, ancillary, _, _ = self.ours.recvmsg(1, _socket.CMSG_SPACE(4), _socket.MSG_CMSG_CLOEXEC)
        for level, kind, data in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                return label, int.from_bytes(data[:4], "little")
        return None


def describe_error(error: BaseException) -> str:
    """One line about an error."""
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}"
    return f"{type(error).__name__}: {error}"
