"""One request and its answer over urllib3: proxies, TLS, redirects, who may see which credential, and deadlines."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from shipway.host.http_settings import netrc_auth, proxy_for, tls_context
from shipway.host.location import Auth, Bearer, Location, origin_of, parse_location, redacted
from shipway.host.registry_certs import HostCertificates

_MOVED = frozenset({301, 302, 303, 307, 308})
_POOL = 32

FindCertificates = Callable[[str], HostCertificates | None]
"""The certificates of one host (`name[:port]`), or none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a server may take. Seconds, bytes per second, counts."""

    connect: float = 15.0
    silence: float = 30.0
    """Without one byte."""
    headers: float = 60.0
    """From the request to the end of the answer's headers."""
    slow_window: float = 30.0
    slow_rate: int = 1024
    """Fewer bytes per second over a window, and the transfer is given up."""
    rounds: int = 4
    """How often each location is asked while nothing arrives."""
    resumes: int = 20
    """How often a transfer that does move may be resumed."""
    pause: float = 0.5
    """Before the second round; doubled each time."""
    pause_most: float = 8.0
    redirects: int = 8


class TransferFailed(Exception):
    """One attempt at one location failed. `final`: asking there again is no use; `missing`: it answered that it has none."""

    def __init__(
        self,
        reason: str,
        *,
        final: bool = False,
        missing: bool = False,
        slow: bool = False,
        large: bool = False,
        refused: bool = False,
        wait: float = 0.0,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final
        self.missing = missing
        self.slow = slow
        """It delivers, but not in a time that anybody would wait."""
        self.large = large
        """It is there, and larger than was asked for."""
        self.refused = refused
        """It wants credentials, or others than it was given."""
        self.wait = wait
        """Seconds that the server asks to be left alone."""


class Answer:
    """A response whose headers have arrived."""

    def __init__(self, response: urllib3.BaseHTTPResponse, url: str) -> None:
        self._response = response
        self.url = url
        """Where it came from in the end, after redirects."""
        self.status = response.status
        self.headers = response.headers

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters."""
        return str(self.headers.get("Content-Type", "")).partition(";")[0].strip().lower()

    @property
    def length(self) -> int | None:
        """What `Content-Length` states."""
        text = str(self.headers.get("Content-Length", ""))
        return int(text) if text.isascii() and text.isdigit() else None

    def read_some(self, most: int, *, decode: bool = False) -> bytes:
        """What has arrived, at most `most` bytes, waiting for the first; empty at the end.

        Raises:
            TransferFailed: the connection broke or went silent.
        """
        with _translating():
            return self._response.read1(most, decode_content=decode)


class Transport:
    """Connections that are kept open and shared by threads, one pool per proxy."""

    def __init__(
        self,
        environ: Mapping[str, str],
        limits: Limits,
        *,
        netrc: bool = True,
        certificates: FindCertificates | None = None,
    ) -> None:
        """`netrc`: whether that file's credentials are sent where a location brings none.

        `certificates`: what a host (`name[:port]`) has of its own; a connection to it uses them, and no other does.
        """
        self._environ = environ
        self._certificates = certificates
        self._netrc = netrc
        self._limits = limits
        self._pools: dict[tuple[str, str], urllib3.PoolManager] = {}
        self._special: dict[str, HostCertificates | None] = {}
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None

    @contextmanager
    def open(
        self,
        location: Location,
        headers: Mapping[str, str],
        *,
        method: str = "GET",
        body: bytes | Iterable[bytes] | None = None,
    ) -> Iterator[Answer]:
        """Ask `location` and follow redirects; a connection whose answer is not read to its end is closed.

        Only GET and HEAD are redirected. A `body` of parts needs a `Content-Length` among the `headers`.

        Raises:
            TransferFailed: no answer, or a redirect that must not be followed.
        """
        start = _with_user_information_apart(location)
        url, auth = start.url, start.auth or self._netrc_auth(start.url)
        for _ in range(self._limits.redirects + 1):
            response = self._request(method, url, auth, start.proxy, headers, body)
            if response.status not in _MOVED or not response.headers.get("Location"):
                break
            if method not in {"GET", "HEAD"}:
                response.close()
                raise TransferFailed(f"redirected a {method} request, which must not be followed", final=True)
            following = _redirect_target(url, str(response.headers["Location"]))
            response.drain_conn() if (response.length_remaining or 0) < 1 << 16 else response.close()
            response.release_conn()
            if origin_of(following) != origin_of(url):
                auth = None
            url = following
        else:
            raise TransferFailed("redirects without end", final=True)
        try:
            yield Answer(response, url)
        finally:
            # A half-read connection must not go back to the pool.
            if response.length_remaining != 0:
                response.close()
            response.release_conn()

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
            for pool in self._pools.values():
                pool.clear()

    def _netrc_auth(self, url: str) -> Auth | None:
        return netrc_auth(origin_of(url)[1], self._environ) if self._netrc else None

    def _request(
        self,
        method: str,
        url: str,
        auth: Auth | Bearer | None,
        proxy: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None,
    ) -> urllib3.BaseHTTPResponse:
        sent = dict(headers)
        if auth is not None:
            sent["Authorization"] = auth.header
        pool = self._pool("" if proxy == "DIRECT" else proxy or proxy_for(url, self._environ), url)
        timeout = urllib3.Timeout(connect=self._limits.connect, read=self._limits.silence)
        with _translating():
            response = pool.request(
                method, url, body=body, headers=sent, redirect=False, retries=False, preload_content=False, timeout=timeout
            )  # fmt: skip
        # Two readers would see two ends of such an answer; and a cut one could not be told from a whole one.
        length = response.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            response.close()
            raise TransferFailed("states a length that is no number")
        return response

    def _pool(self, proxy: str, url: str) -> urllib3.PoolManager:
        with self._lock:
            special = self._find_special(url)
            key = (proxy, special.folder if special else "")
            if key not in self._pools:
                self._pools[key] = self._new_pool(proxy, special)
            return self._pools[key]

    def _find_special(self, url: str) -> HostCertificates | None:
        parts = urlsplit(url)
        if self._certificates is None or parts.scheme != "https":
            return None
        if parts.netloc not in self._special:
            self._special[parts.netloc] = self._certificates(parts.netloc)
        return self._special[parts.netloc]

    def _new_pool(self, proxy: str, special: HostCertificates | None) -> urllib3.PoolManager:
        if self._tls is None:
            self._tls = tls_context(self._environ)
        context = self._tls
        if special is not None:
            context = tls_context(self._environ)
            special.add_to(context)
        options: dict[str, Any] = {"maxsize": _POOL, "ssl_context": context}
        pool: urllib3.PoolManager
        if not proxy:
            pool = urllib3.PoolManager(**options)
        elif urlsplit(proxy).scheme in {"http", "https"}:
            place = parse_location(proxy)
            secret = {"Proxy-Authorization": place.auth.header} if place.auth else None
            pool = urllib3.ProxyManager(
                place.url, proxy_headers=secret, proxy_ssl_context=self._tls, **options
            )
        else:
            raise TransferFailed(f"the proxy `{redacted(proxy)}` is neither http nor https", final=True)
        pool.pool_classes_by_scheme = _pools_with_deadline(self._limits.headers)
        return pool


def _with_user_information_apart(location: Location) -> Location:
    try:
        parsed = parse_location(location.url, proxy=location.proxy)
    except ValueError as error:
        raise TransferFailed(f"not a usable URL: {error}", final=True) from error
    return Location(parsed.url, auth=location.auth or parsed.auth, proxy=location.proxy)


def _redirect_target(url: str, target: str) -> str:
    """Where a redirect may lead.

    Raises:
        TransferFailed: to another scheme than http(s), from https to http, into this host or its link, or to no URL.
    """
    try:
        following = parse_location(urljoin(url, target)).url
    except ValueError as error:
        raise TransferFailed("redirected to something that is no URL", final=True) from error
    before, after = urlsplit(url), urlsplit(following)
    if after.scheme not in {"http", "https"} or (before.scheme == "https" and after.scheme == "http"):
        raise TransferFailed(f"redirected from {before.scheme} to `{redacted(following)}`", final=True)
    if is_inner(after.hostname or "") and not is_inner(before.hostname or ""):
        raise TransferFailed(f"redirected into this machine: `{redacted(following)}`", final=True)
    return following


def is_inner(host: str) -> bool:
    """Whether `host` is this machine or its link by its name alone: where nobody outside may send us."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_link_local or address.is_unspecified


@contextmanager
def _translating() -> Iterator[None]:
    """What urllib3 and the socket raise, as one kind of failure with a reason a person can use."""
    try:
        yield
    except urllib3.exceptions.SSLError as error:
        raise TransferFailed(f"TLS: {_first_cause(error)}", final=True) from error
    except urllib3.exceptions.NameResolutionError as error:
        raise TransferFailed("the host name is not known") from error
    except urllib3.exceptions.NewConnectionError as error:
        raise TransferFailed(_first_cause(error)) from error
    except urllib3.exceptions.ConnectTimeoutError as error:
        raise TransferFailed("no connection in time") from error
    except urllib3.exceptions.TimeoutError as error:
        raise TransferFailed("went silent", slow=True) from error
    except urllib3.exceptions.LocationValueError as error:
        raise TransferFailed("not a usable URL", final=True) from error
    except urllib3.exceptions.IncompleteRead as error:
        raise TransferFailed("the connection was cut") from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise TransferFailed(_first_cause(error)) from error


def _first_cause(error: BaseException) -> str:
    """The innermost reason, without the object addresses that urllib3 prints."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, (ssl.SSLError, OSError)) and str(inner):
            return inner.strerror or str(inner)
        inner = inner.__cause__ or inner.__context__ or getattr(inner, "reason", None)
        if not isinstance(inner, BaseException):
            break
    return type(error).__name__


def _pools_with_deadline(seconds: float) -> dict[str, type[HTTPConnectionPool]]:
    """Connection classes that cut a server which sends its headers byte by byte; socket timeouts never see that."""

    class Plain(HTTPConnection):
        def getresponse(self) -> Any:
            return _before_deadline(self.sock, seconds, super().getresponse)

    class Secure(HTTPSConnection):
        def getresponse(self) -> Any:
            return _before_deadline(self.sock, seconds, super().getresponse)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain  # type: ignore[mutable-override]

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure  # type: ignore[mutable-override]

    return {"http": PlainPool, "https": SecurePool}


def _before_deadline(sock: socket.socket, seconds: float, read: Callable[[], Any]) -> Any:
    late = threading.Event()
    timer = threading.Timer(seconds, _cut, [sock, late])
    timer.daemon = True
    timer.start()
    try:
        answer = read()
    except (OSError, HTTPException) as error:
        if late.is_set():
            raise TransferFailed("no answer in time", slow=True) from error
        raise
    finally:
        timer.cancel()
    if late.is_set():  # http.client takes headers that were cut for headers that ended
        raise TransferFailed("no answer in time", slow=True)
    return answer


def _cut(sock: socket.socket, late: threading.Event) -> None:
    late.set()
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is closed already
