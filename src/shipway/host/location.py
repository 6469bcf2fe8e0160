"""Places that bytes are fetched from, with the credentials that belong to exactly one origin."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from shipway.core.text import shown

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """A user name and password. Neither is ever printed."""

    user: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def header(self) -> str:
        """The value of `Authorization` (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """A token that a token server gave (RFC 6750). Never printed."""

    token: str = field(repr=False)

    @property
    def header(self) -> str:
        """The value of `Authorization`."""
        return f"Bearer {self.token}"


@dataclass(frozen=True, slots=True)
class Location:
    """One URL (`https`, `http`, `file`) without user information, and how to ask there."""

    url: str
    auth: Auth | Bearer | None = field(default=None, kw_only=True, repr=False)
    """Sent to the origin of `url` only."""
    proxy: str = field(default="", kw_only=True, repr=False)
    """Empty: as the environment says; `DIRECT`: none; else the proxy's URL."""
    part: tuple[int, int] | None = field(default=None, kw_only=True)
    """Of a `file:` URL: offset and length of what is meant, whose file is then no link. None: all of it."""

    def __str__(self) -> str:
        return redacted(self.url)


def parse_location(url: str, *, proxy: str = "") -> Location:
    """The location of `url`, whose `user:password@` becomes credentials.

    Raises:
        ValueError: `url` has no host where it needs one, a bad port, or control characters.
    """
    if any(ord(c) < 0x21 or ord(c) == 0x7F for c in url):  # noqa: PLR2004 - C0 controls and space
        raise ValueError("a URL holds a space or a control character")
    parts = urlsplit(url)
    if parts.scheme in _PORTS and not parts.hostname:
        raise ValueError(f"no host in `{redacted(url)}`")
    _ = parts.port
    if "@" not in parts.netloc:
        return Location(url, proxy=proxy)
    bare = parts.netloc.rpartition("@")[2]
    auth = Auth(user=unquote(parts.username or ""), password=unquote(parts.password or ""))
    return Location(urlunsplit(parts._replace(netloc=bare)), auth=auth, proxy=proxy)


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host in lower case, and port: what credentials are bound to."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)


def redacted(url: str) -> str:
    """`url` for people: no credentials, no query (it may be a signature), no control characters."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    return shown(urlunsplit((parts.scheme, netloc, parts.path, "…" if parts.query else "", "")), 300)
