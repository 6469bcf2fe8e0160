"""An image registry on loopback, in memory, honest unless told otherwise; it records who told it what.

Speaks distribution-spec 1.1 as far as shipway does: manifests, blobs with ranges, uploads in parts, mounts, tags, catalog,
referrers; nobody, basic or token authentication. `order` makes chosen requests fail or lie, `headers` changes what answers say.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from shipway.host.location import Auth

_INDEX = "application/vnd.oci.image.index.v1+json"
_DRIP = 0.05
"""Seconds from one byte to the next."""


class Trick(StrEnum):
    """What happens to one request."""

    HONEST = "honest"
    ERROR = "error"
    """500."""
    BUSY = "busy"
    """429 with `Retry-After: 0`."""
    DENIED = "denied"
    """403, with the credentials that were sent in its message."""
    GONE = "gone"
    """404."""
    HTML = "html"
    """200 and a page for people."""
    TRUNCATE = "truncate"
    """All headers, half of the body, then the connection is cut."""
    WRONG = "wrong"
    """Other bytes of the same length."""
    SILENT = "silent"
    """Never answers, until the registry stops."""
    DRIP = "drip"
    """All headers, then a byte now and again, until the registry stops."""
    CUT = "cut"
    """Half of what is sent is taken, then the connection is cut."""
    TOO_LARGE = "too-large"
    """413."""
    REDIRECT = "redirect"
    """307 to `FakeRegistry.elsewhere` and the same path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, tuple[str, ...]]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""
    """Of forms only."""


@dataclass(slots=True, kw_only=True)
class Repository:
    """What one name holds."""

    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Tag or digest -> media type and bytes."""
    blobs: dict[str, bytes] = field(default_factory=dict)


class FakeRegistry:
    """Use as a context manager; `host` goes into references."""

    def __init__(
        self,
        *,
        basic: Auth | None = None,
        token: Auth | None = None,
        realm: str = "",
        certificate: str = "",
        client_authority: str = "",
    ) -> None:
        """`basic`: what every request must carry. `token`: what the token server wants; it is at `realm`, else here.

        `certificate`: file of a certificate and its key; then https is spoken. `client_authority`: file of the authority whose
        certificates clients must show.
        """
        self.basic, self.token, self.realm = basic, token, realm
        self.repositories: dict[str, Repository] = {}
        self.uploads: dict[str, bytearray] = {}
        self.seen: list[Seen] = []
        self.elsewhere = ""
        self.page_size = 1000
        self.found: list[dict[str, Any]] | None = None
        """What its search finds for every word; None: it has no search."""
        self.lists_referrers = True
        """Whether it has the referrers API, which older ones lack."""
        self.tokens: set[str] = set()
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self._orders: list[tuple[str, re.Pattern[str], list[Trick]]] = []
        self._headers: list[tuple[str, re.Pattern[str], dict[str, str]]] = []
        owner = self

        class Handler(_Handler):
            registry = owner

        self._server = _Server(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            if client_authority:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(client_authority)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def host(self) -> str:
        """`127.0.0.1:port`."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def repository(self, name: str) -> Repository:
        """The repository `name`, made when it is new."""
        return self.repositories.setdefault(name, Repository())

    def add_blob(self, name: str, data: bytes) -> str:
        """Hold `data` in the repository `name`; its digest."""
        digest = digest_of(data)
        self.repository(name).blobs[digest] = data
        return digest

    def add_manifest(self, name: str, tag: str, body: bytes, media_type: str) -> str:
        """Hold a manifest under `tag` and its digest, which is returned."""
        digest = digest_of(body)
        self.repository(name).manifests.update({tag: (media_type, body), digest: (media_type, body)})
        return digest

    def order(self, method: str, path: str, *tricks: Trick) -> None:
        """The next requests whose path the expression `path` finds meet `tricks`, one each; the last stays."""
        self._orders.append((method, re.compile(path), list(tricks)))

    def say(self, method: str, path: str, **headers: str) -> None:
        """Answers to such requests carry these headers in place of the honest ones; `_` stands for `-`."""
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        self._headers.append((method, re.compile(path), changed))

    def next_trick(self, method: str, path: str) -> Trick:
        """Take the trick for one request."""
        with self.lock:
            for wanted, pattern, tricks in self._orders:
                if wanted == method and pattern.search(path):
                    return tricks.pop(0) if len(tricks) > 1 else tricks[0]
        return Trick.HONEST

    def changed_headers(self, method: str, path: str) -> dict[str, str]:
        """Headers that `say` has changed."""
        found: dict[str, str] = {}
        for wanted, pattern, headers in self._headers:
            if wanted == method and pattern.search(path):
                found.update(headers)
        return found

    def asked(self, method: str, path: str) -> list[Seen]:
        """The requests of `method` whose path the expression finds."""
        return [seen for seen in self.seen if seen.method == method and re.search(path, seen.path)]

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


def digest_of(data: bytes) -> str:
    """`sha256:…`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    registry: FakeRegistry
    protocol_version = "HTTP/1.1"
    path_only: str
    query: Mapping[str, tuple[str, ...]]
    trick: Trick

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Nothing is logged; requests are kept in `FakeRegistry.seen`."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.path_only = parts.path
        self.query = {name: tuple(values) for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        form = self._body() if "urlencoded" in headers.get("content-type", "") else b""
        self.registry.seen.append(
            Seen(method=self.command, path=self.path_only, query=self.query, headers=headers, body=form)
        )
        self.trick = self.registry.next_trick(self.command, self.path_only)
        if self._tricked(headers):
            return
        if self.path_only == "/token":
            self._give_token(headers, form)
        elif self._welcome(headers):
            self._route()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names of the base class

    def _tricked(self, headers: Mapping[str, str]) -> bool:
        """Answer where the content does not matter; whether it was answered."""
        if self.trick is Trick.SILENT:
            self.close_connection = True
            self.registry.stopping.wait()
        elif self.trick is Trick.ERROR:
            self._say(500, b"no")
        elif self.trick is Trick.BUSY:
            self._say(429, b"later", {"Retry-After": "0"})
        elif self.trick is Trick.DENIED:
            self._error(403, "DENIED", f"not with {headers.get('authorization', '')}")
        elif self.trick is Trick.GONE:
            self._error(404, "UNKNOWN", "not here")
        elif self.trick is Trick.TOO_LARGE:
            self._body()
            self._say(413, b"too large")
        elif self.trick is Trick.HTML:
            self._say(200, b"<html>Accept the terms.</html>", {"Content-Type": "text/html"})
        elif self.trick is Trick.REDIRECT:
            self._say(307, b"", {"Location": self.registry.elsewhere + self.path})
        else:
            return False
        return True

    def _welcome(self, headers: Mapping[str, str]) -> bool:
        owner, sent = self.registry, headers.get("authorization", "")
        if owner.basic and sent != owner.basic.header:
            self._body()
            self._error(401, "UNAUTHORIZED", "who are you?", {"WWW-Authenticate": 'Basic realm="fake"'})
            return False
        if owner.token and sent.removeprefix("Bearer ") not in owner.tokens:
            self._body()
            realm = owner.realm or f"http://{owner.host}/token"
            value = f'Bearer realm="{realm}",service="fake"' + self._wanted_scope()
            self._error(401, "UNAUTHORIZED", f"not with {sent}", {"WWW-Authenticate": value})
            return False
        return True

    def _wanted_scope(self) -> str:
        match = re.match(r"/v2/(.+)/(?:manifests|blobs|tags|referrers)/", self.path_only)
        if not match:
            return ""
        reading = self.command in {"GET", "HEAD"} and "/uploads/" not in self.path_only
        return f',scope="repository:{match[1]}:{"pull" if reading else "pull,push"}"'

    def _give_token(self, headers: Mapping[str, str], form: bytes) -> None:
        wanted = self.registry.token
        sent = parse_qs(form.decode()).get("refresh_token", [""])[0]
        if wanted and wanted.header != headers.get("authorization") and wanted.password != sent:
            self._error(401, "UNAUTHORIZED", "wrong password")
            return
        token = f"token-{len(self.registry.tokens)}"
        self.registry.tokens.add(token)
        self._say(200, json.dumps({"token": token, "expires_in": 300}).encode())

    def _route(self) -> None:
        if self.path_only == "/v2/":
            self._say(200, b"{}")
        elif self.path_only == "/v1/search" and self.registry.found is not None:
            body = {"num_results": len(self.registry.found), "results": self.registry.found}
            self._say(200, json.dumps(body).encode(), {"Content-Type": "application/json"})
        elif self.path_only == "/v2/_catalog":
            self._page("repositories", sorted(self.registry.repositories))
        elif match := re.fullmatch(r"/v2/(.+)/tags/list", self.path_only):
            names = self.registry.repository(match[1]).manifests
            self._page("tags", sorted(name for name in names if ":" not in name))
        elif match := re.fullmatch(r"/v2/(.+)/blobs/uploads/([0-9]*)", self.path_only):
            self._upload(match[1], match[2])
        elif match := re.fullmatch(r"/v2/(.+)/manifests/([^/]+)", self.path_only):
            self._manifest(*match.groups())
        elif match := re.fullmatch(r"/v2/(.+)/blobs/([^/]+)", self.path_only):
            self._send_found(self.registry.repository(match[1]).blobs.get(match[2]), match[2])
        elif match := re.fullmatch(r"/v2/(.+)/referrers/([^/]+)", self.path_only):
            self._referrers(*match.groups())
        else:
            self._error(404, "UNSUPPORTED", "no such address")

    def _page(self, key: str, names: list[str]) -> None:
        after = self.query.get("last", ("",))[0]
        rest = [name for name in names if name > after]
        page = rest[: self.registry.page_size]
        link = {"Link": f'<{self.path_only}?n=9&last={page[-1]}>; rel="next"'} if rest[len(page) :] else {}
        self._say(200, json.dumps({key: page}).encode(), link)

    def _manifest(self, name: str, selector: str) -> None:
        held = self.registry.repository(name).manifests
        if self.command == "PUT":
            body, kind = self._body(), self.headers.get("Content-Type", "")
            with self.registry.lock:
                self.registry.add_manifest(name, selector, body, kind)
            subject = json.loads(body).get("subject", {}).get("digest")
            listed = {"OCI-Subject": subject} if subject and self.registry.lists_referrers else {}
            self._say(201, b"", {"Docker-Content-Digest": digest_of(body), **listed})
        elif selector in held:
            self._send_found(held[selector][1], digest_of(held[selector][1]), held[selector][0])
        else:
            self._error(404, "MANIFEST_UNKNOWN", "no such manifest")

    def _referrers(self, name: str, digest: str) -> None:
        if not self.registry.lists_referrers:
            self._error(404, "UNSUPPORTED", "no such address")
            return
        found = []
        for selector, (kind, body) in sorted(self.registry.repository(name).manifests.items()):
            table = json.loads(body)
            if ":" in selector and table.get("subject", {}).get("digest") == digest:
                found.append({"mediaType": kind, "digest": selector, "size": len(body), "annotations": table.get("annotations"),
                              "artifactType": table.get("artifactType", "")})  # fmt: skip
        after = self.query.get("last", ("",))[0]
        rest = [one for one in found if one["digest"] > after]
        page = rest[: self.registry.page_size]
        link = (
            {"Link": f'<{self.path_only}?last={page[-1]["digest"]}>; rel="next"'} if rest[len(page) :] else {}
        )
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": page}
        self._say(200, json.dumps(index).encode(), {"Content-Type": _INDEX, **link})

    def _send_found(self, body: bytes | None, digest: str, kind: str = "application/octet-stream") -> None:
        if body is None:
            self._error(404, "BLOB_UNKNOWN", "no such blob")
            return
        if self.trick is Trick.WRONG:
            body = bytes(255 - byte for byte in body)
        match = re.match(r"bytes=(\d+)-\Z", self.headers.get("Range", ""))
        start = int(match[1]) if match else 0
        headers = {"Content-Type": kind, "Docker-Content-Digest": digest}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        self._say(206 if start else 200, body[start:], headers)

    def _upload(self, name: str, session: str) -> None:
        owner = self.registry
        if self.command == "POST":
            self._begin_upload(name)
            return
        with owner.lock:
            data = owner.uploads.get(session)
        if data is None:
            self._error(404, "BLOB_UPLOAD_UNKNOWN", "no such upload")
            return
        where = {"Location": f"/v2/{name}/blobs/uploads/{session}"}
        if self.command != "GET":
            data += self._body(cut=self.trick is Trick.CUT)
        if self.command == "PUT":
            wanted = self.query.get("digest", ("",))[0]
            if digest_of(bytes(data)) != wanted:
                self._error(400, "DIGEST_INVALID", "these are other bytes")
                return
            with owner.lock:
                owner.add_blob(name, bytes(data))
                del owner.uploads[session]
            self._say(201, b"", {"Docker-Content-Digest": wanted})
        else:
            span = {"Range": f"0-{max(len(data) - 1, 0)}"}
            self._say(204 if self.command == "GET" else 202, b"", {**where, **span})

    def _begin_upload(self, name: str) -> None:
        owner, mount = self.registry, self.query.get("mount", ("",))[0]
        source = owner.repositories.get(self.query.get("from", ("",))[0], Repository()).blobs
        with owner.lock:
            if mount in source:
                owner.add_blob(name, source[mount])
                self._say(201, b"", {"Docker-Content-Digest": mount})
                return
            session = str(len(owner.uploads) + len(owner.seen))
            owner.uploads[session] = bytearray()
        self._say(202, b"", {"Location": f"/v2/{name}/blobs/uploads/{session}", "Range": "0-0"})

    def _body(self, *, cut: bool = False) -> bytes:
        length = int(self.headers.get("Content-Length", "0"))
        data = self.rfile.read(length // 2 if cut else length)
        if cut:
            session = self.path_only.rpartition("/")[2]
            self.registry.uploads[session] += data
            self._hang_up()
            raise ConnectionAbortedError
        return data

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def _error(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self._say(status, body, {"Content-Type": "application/json", **(headers or {})})

    def _say(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        said = {"Content-Length": str(len(body)), **(headers or {})}
        said.update(self.registry.changed_headers(self.command, self.path_only))
        for name, value in said.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.trick is Trick.TRUNCATE:
            self.wfile.write(body[: max(1, len(body) // 2)])
            self._hang_up()
        elif self.trick is Trick.DRIP:
            for at in range(len(body)):
                self.wfile.write(body[at : at + 1])
                if self.registry.stopping.wait(_DRIP):
                    break
            self._hang_up()
        else:
            self.wfile.write(body)
