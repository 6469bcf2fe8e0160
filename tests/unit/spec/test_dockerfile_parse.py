"""The grammar of Dockerfiles: directives, continued lines, heredocs, exec forms, variables, and what is refused."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.errors import SpecError
from shipway.spec.dockerfile.convert import Around, import_dockerfile
from shipway.spec.dockerfile.near import find_mounts
from shipway.spec.dockerfile.parse import parse_dockerfile
from shipway.spec.dockerfile.shell import read_script
from shipway.spec.dockerfile.stages import chain_of, copied_from, require_stage, split_stages
from shipway.spec.dockerfile.words import expand, read_pairs, split_words


def instructions(text):
    return parse_dockerfile(text).instructions


def test_continued_lines_are_joined_and_keep_the_number_of_the_first():
    text = "FROM a\n# comment\n  run   apt-get update && \\\n# in between\n    apt-get install -y \\  \n  git\nCMD x\n"
    found = instructions(text)
    assert [(it.line, it.name) for it in found] == [(1, "FROM"), (3, "RUN"), (7, "CMD")]
    assert found[1].text.split() == ["apt-get", "update", "&&", "apt-get", "install", "-y", "git"]


def test_a_blank_line_in_a_continued_instruction_is_read_and_said():
    parsed = parse_dockerfile("FROM a\nRUN one \\\n\n  two\nUSER x\n")
    assert parsed.instructions[1].text.split() == ["one", "two"]
    assert [(slip.line, "blank line" in slip.what) for slip in parsed.slips] == [(3, True)]


def test_directives_stand_at_the_top_and_nowhere_else():
    parsed = parse_dockerfile(
        "# syntax=docker/dockerfile:1\n# Escape=`\nFROM a\n# syntax=late\nRUN dir `\n  C:\\\n"
    )
    assert [name for name, _, _ in parsed.directives] == ["syntax", "escape"]
    assert parsed.instructions[1].text.split() == ["dir", "C:\\"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("FORM a\n", r"Dockerfile:1: `FORM` is no instruction"),
        ("FROM a\nRUN\n", r"Dockerfile:2: RUN says nothing"),
        ("FROM a\nRUN cat <<END\nx\n", r"Dockerfile:2: `<<END` has no end"),
        ("# escape=x\nFROM a\n", r"Dockerfile:1: `x` cannot be the escape"),
        ("# escape=`\n# escape=`\nFROM a\n", r"Dockerfile:2: `# escape=` stands twice"),
        ("# nothing\n", r"there is no FROM"),
        ("FROM a\nRUN x\0\n", r"no Dockerfile"),
        ("FROM a\n" + "RUN x\n" * 30000, r"no Dockerfile"),
    ],
)
def test_what_docker_refuses_is_refused_with_its_line(text, what):
    with pytest.raises(SpecError, match=what) as caught:
        parse_dockerfile(text)
    assert caught.value.hints


def test_every_mistake_is_told():
    with pytest.raises(SpecError) as caught:
        parse_dockerfile("FROM a\nRNU x\nCPOY a b\n", "sub/Dockerfile")
    assert "sub/Dockerfile:2" in caught.value.message
    assert "sub/Dockerfile:3" in caught.value.message
    assert "did you mean `RUN`?" in caught.value.hints


def test_an_equals_sign_behind_an_instruction_is_read_as_a_blank_and_said():
    parsed = parse_dockerfile("ARG baseimage\nFROM=${baseimage}\n")
    assert (parsed.instructions[1].name, parsed.instructions[1].text) == ("FROM", "${baseimage}")
    assert "Docker refuses" in parsed.slips[0].what


def test_heredocs_belong_to_their_instruction():
    text = "FROM a\nRUN <<EOF\napt-get update\n# kept\nEOF\nCOPY <<-'X' /etc/x\n\tone $a\n\tX\nRUN echo '<<no' $((1<<3)) <<<word\nUSER me\n"
    found = instructions(text)
    assert [it.name for it in found] == ["FROM", "RUN", "COPY", "RUN", "USER"]
    assert found[1].heredocs[0].text == "apt-get update\n# kept\n"
    assert (found[2].heredocs[0].text, found[2].heredocs[0].quoted) == ("one $a\n", True)
    assert found[3].heredocs == ()


def test_flags_and_exec_forms():
    found = instructions(
        'FROM --platform=linux/amd64 a\nRUN --mount=type=cache,target=/x --network=none ["a", "b c"]\nCMD [\'x\']\n'
    )
    assert found[0].flag("platform") == "linux/amd64"
    assert (found[1].flag("network"), found[1].json) == ("none", ("a", "b c"))
    assert found[2].json is None


def test_an_exec_form_that_is_no_json_is_said():
    assert "no" in parse_dockerfile("FROM a\nCMD ['x']\n").slips[0].what


@pytest.mark.parametrize(
    ("raw", "text", "unknown"),
    [
        ("a${x}b$x", "a1b1", ()),
        ("'$x'", "$x", ()),
        ('"$x"', "1", ()),
        ("\\$x", "$x", ()),
        ("${none:-d$x}", "d1", ()),
        ("${empty:-d}", "d", ()),
        ("${empty-d}", "", ()),
        ("${x:+y}", "y", ()),
        ("${none:+y}", "", ()),
        ("$none", "", ("none",)),
        ("${none:?must}", "", ("none",)),
        ("${secret:-d}", "", ("secret",)),
        ("${x#1}", "${x#1}", ("x",)),
        ("$", "$", ()),
        ("${", "$" + "{", ()),
    ],
)
def test_variables_are_replaced_as_docker_does(raw, text, unknown):
    word = expand(raw, {"x": "1", "empty": "", "secret": None})
    assert (word.text, word.unknown) == (text, unknown)


def test_pairs_and_their_old_form():
    assert split_words('a="x y" b=c\\ d') == ('a="x y"', "b=c\\ d")
    pairs = read_pairs('a="x y" b=c\\ d', {})
    assert [(name, word.text) for name, word in pairs] == [("a", "x y"), ("b", "c d")]
    assert read_pairs("a x y", {}) is None


def test_a_script_falls_into_simple_commands():
    commands, compound = read_script(
        'set -e; V=1.2 && DEBIAN_FRONTEND=x apt-get install -y \\\n  git  # why\ncurl -s u | sudo bash >/log 2>&1\npip install a==$V "b>1" $(cat x)',
        {},
    )
    assert not compound
    assert [(it.before, it.words) for it in commands] == [
        ("", ("set", "-e")),
        (";", ()),
        ("&&", ("apt-get", "install", "-y", "git")),
        (";", ("curl", "-s", "u")),
        ("|", ("sudo", "bash")),
        (";", ("pip", "install", "a==1.2", "b>1", "$(cat x)")),
    ]
    assert commands[2].set == (("DEBIAN_FRONTEND", "x"),)
    assert commands[4].writes == ("/log",)
    assert commands[5].opaque
    assert read_script("if true; then apt-get update; fi", {})[1]
    assert read_script("(cd /x && make)", {})[1]


def test_stages_stand_on_each_other_and_are_copied_from():
    text = (
        "ARG V=3.11\nFROM python:${V} AS Base\nFROM base AS build\nRUN x\nFROM other AS unused\n"
        "FROM base\nCOPY --from=build /venv /venv\nCOPY --from=0 a b\n"
    )
    parsed = parse_dockerfile(text)
    _, stages = split_stages(parsed, {"V": "3.11"})
    assert [(it.name, it.base) for it in stages] == [
        ("base", "python:3.11"),
        ("build", "base"),
        ("unused", "other"),
        ("", "base"),
    ]
    last = require_stage(stages, "", "f")
    assert [it.number for it in chain_of(stages, last)] == [0, 3]
    assert [it.number for it in copied_from(stages, chain_of(stages, last))] == [1]
    assert require_stage(stages, "BUILD", "f").number == 1
    with pytest.raises(SpecError, match="no stage `biuld`") as caught:
        require_stage(stages, "biuld", "f")
    assert caught.value.hints == ("did you mean `build`?",)


def test_a_stage_that_stands_on_itself_ends():
    parsed = parse_dockerfile("FROM a AS a\nFROM a AS a\nCOPY --from=a x y\n")
    _, stages = split_stages(parsed, {})
    assert [it.number for it in chain_of(stages, stages[1])] == [0, 1]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(SpecError):
        assert parse_dockerfile("FROM a\n" + text).instructions[0].name == "FROM"


@given(st.text(alphabet="ab $\\\"'`(){}<>|&;=#\n", max_size=80))
def test_any_script_is_read(text):
    commands, _ = read_script(text, {"a": "1"})
    assert all(it.words or it.set or it.writes for it in commands)
    expand(text, {"a": "1"})
    split_words(text)


BIG = 60000


@pytest.mark.parametrize(
    "text",
    [
        "# syntax=" + "a" + " " * BIG + "b\nFROM a\n",
        'FROM a\nRUN echo "' + "<<a " * (BIG // 4) + '"\n',
        "FROM a\nRUN x \\\n" + "\n" * 4000 + "y\n",
        "FROM a\nENV A=" + "${B:-" * (BIG // 5) + "}" * (BIG // 5) + "\n",
        "FROM a\nENV A=0123456789\n" + "ENV A=$A$A\n" * 60,
        "FROM a\nENV A=0123456789\n" + "ENV A=$A$A\n" * 12 + "RUN echo " + "$A" * (BIG // 2) + "\n",
        "FROM a\nRUN " + "TOKEN" * (BIG // 5) + "\n",
        "FROM a\nRUN pip install git+https://" + "#" * BIG + "\n",
        "FROM a\nRUN curl x" + " | sh" * (BIG // 5) + "\n",
        "FROM " + "a:" * (BIG // 2) + "\n",
        "FROM a\nRUN conda install " + "a" * BIG + "!\n",
        "FROM a\n" + "RUN apt-get update\n" * 4000,
    ],
)
def test_hostile_files_end_soon(text):
    begun = time.process_time()
    with contextlib.suppress(SpecError):
        import_dockerfile(parse_dockerfile(text), Around())
    find_mounts({"Makefile": "\n" * BIG + "-v " * BIG + text})
    assert time.process_time() - begun < 10
