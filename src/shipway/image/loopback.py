"""A registry on loopback that offers one image, read-only, for as long as an engine on this machine pulls it.

Only what pulling needs (OCI distribution-spec 1.1, "Pull"): manifests and blobs by GET and HEAD, with ranges. Layers are
generated from trees while they are sent. Loopback is everybody's on this machine, and an image may be private: only
connections of the caller's own processes and of root's (who is every engine's daemon) are answered.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

from shipway.image.oci import CONFIG_TYPE, MANIFEST_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shipway.image.portable import PortableImage, PortableLayer

REPOSITORY = "shipway/image"
TAG = "latest"
_CONNECTIONS = "/proc/net/tcp"
_RANGE = re.compile(r"bytes=(\d+)-(\d*)\Z", re.ASCII)
_PATIENCE = 60.0
"""Seconds of silence after which a connection is closed."""


class Loopback:
    """The registry while it runs."""

    def __init__(self, image: PortableImage, taken: Callable[[PortableLayer], None]) -> None:
        """`taken`: told of each layer as its last bytes go, from another thread and before the engine has them all."""
        self.taken = taken
        self.manifest = image.image.manifest
        self.digest = image.image.digest
        self.config = image.image.config
        self.config_digest = image.image.config_digest
        self.layers = {str(layer.diff_id): layer for layer in image.layers}
        self.asked = 0
        """Requests so far: none means that the engine does not reach this machine's loopback."""
        self._server = _Server(self)

    @property
    def reference(self) -> str:
        """What to pull."""
        return f"127.0.0.1:{self._server.server_address[1]}/{REPOSITORY}:{TAG}"

    def serve(self) -> None:
        """Answer until `stop`."""
        self._server.serve_forever(poll_interval=0.02)

    def stop(self) -> None:
        """End `serve`, and every connection with it."""
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def serving(image: PortableImage, taken: Callable[[PortableLayer], None]) -> Iterator[Loopback]:
    """Offer `image` until the block ends."""
    registry = Loopback(image, taken)
    thread = threading.Thread(target=registry.serve, name="loopback registry", daemon=True)
    # Threads of open connections may outlive us; a signal for the container that starts next must not end in one of them.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield registry
    finally:
        registry.stop()
        thread.join()


def parse_range(text: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a `Range` header over `size` bytes; None for the whole, which a server may always send."""
    found = _RANGE.match(text)
    if not found:
        return None
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    return (first, last) if first <= last else None


def find_owner(connections: str, port: int) -> int | None:
    """Whose socket at 127.0.0.1 has the local `port`, by the text of `/proc/net/tcp` (proc(5)); None if there is none."""
    wanted = f"0100007F:{port:04X}"
    for line in connections.splitlines()[1:]:
        words = line.split()
        if len(words) > 7 and words[1] == wanted:  # noqa: PLR2004 - the column `uid`
            return int(words[7])
    return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, registry: Loopback) -> None:
        self.registry = registry
        super().__init__(("127.0.0.1", 0), _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether the other end is one that may read the image."""
        del request
        with open(_CONNECTIONS, encoding="ascii") as file:
            owner = find_owner(file.read(), int(client_address[1]))
        return owner in (0, os.geteuid())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: an engine that closes early has its own way to report why."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE  # type: ignore[mutable-override] # the base class allows None too

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
        """Keep quiet."""

    @property
    def _registry(self) -> Loopback:
        return cast("_Server", self.server).registry

    def _answer(self, *, body: bool) -> None:
        registry = self._registry
        registry.asked += 1
        path = self.path.partition("?")[0]
        kind, _, name = path.removeprefix(f"/v2/{REPOSITORY}/").partition("/")
        if path in ("/v2/", "/v2"):
            self._send(b"{}", "application/json", body=body)
        elif kind == "manifests" and name in (TAG, registry.digest):
            self._send(registry.manifest, MANIFEST_TYPE, digest=registry.digest, body=body)
        elif kind == "blobs" and name == registry.config_digest:
            self._send(registry.config, CONFIG_TYPE, digest=name, body=body)
        elif kind == "blobs" and name in registry.layers:
            self._send_layer(registry.layers[name], body=body)
        else:
            self._send(b'{"errors":[{"code":"NAME_UNKNOWN"}]}', "application/json", status=404, body=body)

    def _send(self, data: bytes, media_type: str, *, body: bool, digest: str = "", status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(data)))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def _send_layer(self, layer: PortableLayer, *, body: bool) -> None:
        part = parse_range(self.headers.get("Range", ""), layer.size)
        first, last = part or (0, layer.size - 1)
        self.send_response(206 if part else 200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Docker-Content-Digest", layer.diff_id)
        self.send_header("Accept-Ranges", "bytes")
        if part:
            self.send_header("Content-Range", f"bytes {first}-{last}/{layer.size}")
        self.end_headers()
        if not body:
            return
        layer.write(_Part(self.wfile.write, first, last + 1, lambda: self._registry.taken(layer)))


class _Part:
    """Passes on only the bytes from `first` up to `end` of all that is written; calls `ends` before the last of them."""

    def __init__(
        self, write: Callable[[bytes | memoryview], object], first: int, end: int, ends: Callable[[], None]
    ) -> None:
        self._write, self._first, self._end, self._ends = write, first, end, ends
        self._at = 0

    def write(self, data: bytes | memoryview, /) -> int:
        """Take `data`."""
        start, stop = max(self._first - self._at, 0), self._end - self._at
        self._at += len(data)
        if start < len(data) and stop > 0:
            if stop <= len(data):
                self._ends()
            self._write(memoryview(data)[start:stop])
        return len(data)
