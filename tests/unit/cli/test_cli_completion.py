"""Completion scripts are read by their shells, and bash's one answers."""

from __future__ import annotations

import subprocess

import pytest

from shipway.cli.completion import render_completion
from shipway.cli.options import VERBS


def complete(line):
    """What bash offers for the last word of `line`."""
    words = line.split(" ")
    script = (
        render_completion("bash")
        + f"\nCOMP_WORDS=({' '.join(repr(word) for word in words)})\nCOMP_CWORD={len(words) - 1}\n_shipway\n"
        + 'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
    return done.stdout.split()


@pytest.mark.needs_tool("bash")
def test_bash_offers_verbs_options_and_values():
    assert set(complete("shipway ")) >= {verb.name for verb in VERBS}
    assert complete("shipway ins") == ["inspect"]
    assert "--older-than" in complete("shipway gc --")
    assert complete("shipway -C some build --progress pl") == ["plain"]
    assert complete("shipway completion z") == ["zsh"]
    assert complete("shipway run --network ") == ["host", "none", "bridge"]
    assert "ls" in complete("shipway run -- l")


@pytest.mark.parametrize(
    ("shell", "check"),
    [
        pytest.param("bash", ["bash", "-n"], marks=pytest.mark.needs_tool("bash")),
        pytest.param("zsh", ["zsh", "-n"], marks=pytest.mark.needs_tool("zsh")),
        pytest.param("fish", ["fish", "--no-execute"], marks=pytest.mark.needs_tool("fish")),
    ],
)
def test_the_shell_reads_its_script(shell, check, tmp_path):
    script = tmp_path / "script"
    script.write_text(render_completion(shell))
    done = subprocess.run([*check, str(script)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.needs_tool("fish")
def test_fish_offers_verbs_and_options(tmp_path):
    script = tmp_path / "shipway.fish"
    script.write_text(render_completion("fish"))
    ask = f"source {script}; complete -C 'shipway ins'; complete -C 'shipway gc --older'"
    done = subprocess.run(["fish", "--no-config", "-c", ask], check=True, capture_output=True, text=True)
    assert "inspect" in done.stdout
    assert "--older-than" in done.stdout


@pytest.mark.needs_tool("zsh")
def test_zsh_loads_its_script(tmp_path):
    script = tmp_path / "_shipway"
    script.write_text(render_completion("zsh"))
    done = subprocess.run(
        ["zsh", "-f", "-c", f"autoload -U compinit; compinit -u -D; source {script}; whence -w _shipway"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "function" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_verb_and_option_is_in_the_script(shell):
    text = render_completion(shell)
    for verb in VERBS:
        assert verb.name in text
        for option in verb.options:
            assert option.name in text
