"""`export` for people. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.text import shown

if TYPE_CHECKING:
    from shipway.verbs.export import ExportResult


def render_export(result: ExportResult) -> str:
    """One line for each file that was written, or would be."""
    verb = "would write" if result.dry_run else "wrote"
    return "\n".join(f"{verb} `{shown(file.path)}`" for file in result.files if file.path)
