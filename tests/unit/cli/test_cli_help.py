"""The overview that a newcomer reads, in terminals of every width."""

from __future__ import annotations

import pytest

from shipway.cli.groups import GROUPS, HIDDEN
from shipway.cli.help import render_help
from shipway.cli.option import GLOBAL
from shipway.cli.options import BY_NAME, VERBS


def test_every_verb_stands_in_one_group():
    grouped = [name for group in GROUPS for name in group.verbs]
    assert sorted([*grouped, *HIDDEN]) == sorted(BY_NAME)


def test_overview_explains_each_verb_in_one_line():
    lines = render_help(None, 100).splitlines()
    for group in GROUPS:
        start = lines.index(f"{group.title}:") + 1
        assert [line.split()[0] for line in lines[start : start + len(group.verbs)]] == list(group.verbs)
        assert lines[start + len(group.verbs)] == ""


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_help_fits_the_terminal(width):
    """What is to be copied stays whole: usage and command lines; so do flags, and words without a place to break."""
    flags = {option.flags for one in VERBS for option in (*one.options, *GLOBAL)}
    for verb in (None, *VERBS):
        purpose, usage, rest = render_help(verb, width).split("\n\n", 2)
        assert usage.startswith("Usage: ")
        _check_lines((purpose + "\n" + rest.partition("\nExamples:\n")[0]).splitlines(), flags, width)


def _check_lines(lines, flags, width):
    for line in lines:
        words = line.strip()
        whole = " " not in words or any(words.endswith(one) for one in flags)
        assert whole or len(line) <= width, line


def test_narrow_explanations_stand_below():
    assert "  up\n      Start the project's container, or\n      find it running\n" in render_help(None, 40)


def test_examples_stand_beside_or_below_their_explanation():
    verb = BY_NAME["gc"]
    assert "  shipway gc --dry-run           # see what would go\n" in render_help(verb, 100)
    assert "  # see what would go\n  shipway gc --dry-run\n" in render_help(verb, 60)
