"""Where a push may go."""

import pytest

from shipway.core.errors import ExitCode, ToolError
from shipway.core.reference import parse_reference
from shipway.image.registry.policy import PushRule, push_rules, require_push_allowed

TEAM = PushRule(prefixes=("hub.example.org/team",), named_by="`shipway.toml`")


@pytest.mark.parametrize(
    "text", ["hub.example.org/team:v1", "hub.example.org/team/thing", "hub.example.org/team/a/b:c"]
)
def test_below_a_prefix(text):
    require_push_allowed(parse_reference(text), [TEAM])


@pytest.mark.parametrize(
    "text",
    [
        "hub.example.org/team2/thing",
        "hub.example.org/other",
        "hub.example.org:5000/team/thing",
        "evil.example.org/hub.example.org/team",
    ],
)
def test_beside_it(text):
    with pytest.raises(ToolError) as caught:
        require_push_allowed(parse_reference(text), [TEAM])
    assert caught.value.code == ExitCode.USAGE
    assert "shipway.toml" in caught.value.message
    assert "hub.example.org/team" in caught.value.message


def test_every_rule_must_allow():
    host = PushRule(prefixes=("hub.example.org", "other.example.org"), named_by="this host")
    require_push_allowed(parse_reference("hub.example.org/team/x"), [TEAM, host])
    with pytest.raises(ToolError):
        require_push_allowed(parse_reference("other.example.org/team"), [host, TEAM])
    with pytest.raises(ToolError):
        require_push_allowed(parse_reference("hub.example.org/a"), [PushRule(prefixes=(), named_by="x")])
    with pytest.raises(ToolError):
        require_push_allowed(
            parse_reference("hub.example.org/a"), [PushRule(prefixes=("", "/"), named_by="x")]
        )
    require_push_allowed(parse_reference("hub.example.org/a"), [])


def test_a_slash_at_the_end_changes_nothing():
    require_push_allowed(
        parse_reference("hub.example.org/team/x"),
        [PushRule(prefixes=("hub.example.org/team/",), named_by="x")],
    )


def test_rules_of_project_and_host():
    assert push_rules(None, None) == ()
    assert [rule.prefixes for rule in push_rules((), ("a.example.org",))] == [(), ("a.example.org",)]
