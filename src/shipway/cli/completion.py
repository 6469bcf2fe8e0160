"""Completion scripts for bash, zsh and fish, made from the table of options. Pure."""

from __future__ import annotations

from shipway.cli.option import GLOBAL, Complete, Option, Takes, Verb
from shipway.cli.options import VERBS


def render_completion(shell: str) -> str:
    """The script for `shell`: `bash`, `zsh` or `fish`."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]()


def _words(option: Option) -> list[str]:
    return [f"--{name}" for name in option.names] + ([f"-{option.short}"] if option.short else [])


def _choices(option: Option) -> list[str]:
    """Those that can be typed as they are: `container:NAME` cannot."""
    return [choice for choice in option.choices if not option.open or choice == choice.lower()]


def _with_value(options: tuple[Option, ...]) -> list[Option]:
    return [option for option in options if option.takes in (Takes.VALUE, Takes.VALUES, Takes.MAYBE)]


def _unique_options() -> tuple[Option, ...]:
    found = {option.name: option for verb in VERBS for option in verb.options}
    return (*GLOBAL, *(option for name, option in found.items() if name not in {o.name for o in GLOBAL}))


def _bash() -> str:
    verbs = " ".join(verb.name for verb in VERBS)
    values = "\n".join(
        f"        {'|'.join(_words(o))}) {_bash_values(o)}; return ;;" for o in _with_value(_unique_options())
    )
    options = "\n".join(f"        {v.name}) words='{_all_words(v)}' ;;" for v in VERBS)
    needing = [option for option in _unique_options() if option.takes in (Takes.VALUE, Takes.VALUES)]
    takers = "|".join(word for option in needing for word in _words(option))
    return f"""\
# bash completion of shipway; made by `shipway completion bash`
_shipway() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}" verb="" words i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "${{COMP_WORDS[i]}}" in
        {takers}) ((i++)) ;;
        --) [ "$verb" = run ] && {{ _shipway_command; return; }} ;;
        -*) ;;
        *) [ "$verb" = run ] && {{ _shipway_command; return; }}
            [ -n "$verb" ] || verb="${{COMP_WORDS[i]}}" ;;
        esac
    done
    case "$previous" in
{values}
    esac
    case "$verb" in
        '') words='{verbs} {_global_words()}' ;;
{options}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
_shipway_command() {{ COMPREPLY=($(compgen -c -- "$current") $(compgen -f -- "$current")); }}
complete -o default -F _shipway shipway
"""


def _bash_values(option: Option) -> str:
    if option.choices:
        return f"COMPREPLY=($(compgen -W '{' '.join(_choices(option))}' -- \"$current\"))"
    if option.complete is Complete.FOLDER:
        return 'COMPREPLY=($(compgen -d -- "$current"))'
    if option.complete is Complete.FILE:
        return 'COMPREPLY=($(compgen -f -- "$current"))'
    return ":"


def _all_words(verb: Verb) -> str:
    words = [word for option in (*verb.options, *GLOBAL) for word in _words(option)]
    return " ".join([*verb.choices, *words])


def _global_words() -> str:
    return " ".join(word for option in GLOBAL for word in _words(option)) + " --version"


def _zsh() -> str:
    verbs = "\n".join(f"        {_quoted(f'{v.name}:{v.help}')}" for v in VERBS)
    cases = "\n".join(
        f"        {v.name}) _arguments -s {_zsh_options(v.options + GLOBAL)}{_zsh_argument(v)} ;;"
        for v in VERBS
    )
    return f"""\
#compdef shipway
# zsh completion of shipway; made by `shipway completion zsh`
_shipway() {{
    local -a verbs
    verbs=(
{verbs}
    )
    local context state state_descr line
    typeset -A opt_args
    _arguments -C -s {_zsh_options(GLOBAL)} '1:verb:->verb' '*::argument:->argument'
    case "$state" in
    verb) _describe verb verbs ;;
    argument)
        case "$line[1]" in
{cases}
        esac ;;
    esac
}}
if [ "$funcstack[1]" = _shipway ]; then _shipway "$@"; else compdef _shipway shipway; fi
"""


def _zsh_options(options: tuple[Option, ...]) -> str:
    return " ".join(_zsh_option(option, word) for option in options for word in _words(option))


def _zsh_option(option: Option, word: str) -> str:
    value = ""
    if option.takes in (Takes.VALUE, Takes.VALUES, Takes.MAYBE):
        action = (
            f"({' '.join(_choices(option))})"
            if option.choices
            else {"folder": "_files -/", "file": "_files"}.get(option.complete, " ")
        )
        optional = ":" if option.takes is Takes.MAYBE else ""
        value = f":{optional}{option.metavar.replace(':', ' ').replace('[', '').replace(']', '')}:{action}"
    help_text = option.help.replace("[", "(").replace("]", ")").replace(":", " ")
    many = "*" if option.takes in (Takes.VALUES, Takes.MAYBE, Takes.COUNT) else ""
    return _quoted(f"{many}{word}[{help_text}]{value}")


def _zsh_argument(verb: Verb) -> str:
    if verb.choices:
        return f" '1:{verb.argument.split()[0].strip('[]')}:({' '.join(verb.choices)})'"
    return " '*::command:_normal'" if verb.rest else ""


def _fish() -> str:
    lines = ["# fish completion of shipway; made by `shipway completion fish`", "complete -c shipway -f"]
    names = " ".join(verb.name for verb in VERBS)
    lines += [_fish_option(option, "") for option in GLOBAL]
    for verb in VERBS:
        lines.append(
            f"complete -c shipway -n 'not __fish_seen_subcommand_from {names}' -a {verb.name} -d {_quoted(verb.help)}"
        )
        condition = f" -n '__fish_seen_subcommand_from {verb.name}'"
        lines += [_fish_option(option, condition) for option in verb.options]
        lines += [f"complete -c shipway{condition} -a {choice}" for choice in verb.choices]
        if verb.rest:
            lines.append(f"complete -c shipway{condition} -F")
    return "\n".join(lines) + "\n"


def _fish_option(option: Option, condition: str) -> str:
    short = f" -s {option.short}" if option.short else ""
    longs = "".join(f" -l {name}" for name in option.names)
    value = ""
    if option.takes in (Takes.VALUE, Takes.VALUES):
        value = f" -x -a {_quoted(' '.join(_choices(option)))}" if option.choices else " -r"
        if option.complete in (Complete.FILE, Complete.FOLDER):
            value = " -r -F"
    return f"complete -c shipway{condition}{short}{longs}{value} -d {_quoted(option.help)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
