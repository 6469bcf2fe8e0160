"""What the host says about reaching the network: certificates, proxies, netrc."""

from __future__ import annotations

import ipaddress
import netrc
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from shipway.core.errors import ToolError
from shipway.host.location import Auth
from shipway.host.pip_config import read_pip_config

_BUNDLE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A file or directory of certificates, and who named it (`SSL_CERT_FILE`, `pip configuration`, `system`)."""

    path: str
    named_by: str


def find_bundle(environ: Mapping[str, str]) -> Bundle | None:
    """The certificates this host wants used: the first variable that is set, pip's `cert`, then the system's."""
    for name in _BUNDLE_VARIABLES:
        if environ.get(name):
            return Bundle(path=environ[name], named_by=name)
    configured = read_pip_config(environ).get("cert")
    if configured:
        return Bundle(path=os.path.expanduser(configured), named_by="pip configuration")
    for path in _SYSTEM_BUNDLES:
        if os.path.exists(path):
            return Bundle(path=path, named_by="system")
    return None


def tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """A verifying client context.

    Raises:
        ToolError: the bundle that the host names cannot be read.
    """
    bundle = find_bundle(environ)
    if bundle is None:
        return ssl.create_default_context()
    try:
        if os.path.isdir(bundle.path):
            return ssl.create_default_context(capath=bundle.path)
        return ssl.create_default_context(cafile=bundle.path)
    except (OSError, ssl.SSLError) as error:
        raise ToolError(
            f"the certificates in `{bundle.path}` cannot be read: {error}",
            hints=[f"correct or unset {bundle.named_by}"],
        ) from error


def proxy_for(url: str, environ: Mapping[str, str]) -> str:
    """The proxy for `url` as `*_PROXY` and `NO_PROXY` say, or empty."""
    parts = urlsplit(url)
    lowered = {name.lower(): value for name, value in environ.items() if name.lower().endswith("_proxy")}
    # In a CGI process HTTP_PROXY is a request header that a stranger wrote.
    if "REQUEST_METHOD" in environ and "http_proxy" not in environ:
        lowered.pop("http_proxy", None)
    proxies = {name[:-6]: value for name, value in lowered.items() if value}
    if _goes_direct(parts.hostname or "", parts.port, proxies.get("no", "")):
        return ""
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _goes_direct(host: str, port: int | None, rules: str) -> bool:
    """Whether `NO_PROXY` names `host`: `*`, a name (its subdomains too), `name:port`, an address or a network."""
    for rule in filter(None, (part.strip().lower() for part in rules.split(","))):
        name, colon, number = rule.rpartition(":")
        if colon and number.isdigit() and ":" not in name:
            if port != int(number):
                continue
            rule = name  # noqa: PLW2901 - the rest of the rule
        bare = rule.lstrip("*").lstrip(".")
        if rule == "*" or (bare and (host == bare or host.endswith("." + bare))) or _in_network(host, rule):
            return True
    return False


def _in_network(host: str, rule: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(rule.strip("[]"), strict=False)
    except ValueError:
        return False


def netrc_auth(host: str, environ: Mapping[str, str]) -> Auth | None:
    """What netrc holds for `host` by name; its `default` entry would tell any stranger. A broken file holds nothing."""
    home = environ.get("HOME") or os.path.expanduser("~")
    path = environ.get("NETRC") or os.path.join(home, ".netrc")
    try:
        found = netrc.netrc(path).hosts.get(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
    if not found or not found[2]:
        return None
    return Auth(user=found[0] or "", password=found[2])
