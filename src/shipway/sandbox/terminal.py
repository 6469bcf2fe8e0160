"""A terminal of the sandbox's own, joined to the caller's by a relay, so that nothing inside holds the caller's terminal."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TIOCGPTN, _TIOCSPTLCK, _TIOCGPTPEER = 0x80045430, 0x40045431, 0x5441
_CHUNK = 65536
_LAST = 4096
"""Bytes of what was shown that are kept at least."""


def open_inside() -> int:
    """Make a terminal, make it the controlling one of this session and the standard streams; returns the master's descriptor."""
    master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    # Here and not by the relay alone: a command that starts faster than the relay would see a window of 0 by 0.
    copy_size(0 if os.isatty(0) else 1, slave)
    for number in (0, 1, 2):
        os.dup2(slave, number, inheritable=True)
    if slave not in (0, 1, 2):
        os.close(slave)
    return master


def read_modes(fd: int) -> list[Any] | None:
    """The terminal modes of `fd`, None if it is no terminal."""
    try:
        return termios.tcgetattr(fd)
    except termios.error:
        return None


def set_modes(fd: int, modes: list[Any] | None) -> None:
    """Put `modes` back; a terminal that has hung up is left alone."""
    if modes is None:
        return
    try:
        termios.tcsetattr(fd, termios.TCSANOW, modes)
    except termios.error:
        return


def make_raw(fd: int) -> None:
    """Every byte passes as it is (cfmakeraw)."""
    modes = read_modes(fd)
    if modes is None:
        return
    modes[0] &= ~(
        termios.IGNBRK
        | termios.BRKINT
        | termios.PARMRK
        | termios.ISTRIP
        | termios.INLCR
        | termios.IGNCR
        | termios.ICRNL
        | termios.IXON
    )
    modes[1] &= ~termios.OPOST
    modes[2] = (modes[2] & ~(termios.CSIZE | termios.PARENB)) | termios.CS8
    modes[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    set_modes(fd, modes)


def copy_size(source: int, target: int) -> None:
    """Give `target` the window size of `source`, if that is a terminal. The kernel tells the foreground group."""
    try:
        size = fcntl.ioctl(source, termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(target, termios.TIOCSWINSZ, size)
    except OSError:
        return


class Relay:
    """Bytes between the caller's streams and the sandbox's terminal. Never blocks: what cannot be written yet is kept."""

    def __init__(self, stdin: int, stdout: int, master: int):
        self.stdin = stdin
        self.stdout = stdout
        self.master = master
        self.to_inside = b""
        self.input_open = True
        self.output_open = True
        self.last = b""
        """The end of what was shown."""
        os.set_blocking(master, False)
        copy_size(stdin if os.isatty(stdin) else stdout, master)

    def events(self) -> list[tuple[int, int]]:
        """What to poll for now."""
        wanted = []
        if self.input_open and len(self.to_inside) < _CHUNK:
            wanted.append((self.stdin, select.POLLIN))
        if self.output_open:
            wanted.append((self.master, select.POLLIN | (select.POLLOUT if self.to_inside else 0)))
        return wanted

    def resize(self) -> None:
        """The caller's window changed."""
        copy_size(self.stdin if os.isatty(self.stdin) else self.stdout, self.master)

    def handle(self, fd: int, event: int) -> None:
        """Move what `fd` has."""
        if fd == self.stdin:
            self._take_input()
        elif fd == self.master:
            if event & select.POLLOUT:
                self._give_input()
            if event & (select.POLLIN | select.POLLHUP):
                self._show_output()

    def drain(self) -> None:
        """Show what the terminal still holds after its last process is gone."""
        while self.output_open and self._show_output():
            continue

    def _take_input(self) -> None:
        try:
            data = os.read(self.stdin, _CHUNK)
        except OSError:
            data = b""
        if data:
            self.to_inside += data
        else:
            # The end of a file is told to a terminal by its end-of-file character.
            self.input_open = False
            self.to_inside += b"\x04"
        self._give_input()

    def _give_input(self) -> None:
        try:
            self.to_inside = self.to_inside[os.write(self.master, self.to_inside) :]
        except BlockingIOError:
            return
        except OSError:
            self.to_inside = b""

    def _show_output(self) -> bool:
        """Move one chunk; False if there was none."""
        try:
            data = os.read(self.master, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # EIO: nobody has the other side open any more
            data = b""
        self.output_open = bool(data)
        self.last = self.last[-_LAST:] + data
        while data:
            data = data[os.write(self.stdout, data) :]
        return self.output_open
