"""The prompt: yellow where nobody chose one, and nobody's own is touched. Asked of this host's real bash."""

import os
import subprocess

import pytest

from shipway.run import prompt

DEBIAN = r"${debian_chroot:+($debian_chroot)}\u@\h:\w\$ "
COLORED = (
    r"${debian_chroot:+($debian_chroot)}\[\033[01;32m\]\u@\h\[\033[00m\]:\[\033[01;34m\]\w\[\033[00m\]\$ "
)
YELLOW = r"\[\033[33m\]\u@\h\[\033[0m\]:\w\$ "


def chosen(before, tmp_path, script="printf '<%s>' \"$PS1\"", **environ):
    """What `script` writes between `<` and `>` in a bash whose own settings set the prompt `before`."""
    (tmp_path / "prompt.sh").write_text(prompt.TEXT)
    (tmp_path / "before").write_text(before)
    (tmp_path / "rc").write_text(
        f"PS1=$(cat {tmp_path}/before; printf x); PS1=${{PS1%x}}\n" if before else ""
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "xterm", **environ}
    environ.setdefault("PROMPT_COMMAND", f". {tmp_path}/prompt.sh")
    words = ["bash", "--rcfile", str(tmp_path / "rc"), "-i"]
    done = subprocess.run(
        words, input=f"{script}\n", env=environ, capture_output=True, text=True, check=False
    )
    return done.stdout.partition("<")[2].rpartition(">")[0]


@pytest.mark.parametrize("before", ["", DEBIAN, COLORED, r"[\u@\h \W]\$ ", r"\[\e]0;\u@\h: \w\a\]" + DEBIAN])
def test_a_prompt_that_nobody_chose_becomes_yellow(before, tmp_path):
    assert chosen(before, tmp_path) == YELLOW


def test_a_prompt_of_ones_own_stays(tmp_path):
    mine = r"(torch) \u@\h \w > "
    assert chosen(mine, tmp_path) == mine


def test_no_color_where_none_is_wanted(tmp_path):
    assert chosen(DEBIAN, tmp_path, NO_COLOR="1") == r"\u@\h:\w\$ "
    assert chosen(DEBIAN, tmp_path, TERM="dumb") == r"\u@\h:\w\$ "


def test_it_takes_itself_away_and_leaves_an_alias(tmp_path):
    assert chosen(DEBIAN, tmp_path, "printf '<%s>' \"${PROMPT_COMMAND-gone}\"") == "gone"
    assert chosen(DEBIAN, tmp_path, "printf '<%s>' \"$(alias ll)\"") == "alias ll='ls -alF'"


def test_a_plain_shell_is_told_by_its_environment():
    assert prompt.plain_prompt(("/bin/sh",), "ada", "digits", color=True) == {
        "PS1": "\033[33mada@digits\033[0m:$PWD$ "
    }
    assert prompt.plain_prompt(("sh",), "ada", "digits", color=False) == {"PS1": "ada@digits:$PWD$ "}
    assert prompt.plain_prompt(("sh", "-c", "x"), "ada", "digits", color=True) == {}
    assert prompt.plain_prompt(("/bin/bash",), "ada", "digits", color=True) == {}
