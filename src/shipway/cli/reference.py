"""The reference pages, made from the tables: `python -m shipway.cli.reference docs/reference` writes them. Rendering is pure."""

from __future__ import annotations

import ast
import inspect
import itertools
import os
import sys

from shipway.cli.environment import VARIABLES, Variable
from shipway.cli.groups import GROUPS, HIDDEN, Group
from shipway.cli.help import describe
from shipway.cli.option import GLOBAL, VERSION, Option, Verb
from shipway.cli.options import BY_NAME
from shipway.core import errors
from shipway.core.errors import ExitCode

_NOTE = (
    "<!-- Made by `python -m shipway.cli.reference docs/reference`; "
    "change the tables in `src/shipway/cli`, not this page. -->"
)

_STREAMS = (
    "`shipway [-C DIR] VERB [OPTIONS]`. Data is written to standard output, everything else to standard error; "
    "[exit codes](exit-codes.md) and [environment variables](environment.md) have pages of their own."
)
_JSON = (
    "Every `--json` prints one object with a `schema` field such as `shipway.inspect/1`. The number changes when a field "
    "is removed or changes its meaning; new fields do not change it."
)
_PASSED_ON = (
    "`run`, `shell`, `exec`, `attach` and `debug` answer with the command's own code, so their own failures, whatever the "
    "cause, are 125 (also 126 and 127, which mean what they mean in every shell); the message still names the cause."
)


def render_pages() -> dict[str, str]:
    """File name -> text of every page."""
    return {
        "commands.md": render_commands(),
        "environment.md": render_environment(),
        "exit-codes.md": render_exit_codes(),
    }


def render_commands() -> str:
    """Every verb with its options."""
    parts = [
        _NOTE,
        "# Commands",
        _STREAMS,
        _JSON,
        "## Options of every verb",
        _option_table((*GLOBAL, VERSION)),
        *(part for group in GROUPS for part in _group(group)),
        "## Called by other programs",
        *(_verb(BY_NAME[name]) for name in sorted(HIDDEN)),
    ]
    return "\n\n".join(parts) + "\n"


def _group(group: Group) -> list[str]:
    """Its verbs in a table, then each of them."""
    rows = [f"| [`{name}`](#{name}) | {_cell(BY_NAME[name].help)} |" for name in group.verbs]
    table = "\n".join(["| verb | what it does |", "|---|---|", *rows])
    return [f"## {group.title}", table, *(_verb(BY_NAME[name]) for name in group.verbs)]


def _verb(verb: Verb) -> str:
    longest = max(len(line) for line, _ in verb.example)
    examples = "\n".join(f"{line.ljust(longest)}  # {what}" for line, what in verb.example)
    parts = [
        f"### {verb.name}",
        f"{verb.help}.",
        f"```text\n{verb.usage}\n```",
        verb.about,
        f"```sh\n{examples}\n```",
    ]
    if verb.options:
        parts.append(_option_table(verb.options))
    return "\n\n".join(parts)


def _option_table(options: tuple[Option, ...]) -> str:
    rows = [f"| `{option.flags}` | {_cell(describe(option))} |" for option in options]
    return "\n".join(["| option | meaning |", "|---|---|", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def render_environment() -> str:
    """Every variable."""
    ours = [variable for variable in VARIABLES if variable.ours]
    others = [variable for variable in VARIABLES if not variable.ours]
    parts = [
        _NOTE,
        "# Environment variables",
        "An option on the command line beats its variable. Flags count as set unless they are empty, `0`, `false` or `no`.",
        "## Our own",
        _variable_table(ours),
        "## Of others, obeyed",
        _variable_table(others),
    ]
    return "\n\n".join(parts) + "\n"


def _variable_table(variables: list[Variable]) -> str:
    rows = [f"| `{one.name}` | {one.kind} | {_cell(one.help)} | {_cell(one.default)} |" for one in variables]
    return "\n".join(["| variable | kind | meaning | default |", "|---|---|---|---|", *rows])


def render_exit_codes() -> str:
    """Every exit code, with the sentence that stands below it in the source."""
    meanings = _strings_below_members(ExitCode)
    rows = [
        f"| {code.value} | `{code.name}` | {_cell(meanings.get(code.name, 'It worked.'))} |"
        for code in ExitCode
    ]
    parts = [
        _NOTE,
        "# Exit codes",
        _PASSED_ON,
        "\n".join(["| code | name | meaning |", "|---|---|---|", *rows]),
    ]
    return "\n\n".join(parts) + "\n"


def _strings_below_members(kind: type) -> dict[str, str]:
    source = ast.parse(inspect.getsource(errors))
    (body,) = (
        node.body for node in source.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__
    )
    found: dict[str, str] = {}
    for member, below in itertools.pairwise(body):
        if (
            isinstance(member, ast.Assign)
            and isinstance(member.targets[0], ast.Name)
            and isinstance(below, ast.Expr)
        ):
            value = below.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[member.targets[0].id] = " ".join(value.value.split())
    return found


def main() -> int:
    """Write every page into the folder that the command line names."""
    folder = sys.argv[1]
    for name, text in render_pages().items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
