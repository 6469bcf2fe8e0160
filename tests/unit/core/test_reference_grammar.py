"""References, by the cases of the distribution project's own tests and some of ours."""

import pytest

from shipway.core.digest import Digest
from shipway.core.errors import ExitCode, ToolError
from shipway.core.reference import parse_reference, parse_registry

DIGEST = Digest.of(b"x")


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag"),
    [
        ("thing", "", "thing", "latest"),
        ("team/thing:v1", "", "team/thing", "v1"),
        ("localhost/thing", "localhost", "thing", "latest"),
        ("localhost:5000/thing:v1", "localhost:5000", "thing", "v1"),
        ("hub.example.org/team/thing:2026.07-rc_1", "hub.example.org", "team/thing", "2026.07-rc_1"),
        ("127.0.0.1:5000/a/b/c", "127.0.0.1:5000", "a/b/c", "latest"),
        ("[::1]:5000/a:b", "[::1]:5000", "a", "b"),
        ("Hub/a", "Hub", "a", "latest"),
        ("test.com:8080", "", "test.com", "8080"),
        ("a__b/c-d.e---f", "", "a__b/c-d.e---f", "latest"),
    ],
)
def test_parts(text, registry, repository, tag):
    found = parse_reference(text)
    assert (found.registry, found.repository, found.tag, found.digest) == (registry, repository, tag, None)
    assert parse_reference(found.text) == found


def test_a_digest_decides_and_brings_no_tag():
    held = parse_reference(f"hub.example.org/thing@{DIGEST}")
    assert (held.tag, held.digest, held.selector) == ("", DIGEST, DIGEST)
    both = parse_reference(f"hub.example.org/thing:v1@{DIGEST}")
    assert (both.tag, both.digest, both.selector) == ("v1", DIGEST, DIGEST)
    assert both.text == f"hub.example.org/thing:v1@{DIGEST}"
    assert parse_reference("hub.example.org/thing:v1").at(DIGEST) == both


@pytest.mark.parametrize(
    "text",
    [
        "", ":v1", "/thing", "thing/", "a//b", "hub.example.org/", "hub.example.org/Team", "Thing", "_a", "a_", "a..b", "a___b",
        "thing:", "thing:-v", "thing:" + "t" * 129, "thing@sha256:00", "thing@md5:" + "0" * 32, f"thing@{DIGEST}@{DIGEST}",
        "-hub.example.org/a", "hub.example.org:port/a", "hub.example.org:99999/a", "hub.example.org:123456/a", "http://hub.example.org/a",
        "0" * 64, "a" * 256, "thing\n", "thing:v1\n", "hub.example.org/a b", "hub.example.org/../a", "user:pw@hub.example.org/a", "thing:vé",
    ],
)  # fmt: skip
def test_no_reference(text):
    with pytest.raises(ToolError) as caught:
        parse_reference(text)
    assert caught.value.code == ExitCode.USAGE
    assert caught.value.hints
    assert "\n" not in caught.value.message


def test_registries():
    assert parse_registry("hub.example.org:5000") == "hub.example.org:5000"
    for wrong in ("", "hub.example.org/team", "https://hub.example.org", "a b"):
        with pytest.raises(ToolError):
            parse_registry(wrong)
