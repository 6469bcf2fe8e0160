"""Files on their way into a container, as the stream that its helper reads (`sandbox/writing.py`)."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from shipway.core.manifest import DIRECTORY, FILE, SYMLINK
from shipway.host.files import translating_disk_errors
from shipway.sandbox.process import send_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shipway.run.life.model import Put


@contextlib.contextmanager
def opened_stream(folder: str, removals: Sequence[str], puts: Iterable[Put]) -> Iterator[int]:
    """A descriptor of a nameless file below `folder` that holds the stream, at its beginning.

    Raises:
        NoSpace, StoreError: it cannot be written, or a source cannot be read.
    """
    fd = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        with translating_disk_errors(f"write what goes into the container below `{folder}`"):
            for path in removals:
                send_message(fd, ("remove", path))
            for put in puts:
                _write(fd, put)
            send_message(fd, ("end",))
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def _write(fd: int, put: Put) -> None:
    if put.kind == DIRECTORY:
        send_message(fd, ("folder", put.path, put.mode))
    elif put.kind == SYMLINK:
        send_message(fd, ("link", put.path, put.target))
    elif put.kind == FILE:
        source = os.open(put.source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            size = os.fstat(source).st_size
            send_message(fd, ("file", put.path, put.mode, size))
            while size:
                moved = os.sendfile(fd, source, None, size)
                if not moved:
                    raise OSError(5, "a file became shorter while it was read", put.source)
                size -= moved
        finally:
            os.close(source)
