"""The parts of one transfer: the file being written, the checks on an answer, the patience with a slow server."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

from shipway.host.files import translating_disk_errors
from shipway.host.http_transport import Answer, Limits, TransferFailed
from shipway.host.location import Location

CHUNK = 1 << 18
_GONE = frozenset({404, 410})
_AGAIN = frozenset({408, 421, 425, 429, 500, 502, 503, 504})
_REFUSED = frozenset({401, 403})
_OK, _PARTIAL, _PROXY_REFUSED = 200, 206, 407


class Partial:
    """The file being written, with the digest of what is in it."""

    def __init__(self, path: str, emit: Callable[[int], None], *, keep: bool = False) -> None:
        """`keep`: what is at `path` is gone on with."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | (0 if keep else os.O_TRUNC)
        with translating_disk_errors(f"write `{path}`"):
            self._fd = os.open(path, flags, 0o644)
        self.path = path
        self._emit = emit
        self.hasher = hashlib.sha256()
        self.size = 0
        if keep:
            self._read()

    def _read(self) -> None:
        with translating_disk_errors(f"read `{self.path}`"):
            while chunk := os.read(self._fd, CHUNK):
                self.hasher.update(chunk)
                self.size += len(chunk)
                self._emit(len(chunk))

    def write(self, chunk: bytes) -> None:
        """Append `chunk`.

        Raises:
            NoSpace: the disk is full.
        """
        view = memoryview(chunk)
        with translating_disk_errors(f"write `{self.path}`"):
            while view:
                view = view[os.write(self._fd, view) :]
        self.hasher.update(chunk)
        self.size += len(chunk)
        self._emit(len(chunk))

    def restart(self) -> None:
        """Forget everything that was written."""
        if self.size:
            self._emit(-self.size)
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.hasher, self.size = hashlib.sha256(), 0

    def close(self) -> None:
        """Close the file; it stays where it is."""
        os.close(self._fd)


class Meter:
    """Gives up on a transfer that trickles."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._since = time.monotonic()
        self._moved = 0

    def count(self, moved: int) -> None:
        """`moved` more bytes have come.

        Raises:
            TransferFailed: too few of them in the last window.
        """
        self._moved += moved
        elapsed = time.monotonic() - self._since
        if elapsed < self._limits.slow_window:
            return
        if self._moved < self._limits.slow_rate * elapsed:
            raise TransferFailed(f"slower than {self._limits.slow_rate} bytes a second", slow=True)
        self._since, self._moved = time.monotonic(), 0


def check_status(answer: Answer, partial: Partial | None, size: int | None) -> None:
    """Raise unless the answer is the whole thing, or the rest of it from where `partial` ends."""
    status = answer.status
    if status in _GONE:
        raise TransferFailed(f"answered {status}: not there", final=True, missing=True)
    if status in _AGAIN:
        raise TransferFailed(
            f"answered {status}", wait=retry_after(str(answer.headers.get("Retry-After", "")))
        )
    if status in _REFUSED or status == _PROXY_REFUSED:
        raise TransferFailed(
            f"answered {status}: credentials missing or refused", final=True, refused=status in _REFUSED
        )
    if partial is None:
        if status != _OK:
            raise TransferFailed(f"answered {status}", final=True)
        return
    if status == 416 and partial.size:  # noqa: PLR2004 - Range Not Satisfiable
        partial.restart()
        raise TransferFailed("cannot resume")
    if status not in {_OK, _PARTIAL} or (status == _PARTIAL and not partial.size):
        raise TransferFailed(f"answered {status}", final=True)
    if answer.content_type == "text/html":
        raise TransferFailed("answered with an HTML page", final=True)
    if status == _OK and partial.size:
        partial.restart()
    if status == _PARTIAL and not str(answer.headers.get("Content-Range", "")).startswith(
        f"bytes {partial.size}-"
    ):
        partial.restart()
        raise TransferFailed("resumed at another place than asked")
    if size is not None and answer.length is not None and partial.size + answer.length != size:
        total = partial.size + answer.length
        partial.restart()
        raise TransferFailed(f"announces {total} bytes where {size} were expected", final=True)


def retry_after(text: str) -> float:
    """Seconds that the header `Retry-After` (RFC 9110 10.2.3) holding `text` asks for, 0 where it asks for none."""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def _file_path(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"}:
        raise TransferFailed("a file URL of another host", final=True)
    return unquote(parts.path)


def copy_file(location: Location, partial: Partial) -> None:
    """Append the regular file of a `file:` location, or the part of it that is meant, to `partial`.

    Raises:
        TransferFailed: there is none, or it ends before the part does.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        fd = os.open(_file_path(location.url), flags | (os.O_NOFOLLOW if location.part else 0))
    except OSError as error:
        raise TransferFailed(
            error.strerror or "unreadable", final=True, missing=error.errno == errno.ENOENT
        ) from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise TransferFailed("not a regular file", final=True)
        for chunk in _chunks(fd, location.part):
            partial.write(chunk)
    finally:
        os.close(fd)


def _chunks(fd: int, part: tuple[int, int] | None) -> Iterator[bytes]:
    if part is None:
        yield from iter(lambda: os.read(fd, CHUNK), b"")
        return
    at, left = part
    while left:
        chunk = os.pread(fd, min(CHUNK, left), at)
        if not chunk:
            raise TransferFailed(f"ended {left} bytes early", final=True)
        at, left = at + len(chunk), left - len(chunk)
        yield chunk


def read_local_document(url: str, max_size: int) -> tuple[bytes, str, str]:
    """Body, URL and media type of a `file:` URL; a folder is its `index.html`.

    Raises:
        TransferFailed: it cannot be read or is too large.
    """
    path = _file_path(url)
    if os.path.isdir(path):
        path, url = os.path.join(path, "index.html"), url.rstrip("/") + "/"
    try:
        with open(path, "rb") as file:
            body = file.read(max_size + 1)
    except OSError as error:
        raise TransferFailed(
            error.strerror or "unreadable", final=True, missing=error.errno == errno.ENOENT
        ) from error
    if len(body) > max_size:
        raise TransferFailed(f"holds more than {max_size} bytes", final=True, large=True)
    kind = "text/html" if path.endswith((".html", ".htm")) else ""
    return body, url, kind
