"""The help texts, made from the table of options. Pure."""

from __future__ import annotations

import textwrap

from shipway.cli.groups import GROUPS, Group
from shipway.cli.option import GLOBAL, VERSION, Option, Verb
from shipway.cli.options import BY_NAME

_LEFT = 30
"""Column where explanations of options start."""
_VERB_LEFT = 15
"""Column where explanations of verbs start."""
_NARROW = 60
"""Below this width explanations stand on lines of their own."""
_BELOW = 6
"""Where these start then."""
_FIRST = (
    ("shipway run -- python train.py", "build what is missing, then run"),
    ("shipway add einops", "add a package, wherever the project runs"),
    ("shipway up", "have a container that stays, for `exec` and `jupyter`"),
    ("shipway job -- python train.py", "run it on, when the terminal goes too"),
    ("shipway VERB --help", "say all about one verb"),
)


def render_help(verb: Verb | None, width: int = 100) -> str:
    """The help of `verb`, or of the program."""
    return _verb_help(verb, width) if verb else _program_help(width)


def _program_help(width: int) -> str:
    groups = "\n\n".join(_group(group, width) for group in GROUPS)
    purpose = "From a folder of code to a locked, reproducible container, and its run: no daemon, no root."
    return (
        f"{_filled(purpose, width)}\n\n"
        "Usage: shipway [-C DIR] VERB [OPTIONS]\n\n"
        f"{groups}\n\n"
        f"Options:\n{_options((*GLOBAL, VERSION), width)}\n\n"
        f"Examples:\n{_examples(_FIRST, width)}\n"
    )


def _group(group: Group, width: int) -> str:
    rows = (_row(f"  {name}", BY_NAME[name].help, width, _VERB_LEFT) for name in group.verbs)
    return f"{group.title}:\n" + "\n".join(rows)


def _verb_help(verb: Verb, width: int) -> str:
    usage = "Usage: " + verb.usage.replace("shipway", "shipway [-C DIR]", 1)
    parts = [_filled(f"{verb.help}.", width), usage, _filled(verb.about, width)]
    if verb.choices and "|" not in verb.argument:
        name = verb.argument.split()[0].strip("[]")
        parts.append(_filled(f"{name} is one of: {', '.join(verb.choices)}", width))
    if verb.options:
        parts.append(f"Options:\n{_options(verb.options, width)}")
    parts.append(f"Global options:\n{_options(GLOBAL, width)}")
    parts.append(f"Examples:\n{_examples(verb.example, width)}")
    return "\n\n".join(parts) + "\n"


def _filled(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_on_hyphens=False)


def _examples(examples: tuple[tuple[str, str], ...], width: int) -> str:
    """Side by side where that fits, else each explanation above its line."""
    longest = max(len(line) for line, _ in examples)
    beside = [f"  {line.ljust(longest)}    # {what}" for line, what in examples]
    if max(map(len, beside)) <= width:
        return "\n".join(beside)
    return "\n".join(f"  # {what}\n  {line}" for line, what in examples)


def _options(options: tuple[Option, ...], width: int) -> str:
    return "\n".join(
        _row(("  " if option.short or option.letter else "      ") + option.flags, describe(option), width)
        for option in options
    )


def describe(option: Option) -> str:
    """What `option` means, with its choices and default."""
    choices = f": {', '.join(option.choices)}" if option.choices else ""
    return option.help + choices + (f" (default: {option.default})" if option.default else "")


def _row(left: str, right: str, width: int, column: int = _LEFT) -> str:
    """`left`, and `right` from `column` on; in a narrow terminal below it."""
    below = width < _NARROW
    column = _BELOW if below else column
    pad = "\n" + " " * column
    first = left + pad if below or len(left) >= column - 1 else left.ljust(column)
    return first + pad.join(textwrap.wrap(right, max(width - column, _LEFT), break_on_hyphens=False))
