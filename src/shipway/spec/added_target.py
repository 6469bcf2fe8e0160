"""One more target at the end of a spec's text; nothing that somebody wrote is touched. Pure."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from shipway.spec.parse import PROJECT_FILE
from shipway.spec.toml_text import render_key, render_pair

if TYPE_CHECKING:
    from collections.abc import Mapping


def add_target(text: str, name: str, values: Mapping[str, Any], *, file: str) -> str:
    """`text` (of the spec file `file`, read without mistakes before) with the table of target `name`.

    Empty values are left out. A spec without targets has one that is called `default`; it gets its table, so that it stays.
    """
    prefix, document = "", tomllib.loads(text)
    if file == PROJECT_FILE:
        prefix, document = "tool.shipway.", document["tool"]["shipway"]
    lines = [] if "targets" in document else [f"[{prefix}targets.default]", ""]
    lines.append(f"[{prefix}targets.{render_key(name)}]")
    lines += [render_pair(key, value) for key, value in values.items() if value]
    gap = "\n" if text.endswith("\n") or not text else "\n\n"
    return text + gap + "\n".join(lines) + "\n"
