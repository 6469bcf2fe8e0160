"""Words of a command line, by the table."""

from __future__ import annotations

import contextlib
import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.cli.option import GLOBAL, Takes
from shipway.cli.options import VERBS
from shipway.cli.parser import UsageError, parse_arguments


def parse(line):
    return parse_arguments(line.split())


def test_global_options_stand_in_front_of_the_verb_or_behind_it():
    for line in (
        "-C sub --offline build -q -q",
        "build -C sub --offline -qq",
        "build -Csub --offline --quiet -q",
    ):
        arguments = parse(line)
        assert arguments.verb.name == "build"
        assert (arguments.text("directory"), arguments.flag("offline"), arguments.values["quiet"]) == (
            "sub",
            True,
            2,
        )


def test_help_is_a_word_too():
    assert (parse("help").verb, parse("help").flag("help")) == (None, True)
    arguments = parse("help gc")
    assert (arguments.verb.name, arguments.flag("help")) == ("gc", True)


def test_values_are_read_by_kind():
    values = parse("gc --older-than 2d --max-size=1.5g").values
    assert (values["older-than"], values["max-size"]) == (172800, 1610612736)
    values = parse("run --cpus 1.5 --pids 64 -m 512m -- true").values
    assert (values["cpus"], values["pids"], values["memory"]) == (1.5, 64, 512 << 20)


def test_everything_behind_the_first_word_of_a_command_belongs_to_it():
    arguments = parse("run -t gpu python train.py --help -q -- x")
    assert arguments.words == ("python", "train.py", "--help", "-q", "--", "x")
    assert not arguments.flag("help")
    assert parse("run -- -strange --name").words == ("-strange", "--name")


def test_repeated_options_are_kept_in_order():
    assert parse("run -e A=1 --env B -eC=3 true").values["env"] == ("A=1", "B", "C=3")


def test_upgrade_takes_a_name_or_none():
    assert parse("lock --upgrade").values["upgrade"] == ("",)
    assert parse("lock --upgrade numpy --upgrade=jax").values["upgrade"] == ("numpy", "jax")
    assert parse("lock --upgrade --json").values["upgrade"] == ("",)
    assert parse("lock").values["upgrade"] == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("biuld", "unknown verb `biuld`"),
        ("build --platfrom x", "no option `--platfrom`"),
        ("build --json=yes", "takes no value"),
        ("gc --max-size", "needs a value"),
        ("gc --max-size 3x", "cannot be `3x`"),
        ("run --cpus 0 true", "cannot be `0`"),
        ("run --cpus nan true", "cannot be `nan`"),
        ("images --json=x", "takes no value"),
        ("doctor extra", "takes no argument `extra`"),
        ("why a b", "takes one argument"),
        ("completion", "needs SHELL"),
        ("lock --check --upgrade", "contradict"),
        ("build --progress loud", "cannot be `loud`"),
        ("build -z", "no option `-z`"),
    ],
)
def test_mistakes_name_the_word_and_the_next_step(line, message):
    with pytest.raises(UsageError, match=message.replace("(", r"\(")) as caught:
        parse(line)
    assert caught.value.hints, "every mistake has a hint"


def test_the_nearest_name_is_offered():
    with pytest.raises(UsageError) as caught:
        parse("buidl")
    assert caught.value.hints == ("did you mean `build`?",)


def test_a_mistake_behind_the_verb_knows_it():
    with pytest.raises(UsageError) as caught:
        parse("run --nonsense")
    assert caught.value.verb == "run"


def test_control_characters_do_not_reach_the_terminal():
    with pytest.raises(UsageError) as caught:
        parse_arguments(["\x1b[31mrun"])
    assert "\x1b" not in caught.value.message


@given(st.lists(st.text(max_size=8), max_size=6))
def test_any_words_parse_or_are_a_usage_error(words):
    with contextlib.suppress(UsageError):
        assert parse_arguments(words).values["help"] in (0, True)


def test_the_table_is_sound():
    for verb in VERBS:
        options = (*verb.options, *GLOBAL)
        names = [option.name for option in options]
        shorts = [option.short for option in options if option.short]
        assert len(set(names)) == len(names), verb.name
        assert len(set(shorts)) == len(shorts), verb.name
        assert verb.example, f"{verb.name} has an example"
        for option in options:
            assert not option.help.endswith("."), option
            assert bool(option.metavar) == (option.takes in (Takes.VALUE, Takes.VALUES, Takes.MAYBE)), option


def test_verbs_that_list_have_json_and_verbs_that_act_have_dry_run():
    by_name = {verb.name: {option.name for option in verb.options} for verb in VERBS}
    for name in ("init", "lock", "build", "inspect", "explain", "why", "verify", "gc", "doctor"):
        assert "json" in by_name[name], name
    for name in ("init", "lock", "build", "run", "shell", "verify", "gc"):
        assert "dry-run" in by_name[name], name


def test_every_example_parses():
    import shlex

    for verb in VERBS:
        for line, _ in verb.example:
            if line.startswith("shipway"):
                words = shlex.split(line.partition(" > ")[0])[1:]
                assert parse_arguments(words).verb is verb


def test_every_verb_has_an_adapter():
    for verb in VERBS:
        assert verb.name in importlib.import_module(f"shipway.cli.{verb.home}").COMMANDS
