"""Files put into a sandbox that runs, or taken out of it, by a process inside: nothing is written through a link on the way.

The stream is a sequence of messages (`process.send_message`), paths relative to the root inside:

    ("remove", path)                 a file, link or whole folder; one that is not there is fine
    ("folder", path, mode)           made if it is missing, a file or link there gives way
    ("link", path, text)
    ("file", path, mode, size)       followed by exactly `size` bytes
    ("end",)
"""

from __future__ import annotations

import os
import stat

from . import paths, process, syscalls
from .trees import remove_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CHUNK = 1 << 20


def apply_stream(fd: int) -> int:
    """Carry out the stream in `fd`; the exit code of the process that does so. Says on standard error what failed."""
    root = os.open("/", syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    path = ""
    try:
        while (message := process.receive_message(fd)) != ("end",):
            path = message[1] if message else ""
            _apply(root, message, fd)
    except (OSError, ValueError) as error:
        os.write(2, f"/{path}: {process.describe_error(error)}\n".encode("utf-8", "replace"))
        return 1
    return 0


def _apply(root: int, message: Any, fd: int) -> None:
    if message is None:
        raise ValueError("the stream of changes ends too early")
    if message[0] == "remove":
        _remove(root, message[1])
        return
    parent, name = paths.open_parent(root, "/" + message[1])
    try:
        match message:
            case ("folder", _, mode):
                _make_folder(parent, name, mode)
            case ("link", _, text):
                remove_at(parent, name)
                os.symlink(text, name, dir_fd=parent)
            case ("file", _, mode, size):
                _make_file(parent, name, mode, size, fd)
            case _:
                raise ValueError(f"no such change: {message[0]}")
    finally:
        os.close(parent)


def _make_folder(parent: int, name: str, mode: int) -> None:
    found = _mode(parent, name)
    if not stat.S_ISDIR(found):
        if found:
            os.unlink(name, dir_fd=parent)
        os.mkdir(name, 0o700, dir_fd=parent)
    elif stat.S_IMODE(found) == mode:
        return
    made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    os.fchmod(made, mode)
    os.close(made)


def _make_file(parent: int, name: str, mode: int, size: int, fd: int) -> None:
    """Under another name first: whoever imports it meanwhile sees the old file or the new one."""
    part = f".shipway-{os.getpid()}.part"
    made = os.open(
        part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=parent
    )
    try:
        _copy(fd, made, size)
        os.fchmod(made, mode)
        if stat.S_ISDIR(_mode(parent, name)):
            remove_at(parent, name)
        os.rename(part, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        os.unlink(part, dir_fd=parent)
        raise
    finally:
        os.close(made)


def _copy(source: int, target: int, size: int) -> None:
    while size:
        chunk = os.read(source, min(size, _CHUNK))
        if not chunk:
            raise ValueError("the stream of changes ends within a file")
        size -= len(chunk)
        view = memoryview(chunk)
        while view:
            view = view[os.write(target, view) :]


def _remove(root: int, path: str) -> None:
    folder, _, name = path.rpartition("/")
    try:
        parent = paths.open_in_root(root, "/" + folder, syscalls.O_PATH | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    remove_at(parent, name)
    os.close(parent)


def _mode(parent: int, name: str) -> int:
    """The mode of what is there; 0 when nothing is."""
    try:
        return os.lstat(name, dir_fd=parent).st_mode
    except FileNotFoundError:
        return 0
