"""Sending blobs: a session per blob (POST), its bytes (PATCH), its end (PUT).

What broke is continued where the registry stands; one that forgot the session, as distribution 2 does, gets the blob anew.

A session's address is the registry's own: bytes and credentials go to no other host.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlencode, urljoin, urlsplit

from shipway.core.digest import Digest
from shipway.core.errors import FetchError, HashMismatch, HostileInput
from shipway.core.events import Did, Emit, Moved
from shipway.host.files import translating_disk_errors
from shipway.host.http_transport import Limits, TransferFailed
from shipway.host.location import origin_of, redacted
from shipway.image.registry.challenge import Scope
from shipway.image.registry.model import AccessRefused
from shipway.image.registry.session import Endpoint, Reply

_OK, _CREATED, _ACCEPTED, _NO_CONTENT, _NOT_FOUND, _TOO_LARGE = 200, 201, 202, 204, 404, 413
_SMALLER = 32 << 20
"""Bytes of one request where a registry, or a proxy before it, takes no whole layer."""
_RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})\Z", re.ASCII)

Open = Callable[[], Iterator[bytes]]


class Uploads:
    """What one repository of one endpoint is sent."""

    def __init__(
        self, endpoint: Endpoint, repository: str, scopes: tuple[Scope, ...], emit: Emit, limits: Limits
    ) -> None:
        self._endpoint = endpoint
        self._name = endpoint.name_of(repository)
        self._scopes = scopes
        self._emit = emit
        self._tries, self._resumes = limits.rounds, limits.resumes
        self._lock = threading.Lock()
        self._started: dict[Digest, str] = {}

    def mount(self, digest: Digest, from_repository: str) -> bool:
        """See `Registry.mount_blob`. A session that the registry opens instead is kept for `push`."""
        source = self._endpoint.name_of(from_repository)
        scopes = (*self._scopes, Scope(kind="repository", name=source, actions=("pull",)))
        reply = self._begin({"mount": digest, "from": source}, scopes)
        if reply.status == _CREATED:
            return True
        with self._lock:
            self._started[digest] = self._session(reply)
        return False

    def push(self, digest: Digest, size: int, opened: Open, *, name: str) -> None:
        """See `Registry.push_blob`."""
        source = Source(
            opened,
            digest,
            size,
            lambda count: self._say(Moved("push", name, count)),
            self._endpoint.is_stopped,
        )
        with self._lock:
            session = self._started.pop(digest, "")
        session = session or self._session(self._begin({}, self._scopes))
        session = self._send(session, source, name)
        joint = "&" if urlsplit(session).query else "?"
        url = session + joint + urlencode({"digest": digest})
        reply = self._endpoint.ask("PUT", url, self._scopes, headers={"Content-Length": "0"}, body=b"")
        if reply.status != _NOT_FOUND or not self._holds(
            digest
        ):  # an answer may be lost, and the question repeated
            self._endpoint.require(reply, (_CREATED, _NO_CONTENT), f"blob `{digest}`")
        self._say(Did("push", name))

    def _holds(self, digest: Digest) -> bool:
        url = self._endpoint.url(f"{self._name}/blobs/{digest}")
        return self._endpoint.ask("HEAD", url, self._scopes).status == _OK

    def _send(self, session: str, source: Source, name: str) -> str:
        """Move every byte of `source`; the address of the session at its end.

        An attempt that moved something counts less than one that moved nothing.
        """
        start, failed, broken, part = 0, 0, 0, source.size
        while start < source.size:
            end = min(start + part, source.size)
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Length": str(end - start),
                "Content-Range": f"{start}-{end - 1}",
            }
            try:
                reply = self._endpoint.ask(
                    "PATCH",
                    session,
                    self._scopes,
                    headers=headers,
                    body=source.part(start, end),
                    repeat=False,
                )
                if reply.status == _TOO_LARGE and part > _SMALLER:
                    part = _SMALLER
                self._endpoint.require(reply, (_ACCEPTED, _NO_CONTENT, _CREATED), f"`{name}`")
                session, start, failed = self._session(reply), end, 0
            except AccessRefused:
                raise
            except FetchError:
                session, reached = self._where(session)
                failed, broken = 0 if reached > start else failed + 1, broken + 1
                if failed >= self._tries or broken >= self._resumes:
                    raise
                session, start = session or self._session(self._begin({}, self._scopes)), reached
                self._endpoint.pause(failed)
        return session

    def _where(self, session: str) -> tuple[str, int]:
        """The session's present address and how many bytes the registry has; empty where it forgot it."""
        reply = self._endpoint.ask("GET", session, self._scopes)
        if reply.status not in {_NO_CONTENT, _ACCEPTED}:
            return "", 0
        match = _RANGE.match(reply.headers.get("range", ""))
        # A session without a byte is also written `0-0`; one byte sent twice would be found by the digest.
        last = int(match[1]) if match else 0
        return self._session(reply), last + 1 if last else 0

    def _begin(self, query: dict[str, str], scopes: tuple[Scope, ...]) -> Reply:
        url = self._endpoint.url(f"{self._name}/blobs/uploads/") + (f"?{urlencode(query)}" if query else "")
        reply = self._endpoint.ask("POST", url, scopes, headers={"Content-Length": "0"}, body=b"")
        return self._endpoint.require(reply, (_ACCEPTED, _CREATED), f"an upload to `{self._name}`")

    def _session(self, reply: Reply) -> str:
        """Where the registry wants the rest.

        Raises:
            HostileInput: on another host, by another scheme, or nowhere.
        """
        where = urljoin(reply.url, reply.headers.get("location", ""))
        if not reply.headers.get("location") or origin_of(where) != origin_of(self._endpoint.origin):
            raise HostileInput(
                f"the registry `{redacted(self._endpoint.origin)}` wants the upload sent to "
                f"`{redacted(where)}`; nothing was sent",
                hints=["a registry behind a proxy must know its own address; tell its administrator"],
            )
        return where

    def _say(self, event: Moved | Did) -> None:
        with self._lock:
            self._emit(event)


class Source:
    """The bytes of one blob, read again from the start when a part has to be sent twice, and hashed on the way."""

    def __init__(
        self,
        opened: Open,
        digest: Digest,
        size: int,
        moved: Callable[[int], None],
        stopped: Callable[[], bool],
    ) -> None:
        self.size = size
        self._stopped = stopped
        self._open, self._digest, self._moved = opened, digest, moved
        self._chunks: Iterator[bytes] = iter(())
        self._rest = b""
        self._at = size + 1
        self._hasher = hashlib.sha256()
        self._told = 0

    def part(self, start: int, end: int) -> Callable[[], Iterator[bytes]]:
        """The bytes from `start` to before `end`, from the beginning each time it is called."""
        return lambda: self._between(start, end)

    def _between(self, start: int, end: int) -> Iterator[bytes]:
        """The last chunk of all leaves only after the digest was found right, so a registry never has a whole wrong blob."""
        self._go_to(start)
        while self._at < end:
            if self._stopped():
                raise TransferFailed("it was stopped", final=True)
            chunk = self._next(end - self._at)
            if self._at == self.size:
                self._require_right()
            if self._at > self._told:
                self._moved(self._at - max(self._told, self._at - len(chunk)))
                self._told = self._at
            yield chunk

    def _go_to(self, start: int) -> None:
        if self._at > start:
            self._chunks, self._rest, self._at, self._hasher = self._open(), b"", 0, hashlib.sha256()
        while self._at < start:
            self._next(start - self._at)

    def _next(self, most: int) -> bytes:
        while not self._rest:
            with translating_disk_errors(
                f"read blob `{self._digest}`"
            ):  # else it looks like a broken connection
                rest = next(self._chunks, None)
            if rest is None:
                raise self._wrong(f"ends after {self._at} of {self.size} bytes")
            self._rest = rest
        chunk, self._rest = self._rest[:most], self._rest[most:]
        self._at += len(chunk)
        self._hasher.update(chunk)
        return chunk

    def _require_right(self) -> None:
        if self._rest or any(self._chunks):
            raise self._wrong(f"has more than {self.size} bytes")
        if self._hasher.hexdigest() != self._digest.hex:
            raise self._wrong(f"has the digest sha256:{self._hasher.hexdigest()}")

    def _wrong(self, why: str) -> HashMismatch:
        return HashMismatch(
            f"what was to be sent as blob `{self._digest}` {why}; the registry has not got it",
            hints=["run `shipway verify` to find what is damaged in the store"],
        )
