"""The help texts, made from the table of options. Pure."""

from __future__ import annotations

import textwrap

from shipway.cli.option import GLOBAL, VERSION, Option, Verb
from shipway.cli.options import VERBS

_LEFT = 30
"""Column where explanations start."""


def render_help(verb: Verb | None, width: int = 100) -> str:
    """The help of `verb`, or of the program."""
    return _verb_help(verb, width) if verb else _program_help(width)


def _program_help(width: int) -> str:
    verbs = "\n".join(_row(f"  {verb.name}", verb.help, width) for verb in VERBS)
    return (
        "From a folder of code to a locked, reproducible container, and its run: no daemon, no root.\n\n"
        "Usage: shipway [-C DIR] VERB [OPTIONS]\n\n"
        f"Verbs:\n{verbs}\n\n"
        f"Options:\n{_options((*GLOBAL, VERSION), width)}\n\n"
        "Examples:\n"
        "  shipway run -- python train.py    # build what is missing, then run\n"
        "  shipway VERB --help               # help of one verb\n"
    )


def _verb_help(verb: Verb, width: int) -> str:
    usage = f"Usage: shipway [-C DIR] {verb.name}" + (" [OPTIONS]" if verb.options else "")
    usage += (" [--] " if verb.rest else " ") + verb.argument if verb.argument else ""
    parts = [f"{verb.help}.", usage, textwrap.fill(verb.about, width, break_on_hyphens=False)]
    if verb.choices:
        parts.append(f"{verb.argument.split()[0].strip('[]')} is one of: {', '.join(verb.choices)}")
    if verb.options:
        parts.append(f"Options:\n{_options(verb.options, width)}")
    parts.append(f"Global options:\n{_options(GLOBAL, width)}")
    longest = max(len(line) for line, _ in verb.example)
    parts.append(
        "Examples:\n" + "\n".join(f"  {line.ljust(longest)}    # {what}" for line, what in verb.example)
    )
    return "\n\n".join(parts) + "\n"


def _options(options: tuple[Option, ...], width: int) -> str:
    return "\n".join(
        _row(("  " if option.short or option.letter else "      ") + option.flags, describe(option), width)
        for option in options
    )


def describe(option: Option) -> str:
    """What `option` means, with its choices and default."""
    choices = f": {', '.join(option.choices)}" if option.choices else ""
    return option.help + choices + (f" (default: {option.default})" if option.default else "")


def _row(left: str, right: str, width: int) -> str:
    lines = textwrap.wrap(right, max(width - _LEFT, 30), break_on_hyphens=False)
    pad = "\n" + " " * _LEFT
    first = left.ljust(_LEFT) if len(left) < _LEFT - 1 else left + pad
    return first + pad.join(lines)
