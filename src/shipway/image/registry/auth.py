"""Who is told which credential.

A credential is sent to the registry it is kept for, or for a token to a host that is the same or that the user has named, and
never over a lower scheme than the registry's own. Tokens are asked for with the rights of the task at hand, whatever the
registry would like; they live in memory only.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode, urlsplit

from shipway.core.errors import FetchError, HostileInput
from shipway.core.text import shown
from shipway.host.credentials import Credentials
from shipway.host.http_transport import is_inner
from shipway.host.location import Auth, Bearer, Location, origin_of, parse_location, redacted
from shipway.image.registry.challenge import Challenge, Scope, find_widening, parse_challenges
from shipway.image.registry.model import AccessRefused

_SHORTEST_LIFE = 60.0
_LONGEST_LIFE = 3600.0
_MARGIN = 10.0
"""Seconds before its end that a token is not used any more."""
_LONGEST_TOKEN = 65536
_CLIENT = "shipway"

Ask = Callable[[Location, bytes | None], bytes]
"""GET a location, or POST a form to it, with retries; the body of a successful answer."""


@dataclass(frozen=True, slots=True)
class _Held:
    token: Bearer
    until: float


class Authorizer:
    """The credentials and tokens of one endpoint; safe to share between threads."""

    def __init__(
        self,
        origin: str,
        token_hosts: Iterable[str],
        find: Callable[[], Credentials | None],
        ask: Ask,
    ) -> None:
        """`find` looks the credentials up, once and only when a registry asks; `ask` reaches the token server."""
        self._origin = origin
        self._token_hosts = frozenset(host.lower() for host in token_hosts)
        self._find = find
        self._ask = ask
        self._lock = threading.RLock()
        self._challenge: Challenge | None = None
        self._tokens: dict[tuple[Scope, ...], _Held] = {}

    @cached_property
    def credentials(self) -> Credentials | None:
        """What this host keeps for the registry."""
        return self._find()

    @property
    def was_asked(self) -> bool:
        """Whether the registry has asked who we are."""
        return self._challenge is not None

    def current(self, scopes: tuple[Scope, ...]) -> Auth | Bearer | None:
        """What to send with the next request; None before the registry has asked for anything.

        Raises:
            FetchError: the token server gives no token.
        """
        with self._lock:
            if self._challenge is None:
                return None
            if self._challenge.scheme == "basic":
                return self.credentials.auth if self.credentials else None
            held = self._tokens.get(scopes)
            if held is None or time.monotonic() >= held.until:
                held = self._tokens[scopes] = self._fetch_token(self._challenge, scopes)
            return held.token

    def answer(self, headers: Iterable[str], scopes: tuple[Scope, ...], used: Auth | Bearer | None) -> bool:
        """Take the registry's challenge after it refused `used`; whether another attempt makes sense.

        Raises:
            HostileInput: it wants a token with more rights than `scopes`.
        """
        challenges = {challenge.scheme: challenge for challenge in reversed(parse_challenges(headers))}
        with self._lock:
            bearer = challenges.get("bearer")
            if bearer is not None:
                # A question without scope, as at a login, is answered by some with an example; ours asks for nothing then.
                wider = find_widening(bearer.get("scope"), scopes) if scopes else ""
                if wider:
                    raise HostileInput(
                        f"the registry `{redacted(self._origin)}` wants a token for `{shown(wider)}`, which this does not need",
                        hints=["tell the registry's administrator; no token was asked for"],
                    )
                if not isinstance(used, Bearer) or self._held(scopes) == used:
                    self._tokens.pop(scopes, None)
                self._challenge = bearer
                return True
            if "basic" in challenges and self.credentials and self.credentials.auth:
                self._challenge = challenges["basic"]
                return not isinstance(used, Auth)
            return False

    def hidden(self, text: str) -> str:
        """`text` without any secret of this endpoint: a hostile server may repeat what it was told."""
        found = self.__dict__.get("credentials")
        secrets = [*(found.secrets if found else ()), *(held.token.token for held in self._tokens.values())]
        for secret in secrets:
            text = text.replace(secret, "…")
        return text

    def _held(self, scopes: tuple[Scope, ...]) -> Bearer | None:
        held = self._tokens.get(scopes)
        return held.token if held else None

    def _fetch_token(self, challenge: Challenge, scopes: tuple[Scope, ...]) -> _Held:
        realm = self._checked_realm(challenge.get("realm"))
        found = self.credentials
        if found is not None:
            self._require_trusted(realm)
        asked = [("service", challenge.get("service")), *(("scope", scope.text) for scope in scopes)]
        if found is not None and found.identity_token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": found.identity_token,
                "client_id": _CLIENT,
                "service": challenge.get("service"),
                "scope": " ".join(scope.text for scope in scopes),
            }
            return _read_token(self._ask(Location(realm), urlencode(form).encode()), realm)
        auth = found.auth if found else None
        if auth is not None:
            asked.append(("account", auth.user))
        joint = "&" if urlsplit(realm).query else "?"
        return _read_token(self._ask(Location(realm + joint + urlencode(asked), auth=auth), None), realm)

    def _checked_realm(self, realm: str) -> str:
        """`realm`, if it is a place that this registry may send anybody to.

        Raises:
            HostileInput: it is no URL, of a lower scheme than the registry, or inside this machine.
        """
        try:
            place = parse_location(realm)
        except ValueError:
            place = None
        ours, theirs = urlsplit(self._origin), urlsplit(realm if place else "")
        if place is None or place.auth or theirs.scheme not in {"http", "https"} or theirs.fragment:
            why = "is no address"
        elif ours.scheme == "https" and theirs.scheme == "http":
            why = "is reached by plain http"
        elif is_inner(theirs.hostname or "") and not is_inner(ours.hostname or ""):
            why = "is on this machine"
        else:
            return realm
        raise HostileInput(
            f"the registry `{redacted(self._origin)}` sends for a token to `{shown(redacted(realm))}`, which {why}",
            hints=["tell the registry's administrator; no credential was sent"],
        )

    def _require_trusted(self, realm: str) -> None:
        """Raise unless the registry's credentials may be sent to `realm`.

        Raises:
            AccessRefused: it is another host, and nobody has allowed it.
        """
        host = origin_of(realm)[1]
        if host == origin_of(self._origin)[1] or {host, urlsplit(realm).netloc.lower()} & self._token_hosts:
            return
        raise AccessRefused(
            f"the registry `{redacted(self._origin)}` sends for a token to another host, `{shown(host)}`; "
            "the credentials were kept back",
            hints=[
                f'if that host belongs to the registry, write `token-hosts = ["{shown(host)}"]` for it in `registries.toml`',
                "or log out of the registry to go on without credentials",
            ],
        )


def _read_token(body: bytes, realm: str) -> _Held:
    """The token in a token server's answer.

    Raises:
        FetchError: there is none that could stand in a header.
    """
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    table = document if isinstance(document, dict) else {}
    token = table.get("token") or table.get("access_token")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
        token = ""
    if not token or len(token) > _LONGEST_TOKEN:
        raise FetchError(
            f"the token server `{redacted(realm)}` answered without a usable token",
            hints=["run the command again; if it stays so, tell the registry's administrator"],
        )
    life = table.get("expires_in")
    seconds = float(life) if isinstance(life, int) and not isinstance(life, bool) else _SHORTEST_LIFE
    seconds = min(max(seconds, _SHORTEST_LIFE), _LONGEST_LIFE) - _MARGIN
    return _Held(Bearer(token=token), time.monotonic() + seconds)
