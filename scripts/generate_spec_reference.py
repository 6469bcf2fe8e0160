# ruff: noqa: INP001
"""Write what is generated from the settings table: `docs/reference/spec.md` and the JSON Schema.

Run it after a change of `src/shipway/spec/settings.py`; a test says when it was forgotten.
"""

from __future__ import annotations

import pathlib

from shipway.spec.reference import render_reference
from shipway.spec.schema import render_schema

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEXTS = {
    ROOT / "docs" / "reference" / "spec.md": render_reference,
    ROOT / "src" / "shipway" / "spec" / "schema.json": render_schema,
}

if __name__ == "__main__":
    for path, render in TEXTS.items():
        path.write_text(render(), encoding="utf-8")
