"""Changes of files below a folder, as the kernel tells of them (inotify(7)): every folder is watched, new ones too."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
from typing import TYPE_CHECKING, Self

from shipway.core.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_libc = ctypes.CDLL(None, use_errno=True)
_EVENT = struct.Struct("iIII")
_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
_ISDIR, _OVERFLOW, _ONLYDIR, _DONT_FOLLOW = 0x40000000, 0x4000, 0x1000000, 0x2000000
_WANTED = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ONLYDIR | _DONT_FOLLOW
_CLOEXEC_NONBLOCK = os.O_CLOEXEC | os.O_NONBLOCK


class Watcher:
    """Tells which files below `root` were written, made, moved or removed. Links are not followed."""

    def __init__(self, root: str, skip: Callable[[str], bool]):
        """`skip`: says of a folder (relative) that nothing below it matters.

        Raises:
            ToolError: the kernel's watches are used up.
        """
        self._root = root
        self._skip = skip
        self._folders: dict[int, str] = {}
        self.fd = _libc.inotify_init1(_CLOEXEC_NONBLOCK)
        if self.fd < 0:
            raise _refused()
        self._add("")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.fd)

    def _add(self, folder: str) -> None:
        path = os.path.join(self._root, folder)
        number = _libc.inotify_add_watch(self.fd, os.fsencode(path), _WANTED)
        if number < 0:
            if ctypes.get_errno() in (errno.ENOSPC, errno.ENOMEM):
                raise _refused()
            return  # it has gone meanwhile, or cannot be entered
        self._folders[number] = folder
        try:
            with os.scandir(path) as found:
                inner = [entry.name for entry in found if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return
        for name in inner:
            below = f"{folder}/{name}" if folder else name
            if not self._skip(below):
                self._add(below)

    def wait(self, seconds: float | None) -> set[str]:
        """The files (relative) that changed; waits for the first for so many seconds (None: for ever)."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return set()
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return set()
        return self._read(data)

    def _read(self, data: bytes) -> set[str]:
        changed: set[str] = set()
        place = 0
        while place < len(data):
            number, mask, _, size = _EVENT.unpack_from(data, place)
            name = data[place + _EVENT.size : place + _EVENT.size + size].rstrip(b"\0")
            place += _EVENT.size + size
            folder = self._folders.get(number)
            if folder is None or mask & _OVERFLOW or not name:
                continue
            path = os.path.join(folder, os.fsdecode(name))
            if not mask & _ISDIR:
                if not mask & _CREATE:  # it is written yet, and then closed
                    changed.add(path)
            elif mask & (_CREATE | _MOVED_TO) and not self._skip(path):
                self._add(path)
                changed |= self._files_in(path)
        return changed

    def _files_in(self, folder: str) -> set[str]:
        """What was in a new folder before it was watched."""
        found = set()
        for place, _, names in os.walk(os.path.join(self._root, folder)):
            found |= {os.path.relpath(os.path.join(place, name), self._root) for name in names}
        return found


def _refused() -> ToolError:
    return ToolError(
        f"the project's folders cannot be watched: {os.strerror(ctypes.get_errno())}",
        hints=("`sysctl fs.inotify.max_user_watches` is the limit; an administrator raises it",),
    )
