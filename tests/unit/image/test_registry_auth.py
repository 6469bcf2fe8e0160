"""Challenges, scopes and realms, without a network."""

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.errors import HostileInput
from shipway.host.credentials import Credentials
from shipway.host.location import Auth, Bearer
from shipway.image.registry.auth import Authorizer
from shipway.image.registry.challenge import Scope, find_widening, parse_challenges
from shipway.image.registry.model import AccessRefused

PULL = (Scope(kind="repository", name="team/thing", actions=("pull",)),)
USER = Credentials(auth=Auth(user="ada", password="s3cret-word"), named_by="a test")


def test_challenges():
    (bearer, basic) = parse_challenges(
        [
            'Bearer realm="https://a.example.org/t",service="x, \\"y\\"",scope="repository:a:pull,push" , Basic realm=plain'
        ]
    )
    assert bearer.scheme == "bearer"
    assert bearer.parameters == (
        ("realm", "https://a.example.org/t"),
        ("service", 'x, "y"'),
        ("scope", "repository:a:pull,push"),
    )
    assert (basic.scheme, basic.get("REALM".lower()), basic.get("none")) == ("basic", "plain", "")
    assert (
        parse_challenges(["", "Bearer", 'Bearer realm="open', "=", "Bearer " + "a" * 9000])[0].scheme
        == "bearer"
    )


@given(st.text(max_size=200))
def test_any_header_is_read_without_failure(text):
    parse_challenges([text])


@pytest.mark.parametrize(
    ("asked", "wider"),
    [
        ("", ""), ("repository:team/thing:pull", ""), ("repository:team/thing:pull repository:team/thing:pull", ""),
        ("repository:team/thing:pull,push", "repository:team/thing:pull,push"), ("repository:other:pull", "repository:other:pull"),
        ("repository:team/thing:pull registry:catalog:*", "registry:catalog:*"), ("repository(plugin):team/thing:pull", "repository(plugin):team/thing:pull"),
        ("x", "x"), ("::", "::"), ("repository:team/thing:", "repository:team/thing:"),
    ],
)  # fmt: skip
def test_widening(asked, wider):
    assert find_widening(asked, PULL) == wider


def authorizer(realm, *, credentials=USER, origin="https://hub.example.org", token_hosts=()):
    asked = []

    def ask(location, form):
        asked.append((location, form))
        return json.dumps({"token": "t0ken"}).encode()

    made = Authorizer(origin, token_hosts, lambda: credentials, ask)
    assert made.current(PULL) is None
    assert made.answer([f'Bearer realm="{realm}",service="s"'], PULL, None)
    return made, asked


def test_a_token_is_asked_for_once():
    made, asked = authorizer("https://hub.example.org/token?x=1")
    assert made.current(PULL) == Bearer(token="t0ken") == made.current(PULL)
    ((location, form),) = asked
    assert (
        location.url
        == "https://hub.example.org/token?x=1&service=s&scope=repository%3Ateam%2Fthing%3Apull&account=ada"
    )
    assert (location.auth, form) == (USER.auth, None)


@pytest.mark.parametrize(
    "realm",
    [
        "http://hub.example.org/token", "https://127.0.0.1/token", "https://169.254.169.254/latest", "https://localhost/token",
        "https://[::1]/token", "ftp://hub.example.org/token", "https:///token", "https://u:p@hub.example.org/token",
        "https://hub.example.org/token#x", "hub.example.org/token", "https://hub.example.org:port/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("credentials", [USER, None])
def test_realms_that_nobody_may_be_sent_to(realm, credentials):
    made, asked = authorizer(realm, credentials=credentials)
    with pytest.raises(HostileInput):
        made.current(PULL)
    assert not asked


@pytest.mark.parametrize(
    "realm",
    ["https://auth.example.org/token", "https://example.org/token", "https://hub.example.org.evil.example/t"],
)
def test_credentials_stay_with_their_host(realm):
    made, asked = authorizer(realm)
    with pytest.raises(AccessRefused) as caught:
        made.current(PULL)
    assert "token-hosts" in caught.value.hints[0]
    assert not asked
    made, asked = authorizer(realm, credentials=None)
    assert made.current(PULL) == Bearer(token="t0ken")
    made, asked = authorizer("https://auth.example.org/token", token_hosts=("auth.example.org",))
    made.current(PULL)
    assert asked[0][0].auth == USER.auth


def test_basic_is_answered_only_with_a_password():
    made = Authorizer("https://hub.example.org", (), lambda: None, lambda location, form: b"")
    assert not made.answer(['Basic realm="x"'], PULL, None)
    made = Authorizer("https://hub.example.org", (), lambda: USER, lambda location, form: b"")
    assert made.answer(['Basic realm="x"'], PULL, None)
    assert made.current(PULL) == USER.auth
    assert not made.answer(['Basic realm="x"'], PULL, USER.auth)
    assert not made.answer(["Negotiate"], PULL, None)


def test_no_secret_is_shown():
    made, _ = authorizer("https://hub.example.org/token")
    made.current(PULL)
    assert made.hidden("a t0ken and s3cret-word") == "a … and …"
    for value in (USER, Bearer(token="t0ken"), USER.auth):
        assert "s3cret" not in repr(value)
        assert "t0ken" not in repr(value)


def test_refusals_survive_a_process_border():
    error = pickle.loads(pickle.dumps(AccessRefused("x", hints=["y"])))
    assert (type(error), error.message, error.hints) == (AccessRefused, "x", ("y",))
