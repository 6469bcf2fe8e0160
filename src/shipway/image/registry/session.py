"""Requests to one endpoint of a registry: identified, repeated within bounds, read up to a size, and reported without secrets."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from shipway.core.errors import FetchError, NotFound, ToolError
from shipway.core.text import shown
from shipway.host.credentials import Credentials, find_credentials
from shipway.host.http_transport import Answer, Limits, TransferFailed, Transport
from shipway.host.location import Location, redacted
from shipway.host.registries import Place, RegistrySettings
from shipway.host.transfer import CHUNK, Meter, retry_after
from shipway.image.registry.auth import Authorizer
from shipway.image.registry.challenge import Scope
from shipway.image.registry.model import AccessRefused

_AGENT = {"User-Agent": "shipway"}
_AGAIN = frozenset({408, 421, 425, 429, 500, 502, 503, 504})
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _OK = 401, 403, 404, 200
_SMALL = 1 << 20
_AGAIN_HINTS = ("run the command again", "check proxies and certificates with `shipway doctor`")
_CERTIFICATES = (
    "an authority or a client's certificate for this registry alone goes into a folder of `certs.d`: "
    "docs/guide/registries.md says which"
)
_CHALLENGES = 2
"""How often a registry may ask who we are: before it was told anything, and when a token is too old."""

Body = bytes | Callable[[], Iterable[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    url: str

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Endpoint:
    """One place where a registry's API is: the registry itself or a mirror, with its own credentials."""

    def __init__(
        self,
        url: str,
        place: Place,
        repository: str,
        settings: RegistrySettings,
        transport: Transport,
        limits: Limits,
        stopped: threading.Event,
        credentials: Credentials | None = None,
    ) -> None:
        """`url`: scheme, host, and a path that goes before repository names. `credentials`: in place of what the host keeps."""
        parts = urlsplit(url)
        self.origin = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
        self.root = url.rstrip("/")
        """The address without the API's own path."""
        own = parts.netloc == urlsplit(place.base).netloc
        namespace = "" if "/" in repository else place.namespace
        self.prefix = "/".join(filter(None, (parts.path.strip("/"), namespace)))
        self._transport, self._limits, self._stopped = transport, limits, stopped
        key = (place.login or place.name) if own else parts.netloc
        self.auth = Authorizer(
            self.origin,
            place.token_hosts if own else (),
            lambda: credentials or find_credentials(key, repository, settings.environ),
            self._ask_token_server,
        )

    def name_of(self, repository: str) -> str:
        """What the API calls `repository`."""
        return f"{self.prefix}/{repository}" if self.prefix else repository

    def url(self, path: str) -> str:
        """The address of `path` below `/v2/`."""
        return f"{self.origin}/v2/{path}"

    def ask(
        self,
        method: str,
        url: str,
        scopes: tuple[Scope, ...],
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        most: int = _SMALL,
        repeat: bool = True,
    ) -> Reply:
        """The answer to one request, whatever its status, after as many attempts as the limits allow.

        `body`: parts need a `Content-Length` in `headers`. `repeat`: False tries once, for who resumes in another way.

        Raises:
            AccessRefused: the registry wants credentials that this host has not.
            HostileInput: it asks for more rights than `scopes`.
            FetchError: no answer.
        """
        reasons = _Reasons(self._limits, self._stopped)
        for _ in reasons.rounds() if repeat else range(1):
            try:
                reply = self._identified(method, url, scopes, headers or {}, body, most)
            except TransferFailed as failed:
                reasons.add(failed)
                continue
            if reply.status not in _AGAIN:
                return reply
            reasons.add(TransferFailed(self.said(reply), wait=_wait(reply)))
        raise FetchError(
            f"the registry `{redacted(self.origin)}` does not answer {method} `{redacted(url)}`: "
            f"{self.auth.hidden(reasons.last)}",
            hints=[_CERTIFICATES] if reasons.last.startswith("TLS: ") else _AGAIN_HINTS,
        )

    def require(self, reply: Reply, statuses: Iterable[int], what: str) -> Reply:
        """`reply`, if its status is one of `statuses`; `what` names the request for people.

        Raises:
            AccessRefused: 401 or 403.
            NotFound: 404.
            FetchError: any other.
        """
        if reply.status in statuses:
            return reply
        if reply.status in {_UNAUTHORIZED, _FORBIDDEN}:
            raise self.access_refused(reply)
        message = f"the registry `{redacted(self.origin)}` refuses {what}: {self.said(reply)}"
        if reply.status == _NOT_FOUND:
            raise NotFound(message, hints=["check the name, and `shipway login` if it is not public"])
        raise FetchError(message, hints=["tell the registry's administrator what it answered"])

    def is_stopped(self) -> bool:
        """Whether the caller has ended everything in progress."""
        return self._stopped.is_set()

    def pause(self, failed: int) -> None:
        """Wait before the next attempt after `failed` that moved nothing."""
        if failed:
            self._stopped.wait(min(self._limits.pause * 2 ** (failed - 1), self._limits.pause_most))

    def access_refused(self, reply: Reply) -> ToolError:
        """The error for an answer that wants other credentials."""
        found = self.auth.credentials
        whose = f"with the credentials from `{found.named_by}`" if found else "without credentials"
        host = urlsplit(self.origin).netloc
        return AccessRefused(
            f"the registry `{redacted(self.origin)}` refuses access {whose}: {self.said(reply)}",
            hints=[f"run `shipway login {host}`", "check that the user may do this there"],
        )

    def access_refused_for(self, what: str, detail: str) -> ToolError:
        """The error for `what` when the transfer itself was refused."""
        return AccessRefused(
            f"the registry `{redacted(self.origin)}` refuses {what}",
            hints=[f"run `shipway login {urlsplit(self.origin).netloc}`"],
            detail=self.auth.hidden(detail),
        )

    def said(self, reply: Reply) -> str:
        """Status and the registry's own words, made safe to show."""
        words = ""
        try:
            errors = json.loads(reply.body)["errors"]
            words = "; ".join(f"{error.get('code', '')}: {error.get('message', '')}" for error in errors[:3])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            words = ""
        text = f"answered {reply.status}" + (f" ({words})" if words else "")
        return shown(self.auth.hidden(text), 400)

    def _identified(
        self,
        method: str,
        url: str,
        scopes: tuple[Scope, ...],
        headers: Mapping[str, str],
        body: Body | None,
        most: int,
    ) -> Reply:
        """One answer that is not a challenge: the registry asks who we are, and may find one token too old."""
        used = self.auth.current(scopes)
        reply = self._once(method, Location(url, auth=used), headers, body, most)
        for _ in range(_CHALLENGES):
            if reply.status != _UNAUTHORIZED:
                return reply
            if not self.auth.answer(_challenges(reply), scopes, used):
                break
            used = self.auth.current(scopes)
            reply = self._once(method, Location(url, auth=used), headers, body, most)
        if reply.status == _UNAUTHORIZED:
            raise self.access_refused(reply)
        return reply

    def _once(
        self, method: str, location: Location, headers: Mapping[str, str], body: Body | None, most: int
    ) -> Reply:
        sent = {**_AGENT, "Accept-Encoding": "identity", **headers}
        parts = body() if callable(body) else body
        with self._transport.open(location, sent, method=method, body=parts) as answer:
            return _read_reply(answer, b"" if method == "HEAD" else None, most, self._limits)

    def _ask_token_server(self, location: Location, form: bytes | None) -> bytes:
        """Raises AccessRefused when it says no, FetchError when it does not answer."""
        reasons = _Reasons(self._limits, self._stopped)
        headers = {"Accept": "application/json"}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        for _ in reasons.rounds():
            try:
                reply = self._once("GET" if form is None else "POST", location, headers, form, _SMALL)
            except TransferFailed as failed:
                reasons.add(failed)
                continue
            if reply.status == _OK:
                return reply.body
            if reply.status not in _AGAIN:
                raise self.access_refused(reply)
            reasons.add(TransferFailed(self.said(reply), wait=_wait(reply)))
        raise FetchError(
            f"the token server `{location}` gives no token: {self.auth.hidden(reasons.last)}",
            hints=["run the command again"],
        )


class _Reasons:
    """Why attempts failed, and how long to wait before the next."""

    def __init__(self, limits: Limits, stopped: threading.Event) -> None:
        self._limits, self._stopped = limits, stopped
        self._final = False
        self._wait = 0.0
        self.last = "it was stopped"

    def add(self, failed: TransferFailed) -> None:
        self.last, self._final, self._wait = failed.reason, failed.final, failed.wait

    def rounds(self) -> Iterator[int]:
        pause = self._limits.pause
        for number in range(self._limits.rounds):
            if number:
                self._stopped.wait(min(max(pause, self._wait), self._limits.pause_most))
                pause *= 2
            if self._stopped.is_set():
                self.last = "it was stopped"
                return
            yield number
            if self._final:
                return


def _read_reply(answer: Answer, known: bytes | None, most: int, limits: Limits) -> Reply:
    parts: list[bytes] = []
    meter, total = Meter(limits), 0
    while known is None and (chunk := answer.read_some(CHUNK)):
        total += len(chunk)
        if total > most:
            raise TransferFailed(f"sends more than {most} bytes", final=True, large=True)
        parts.append(chunk)
        meter.count(len(chunk))
    headers = {name.lower(): str(value) for name, value in answer.headers.items()}
    return Reply(status=answer.status, headers=headers, body=known or b"".join(parts), url=answer.url)


def _challenges(reply: Reply) -> tuple[str, ...]:
    # Several headers of one name arrive joined by commas, which is what their grammar allows.
    value = reply.headers.get("www-authenticate", "")
    return (value,) if value else ()


def _wait(reply: Reply) -> float:
    return retry_after(reply.headers.get("retry-after", ""))
