"""A web server on loopback that serves bytes from memory and misbehaves path by path, on order.

It records each request with its headers, so that a test can say which server saw which credential.
"""

from __future__ import annotations

import base64
import re
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit


class Behaviour(StrEnum):
    """What happens to a request for one path."""

    HONEST = "honest"
    MISSING = "missing"
    """404."""
    ERROR = "error"
    """500."""
    BUSY = "busy"
    """503 with `Retry-After: 0`."""
    FORBIDDEN = "forbidden"
    HTML = "html"
    """200 and a page for people."""
    DISGUISED_HTML = "disguised-html"
    """The same page, called application/octet-stream."""
    TRUNCATE = "truncate"
    """All headers, half of the body, then the connection is cut."""
    STALL = "stall"
    """All headers, half of the body, then nothing more until the server stops."""
    SHORT = "short"
    """Half of the body, and a Content-Length that says so."""
    LONGER = "longer"
    """The body and more."""
    WRONG = "wrong"
    """Other bytes of the same length."""
    SILENT = "silent"
    """Accepts the request and never answers, until the server stops."""
    TRICKLE = "trickle"
    """One byte at a time, as slow as `FileServer.pace` says."""
    SLOW_HEADERS = "slow-headers"
    """Headers byte by byte without end."""
    REDIRECT = "redirect"
    """302 to `FileServer.redirects[path]`."""
    LOOP = "loop"
    """302 to itself."""
    IGNORES_RANGE = "ignores-range"
    """200 and the whole body where a part was asked for."""
    WRONG_RANGE = "wrong-range"
    """206 from another place than asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]
    """Names in lower case."""


@dataclass(slots=True, kw_only=True)
class Page:
    """What a path holds."""

    body: bytes
    content_type: str = "application/octet-stream"
    also: dict[str, bytes] = field(default_factory=dict)
    """Other forms by media type, for clients whose `Accept` names them."""


class FileServer:
    """Use as a context manager; `url` has no slash at its end."""

    def __init__(self, *, auth: tuple[str, str] | None = None, pace: float = 0.05) -> None:
        self.auth = auth
        """User and password that every request must carry."""
        self.pace = pace
        """Seconds between two bytes of a trickle."""
        self.pages: dict[str, Page] = {}
        self.redirects: dict[str, str] = {}
        self.requests: list[SeenRequest] = []
        self.stopping = threading.Event()
        self._orders: dict[str, list[Behaviour]] = {}
        self._lock = threading.Lock()
        owner = self

        class Handler(_Handler):
            server_owner = owner

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """`http://127.0.0.1:port`."""
        return f"http://127.0.0.1:{self.port}"

    def put(self, path: str, body: bytes, content_type: str = "application/octet-stream") -> str:
        """Serve `body` at `path` (starting with `/`); the URL."""
        self.pages[path] = Page(body=body, content_type=content_type)
        return self.url + path

    def order(self, path: str, *behaviours: Behaviour) -> None:
        """The next requests for `path` behave so, one each; the last one stays for all that follow."""
        with self._lock:
            self._orders[path] = list(behaviours)

    def next_behaviour(self, path: str) -> Behaviour:
        """Take the behaviour for one request of `path`."""
        with self._lock:
            orders = self._orders.get(path, [])
            return orders.pop(0) if len(orders) > 1 else (orders[0] if orders else Behaviour.HONEST)

    def asked(self, path: str) -> list[SeenRequest]:
        """The requests for `path`, in order."""
        return [request for request in self.requests if request.path == path]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the game."""


_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Accept the terms of this network.</body></html>"


class _Handler(BaseHTTPRequestHandler):
    server_owner: FileServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Nothing is logged; requests are kept in `FileServer.requests`."""

    def do_GET(self) -> None:
        owner = self.server_owner
        path = unquote(urlsplit(self.path).path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner.requests.append(SeenRequest(path=path, headers=headers))
        if owner.auth and headers.get("authorization") != _basic(owner.auth):
            self._answer(401, b"who are you?", "text/plain", {"WWW-Authenticate": 'Basic realm="test"'})
            return
        behaviour = owner.next_behaviour(path)
        if not self._refused(behaviour, path):
            page = owner.pages.get(path)
            if page is None:
                self._answer(404, b"no such page", "text/plain")
            else:
                self._serve(behaviour, *_chosen(page, headers.get("accept", "")))

    do_HEAD = do_GET  # noqa: N815 - the name of the base class

    def _refused(self, behaviour: Behaviour, path: str) -> bool:
        """Answer where the body does not matter; whether it was answered."""
        statuses = {Behaviour.MISSING: 404, Behaviour.ERROR: 500, Behaviour.FORBIDDEN: 403}
        if behaviour in statuses:
            self._answer(statuses[behaviour], b"no", "text/plain")
        elif behaviour == Behaviour.BUSY:
            self._answer(503, b"later", "text/plain", {"Retry-After": "0"})
        elif behaviour == Behaviour.HTML:
            self._answer(200, _PAGE, "text/html; charset=utf-8")
        elif behaviour == Behaviour.DISGUISED_HTML:
            self._answer(200, _PAGE, "application/octet-stream")
        elif behaviour == Behaviour.REDIRECT:
            self._answer(302, b"", "text/plain", {"Location": self.server_owner.redirects[path]})
        elif behaviour == Behaviour.LOOP:
            self._answer(302, b"", "text/plain", {"Location": path})
        elif behaviour in {Behaviour.SILENT, Behaviour.SLOW_HEADERS}:
            self._stall(behaviour)
        else:
            return False
        return True

    def _stall(self, behaviour: Behaviour) -> None:
        self.close_connection = True
        if behaviour == Behaviour.SILENT:
            self.server_owner.stopping.wait()
            return
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
        while not self.server_owner.stopping.wait(self.server_owner.pace):
            self.wfile.write(b"x")

    def _serve(self, behaviour: Behaviour, body: bytes, content_type: str) -> None:
        if behaviour == Behaviour.WRONG:
            body = bytes(255 - byte for byte in body)
        if behaviour == Behaviour.LONGER:
            body += b"and more"
        if behaviour == Behaviour.SHORT:
            body = body[: len(body) // 2]
        start = 0 if behaviour == Behaviour.IGNORES_RANGE else self._range_start()
        if behaviour == Behaviour.WRONG_RANGE and start:
            start += 1
        rest = body[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(rest)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        self._send_body(behaviour, rest)

    def _send_body(self, behaviour: Behaviour, rest: bytes) -> None:
        if self.command == "HEAD":
            return
        if behaviour == Behaviour.TRUNCATE:
            self.wfile.write(rest[: max(1, len(rest) // 2)])
            self._cut()
        elif behaviour == Behaviour.STALL:
            self.wfile.write(rest[: len(rest) // 2])
            self.wfile.flush()
            self.server_owner.stopping.wait()
            self._cut()
        elif behaviour == Behaviour.TRICKLE:
            for byte in rest:
                self.wfile.write(bytes([byte]))
                if self.server_owner.stopping.wait(self.server_owner.pace):
                    break
            self._cut()
        else:
            self.wfile.write(rest)

    def _cut(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def _range_start(self) -> int:
        match = re.match(r"bytes=(\d+)-\Z", self.headers.get("Range", ""))
        return int(match[1]) if match else 0

    def _answer(
        self, status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _chosen(page: Page, accept: str) -> tuple[bytes, str]:
    for media_type, body in page.also.items():
        if media_type in accept:
            return body, media_type
    return page.body, page.content_type


def _basic(auth: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(auth).encode()).decode("ascii")
