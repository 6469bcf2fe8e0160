"""What the host says about reaching the network, and how addresses are shown."""

import pytest

from shipway.core.errors import ToolError
from shipway.host.http_settings import find_bundle, netrc_auth, proxy_for, tls_context
from shipway.host.location import Auth, Location, origin_of, parse_location, redacted
from shipway.host.pip_config import read_pip_config


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({}, "https://a.test/", ""),
        ({"https_proxy": "http://p:1"}, "https://a.test/", "http://p:1"),
        ({"HTTPS_PROXY": "p:1"}, "https://a.test/", "http://p:1"),
        ({"https_proxy": "http://p:1"}, "http://a.test/", ""),
        ({"ALL_PROXY": "http://p:1"}, "http://a.test/", "http://p:1"),
        ({"https_proxy": "http://p:1", "no_proxy": "a.test"}, "https://x.a.test/", ""),
        ({"https_proxy": "http://p:1", "no_proxy": ".a.test"}, "https://a.test/", ""),
        ({"https_proxy": "http://p:1", "NO_PROXY": "*"}, "https://a.test/", ""),
        ({"https_proxy": "http://p:1", "no_proxy": "nota.test, b.test"}, "https://a.test/", "http://p:1"),
        ({"https_proxy": "http://p:1", "no_proxy": "a.test:8443"}, "https://a.test:8443/", ""),
        ({"https_proxy": "http://p:1", "no_proxy": "a.test:8443"}, "https://a.test/", "http://p:1"),
        ({"http_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, "http://10.1.2.3/", ""),
        ({"http_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, "http://11.1.2.3/", "http://p:1"),
        ({"HTTP_PROXY": "http://evil:1", "REQUEST_METHOD": "GET"}, "http://a.test/", ""),
    ],
)
def test_proxy(environ, url, proxy):
    assert proxy_for(url, environ) == proxy


def environ(tmp_path, **more):
    return {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_CONFIG_DIRS": str(tmp_path / "no"),
        **more,
    }


def test_certificates_in_the_order_of_who_names_them(tmp_path):
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "pip.conf").write_text("[global]\ncert = /from/pip.pem\n")
    assert find_bundle(environ(tmp_path)).path == "/from/pip.pem"
    assert find_bundle(environ(tmp_path, PIP_CERT="/p.pem")).path == "/p.pem"
    named = environ(tmp_path, PIP_CERT="/p.pem", SSL_CERT_FILE="/s.pem", REQUESTS_CA_BUNDLE="/r.pem")
    assert (find_bundle(named).path, find_bundle(named).named_by) == ("/s.pem", "SSL_CERT_FILE")


def test_certificates_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "broken.pem").write_text("nothing")
    with pytest.raises(ToolError, match=r"broken\.pem") as caught:
        tls_context(environ(tmp_path, SSL_CERT_FILE=str(tmp_path / "broken.pem")))
    assert "SSL_CERT_FILE" in caught.value.hints[0]


def test_netrc(tmp_path):
    (tmp_path / "n").write_text("machine a.test login u password p\ndefault login d password d\n")
    assert netrc_auth("a.test", {"NETRC": str(tmp_path / "n")}) == Auth(user="u", password="p")
    assert netrc_auth("b.test", {"NETRC": str(tmp_path / "n")}) is None
    (tmp_path / "n").write_text("machine\n")
    assert netrc_auth("a.test", {"NETRC": str(tmp_path / "n")}) is None


def test_pip_configuration_levels(tmp_path):
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "pip.conf").write_text(
        "[global]\nindex-url = a\ntimeout = 1\n[install]\nindex_url = b\n"
    )
    (tmp_path / "last.conf").write_text("[global]\nindex-url = c\n")
    assert read_pip_config(environ(tmp_path))["index-url"] == "b"
    found = read_pip_config(environ(tmp_path, PIP_CONFIG_FILE=str(tmp_path / "last.conf"), PIP_TIMEOUT="9"))
    assert (found["index-url"], found["timeout"]) == ("c", "9")
    assert "index-url" not in read_pip_config(environ(tmp_path, PIP_CONFIG_FILE="/dev/null"))


@pytest.mark.parametrize(
    "url", ["http://", "https://h:99999/", "http://h/a b", "http://h/\r\nX: y", "http://h/\x00"]
)
def test_addresses_that_are_none(url):
    with pytest.raises(ValueError):  # noqa: PT011 - any of urllib's words
        parse_location(url)


def test_user_information_becomes_credentials():
    place = parse_location("https://us%40er:p%3Aw@h.test:8443/p?q=1")
    assert place == Location("https://h.test:8443/p?q=1", auth=Auth(user="us@er", password="p:w"))
    assert str(place) == "https://h.test:8443/p?…"
    assert "p:w" not in repr(place)


def test_origin_knows_default_ports_and_case():
    assert origin_of("HTTPS://Host.test/x") == origin_of("https://host.test:443/y")
    assert origin_of("http://host.test/") != origin_of("https://host.test/")
    assert origin_of("https://host.test:444/") != origin_of("https://host.test/")


def test_nothing_secret_or_terminal_breaking_is_shown():
    assert redacted("https://u:s3cret@h/p\x1b[31m?X-Signature=abc#f") == "https://h/p\\x1b[31m?…"
