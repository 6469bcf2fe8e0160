"""The settings table as the page `docs/reference/spec.md`."""

from __future__ import annotations

from collections.abc import Iterable

from shipway.spec.readers import DROPS
from shipway.spec.settings import BY_PLACE, TABLES, Setting, Where

_INTRODUCTION = """\
# The spec: every key

<!-- Generated from src/shipway/spec/settings.py by scripts/generate_spec_reference.py; do not edit. -->

The spec is `shipway.toml` at the top of the project, or the table `[tool.shipway]` of its `pyproject.toml`; not both.
What it means as a whole is told in [the concept page](../concept/spec.md). A JSON Schema for editors ships with shipway
as `shipway/spec/schema.json`.
"""
_HEADINGS = {
    Where.TOP: ("For the whole project", "Keys at the top of the spec."),
    Where.SHARED: (
        "For every target",
        "Keys at the top of the spec, which all targets share, and of each `[targets.NAME]`.",
    ),
    Where.FILES: ("`[files]`", ""),
    Where.RUN: ("`[run]`", ""),
    Where.BUILD: ("`[[build]]`", ""),
    Where.PUSH: ("`[push]`", ""),
    Where.TARGET: ("`[targets.NAME]`", ""),
    Where.DATA: ("`[data.NAME]`", ""),
    Where.INDEX: ("`[indexes.ALIAS]`", ""),
    Where.PROJECT: ("Tables in `projects`", ""),
}
_COMBINING = """\
## How targets combine

A target starts from the top of the spec, or from the target that it `inherits`. Then what `without` names is dropped, and
what the target says itself is added: lists get longer, tables (`env`, `labels`, `data`, `run.env`) are merged name by name,
single values take the place of the inherited one. Packages from files and groups are inherited and dropped like those of `pip`.

`without` knows {drops}. `pip` and `constraints` go by the package's name, `mounts` by the path inside, `projects` by the
folder, `build` by the command's number from 1; the others by the value itself. Dropping what is not inherited is an error.
"""


def render_reference() -> str:
    """The text of the page."""
    parts = [_INTRODUCTION]
    for where, (heading, words) in _HEADINGS.items():
        parts.append(
            f"## {heading}\n\n{words or TABLES[where]}\n\n"
            + "\n".join(_rows(BY_PLACE[where].values()))
            + "\n"
        )
    parts.append(_COMBINING.format(drops=", ".join(f"`{kind}:`" for kind in DROPS)))
    return "\n".join(parts)


def _rows(settings: Iterable[Setting]) -> Iterable[str]:
    yield "| key | value | meaning | left out | example |"
    yield "|---|---|---|---|---|"
    for it in settings:
        value = str(it.kind) + (f" `{'`, `'.join(it.choices)}`" if it.choices else "") + _bounds(it)
        left_out = "must be there" if it.required else _code(it.default)
        yield f"| `{it.key}` | {value} | {it.help} | {left_out} | `{it.key} = {it.example}` |".replace(
            "||", "| |"
        )


def _bounds(setting: Setting) -> str:
    if setting.maximum is not None:
        return f", {setting.minimum} to {setting.maximum}"
    return f", at least {setting.minimum}" if setting.minimum else ""


def _code(default: str) -> str:
    return (
        f"`{default}`"
        if default[:1] in ('"', "[", "{") or default in ("true", "false") or default.isdigit()
        else default
    )
