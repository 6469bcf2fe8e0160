"""Results as one JSON object. Pure."""

from __future__ import annotations

import json
from typing import Any

VERSION = 1
"""Of every schema. It changes when a field is removed or changes its meaning; new fields do not change it."""


def render_json(verb: str, document: dict[str, Any]) -> str:
    """`document` with its `schema` in front, as indented text that ends with a newline."""
    return (
        json.dumps({"schema": f"shipway.{verb}/{VERSION}", **document}, indent=2, ensure_ascii=False) + "\n"
    )
