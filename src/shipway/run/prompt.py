"""What a shell inside shows before each line: who and where, in yellow, so that nobody takes a container for the host (pure).

Bash reads its own settings first, so a prompt in the environment would be overruled by them, and scripts take a set `PS1` for a
person at a terminal. `PROMPT_COMMAND` is looked at when the first prompt is due: the file that it names changes only prompts
that nobody chose, and takes itself away. A user's or an image's own `PROMPT_COMMAND` comes in its place.
"""

from __future__ import annotations

PATH = "etc/shipway-prompt.sh"
"""Relative to the root inside."""
COMMAND = f". /{PATH}"
"""The value of `PROMPT_COMMAND`."""
_PLAIN_SHELLS = ("sh", "dash", "ash")
_YELLOW, _END = "\\[\\033[33m\\]", "\\[\\033[0m\\]"

TEXT = f"""\
# Laid over by shipway. Read once by an interactive bash, after its own settings.
unset PROMPT_COMMAND
case "$PS1" in
'\\s-\\v\\$ ' | '\\h:\\w\\$ ' | '[\\u@\\h \\W]\\$ ' | *'${{debian_chroot:+($debian_chroot)}}\\u@\\h:\\w\\$ ' | \\
*'${{debian_chroot:+($debian_chroot)}}\\[\\033[01;32m\\]\\u@\\h\\[\\033[00m\\]:\\[\\033[01;34m\\]\\w\\[\\033[00m\\]\\$ ')
    if [ -n "$NO_COLOR" ] || [ "$TERM" = dumb ]; then
        PS1='\\u@\\h:\\w\\$ '
    else
        PS1='{_YELLOW}\\u@\\h{_END}:\\w\\$ '
    fi ;;
esac
alias ll >/dev/null 2>&1 || alias ll='ls -alF'
"""
"""The prompts that it takes the place of: bash's own, and those of the distributions' start files."""


def plain_prompt(argv: tuple[str, ...], user: str, hostname: str, *, color: bool) -> dict[str, str]:
    """Variables for a plain POSIX shell that is started as such, which knows no escapes but those of the terminal."""
    if len(argv) != 1 or argv[0].rpartition("/")[2] not in _PLAIN_SHELLS:
        return {}
    name = f"{user}@{hostname}"
    return {"PS1": f"\033[33m{name}\033[0m:$PWD$ " if color else f"{name}:$PWD$ "}
