"""Where image registries are and how they may be reached, from this host's configuration. No host name stands here.

In order of preference: the variables `SHIPWAY_REGISTRY`, `SHIPWAY_INSECURE_REGISTRIES` and `SHIPWAY_PUSH_ALLOW`; the user's and
the system's `shipway/registries.toml`; and `registries.conf` of Podman and Skopeo (containers-registries.conf(5)).
A registry is spoken to by https. Plain http is for loopback, and for registries that one of these calls insecure.
"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from shipway.core.errors import ExitCode, SpecError, ToolError
from shipway.core.reference import Reference, parse_registry
from shipway.core.text import shown
from shipway.host.containers_conf import read_containers_registries
from shipway.host.location import parse_location
from shipway.host.registry_certs import HostCertificates, certificate_folders, find_certificates

_KEYS = {"url", "search", "mirrors", "insecure", "namespace", "login", "token-hosts"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One registry as this host sees it."""

    name: str
    """As it stands in references."""
    url: str = ""
    """Scheme and host of its API where they are not its name's."""
    search: str = ""
    """Scheme and host of its search where that is not its API's; credentials for the registry are not sent to another host."""
    mirrors: tuple[str, ...] = ()
    """URLs of pull-through copies, asked first; never for pushes."""
    insecure: bool = False
    """May be spoken to by plain http."""
    namespace: str = ""
    """What stands before names of one part in its API."""
    login: str = ""
    """What Docker's configuration and helpers call it where that is not its name."""
    token_hosts: tuple[str, ...] = ()
    """Other hosts (`host[:port]`) that may be sent its credentials for a token."""

    @property
    def base(self) -> str:
        """Where its API is, without a slash at the end."""
        if self.url:
            return self.url
        scheme = "http" if self.insecure or is_loopback(self.name) else "https"
        return f"{scheme}://{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """All that this host says about registries."""

    default: str = ""
    """The registry of names without one; empty: there is none."""
    places: Mapping[str, Place] = field(default_factory=dict)
    push_allow: tuple[str, ...] | None = None
    """Prefixes (`registry/path`) that may be pushed to; None: any."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificate_folders: tuple[str, ...] = ()
    """Where single registries' certificates are, the more important first."""
    offline: bool = False

    def place(self, registry: str) -> Place:
        """How to reach `registry`. One on this machine that has certificates of its own speaks TLS."""
        known = self.places.get(registry)
        if known is None and is_loopback(registry) and self.certificates(registry):
            return Place(name=registry, url=f"https://{registry}")
        return known or Place(name=registry)

    def certificates(self, host: str) -> HostCertificates | None:
        """What this host keeps for `host` (`name[:port]`) alone.

        Raises:
            ToolError: the folder cannot be used as it is.
        """
        return find_certificates(host, self.certificate_folders)

    def complete(self, reference: Reference) -> Reference:
        """`reference` with a registry: its own, else the host's default.

        Raises:
            ToolError: neither names one.
        """
        if reference.registry:
            return reference
        if not self.default:
            raise ToolError(
                f"`{reference.text}` names no registry, and this host has no default one",
                hints=[
                    f"write `registry.example.org/{reference.repository}`",
                    "or set SHIPWAY_REGISTRY to the registry that names without one mean",
                ],
                code=ExitCode.USAGE,
            )
        return replace(reference, registry=self.default)


def is_loopback(registry: str) -> bool:
    """Whether `registry` (`host[:port]`) is on this machine by its name alone."""
    host = urlsplit(f"//{registry}").hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_registry_settings(
    environ: Mapping[str, str], *, config_files: tuple[str, ...] = (), root: str = "/", offline: bool = False
) -> RegistrySettings:
    """What this host says. `config_files` are `registries.toml` files, the more important first.

    Raises:
        SpecError: a file is not what it should be.
    """
    default, places = _foreign_settings(environ, root)
    allow: tuple[str, ...] | None = None
    for path in reversed(config_files):
        document = _read_toml(path)
        default = _text(path, document, "default") or default
        for name, table in _tables(path, document):
            places[name] = _read_place(path, name, table, places.get(name) or Place(name=name))
        push = document.get("push", {})
        if not isinstance(push, dict) or set(push) - {"allow"}:
            raise _wrong(path, "`[push]` holds `allow`, a list of registry prefixes")
        if "allow" in push:
            allow = _texts(path, push, "allow")
    for name in environ.get("SHIPWAY_INSECURE_REGISTRIES", "").replace(",", " ").split():
        places[name] = replace(places.get(name) or Place(name=parse_registry(name)), insecure=True)
    if environ.get("SHIPWAY_PUSH_ALLOW"):
        allow = tuple(environ["SHIPWAY_PUSH_ALLOW"].replace(",", " ").split())
    default = environ.get("SHIPWAY_REGISTRY") or default
    return RegistrySettings(
        default=parse_registry(default) if default else "",
        places=places,
        push_allow=allow,
        environ=environ,
        certificate_folders=certificate_folders(environ, root),
        offline=offline,
    )


def _foreign_settings(environ: Mapping[str, str], root: str) -> tuple[str, dict[str, Place]]:
    default, found = read_containers_registries(environ, root)
    places = {}
    for name, it in found.items():
        scheme = "http" if it.insecure or is_loopback(it.location or name) else "https"
        places[name] = Place(
            name=name,
            url=f"{scheme}://{it.location}" if it.location else "",
            insecure=it.insecure,
            mirrors=tuple(
                f"{'http' if insecure or is_loopback(place) else 'https'}://{place}"
                for place, insecure in it.mirrors
            ),
        )
    return default, places


def _read_toml(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _wrong(path, str(error)) from error


def _tables(path: str, document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    unknown = set(document) - {"default", "push", "registries"}
    if unknown:
        raise _wrong(path, f"`{shown(min(unknown))}` is no key of it")
    tables = document.get("registries", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise _wrong(path, '`registries` holds tables: write `[registries."host"]`')
    return [(parse_registry(name), table) for name, table in tables.items()]


def _read_place(path: str, name: str, table: dict[str, Any], before: Place) -> Place:
    unknown = set(table) - _KEYS
    if unknown:
        raise _wrong(path, f'`{shown(min(unknown))}` is no key of `[registries."{name}"]`')
    insecure = table.get("insecure", before.insecure)
    if not isinstance(insecure, bool):
        raise _wrong(path, f"`insecure` of `{name}` is true or false")
    url, search = _text(path, table, "url"), _text(path, table, "search")
    mirrors = _texts(path, table, "mirrors") if "mirrors" in table else before.mirrors
    for address in filter(None, (url, search, *mirrors)):
        _check_address(path, address)
    return Place(
        name=name,
        url=url.rstrip("/") or before.url,
        search=search.rstrip("/") or before.search,
        mirrors=tuple(mirror.rstrip("/") for mirror in mirrors),
        insecure=insecure,
        namespace=_text(path, table, "namespace") or before.namespace,
        login=_text(path, table, "login") or before.login,
        token_hosts=_texts(path, table, "token-hosts") if "token-hosts" in table else before.token_hosts,
    )


def _check_address(path: str, address: str) -> None:
    try:
        parsed = parse_location(address)
    except ValueError as error:
        raise _wrong(path, str(error)) from error
    if urlsplit(parsed.url).scheme not in {"http", "https"} or parsed.auth is not None:
        raise _wrong(path, "addresses start with http:// or https:// and hold no credentials")


def _text(path: str, table: dict[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise _wrong(path, f"`{key}` is a text")
    return value


def _texts(path: str, table: dict[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(path, f"`{key}` is a list of texts")
    return tuple(value)


def _wrong(path: str, why: str) -> SpecError:
    return SpecError(
        f"`{path}` is wrong: {shown(why)}", hints=["correct it; docs/guide/registries.md has an example"]
    )
