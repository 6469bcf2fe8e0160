"""`export` for people. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipway.core.text import shown

if TYPE_CHECKING:
    from shipway.verbs.export import ExportResult


def render_export(result: ExportResult) -> str:
    """One line for each file that was written, or would be."""
    verb = "would write" if result.dry_run else "wrote"
    return "\n".join(f"{verb} `{shown(file.path)}`" for file in result.files if file.path)


def export_document(kind: str, result: ExportResult) -> dict[str, Any]:
    """Every file with its path and bytes, or its text where it goes nowhere else."""
    return {
        "kind": kind,
        "dry_run": result.dry_run,
        "files": [
            {
                "path": file.path or None,
                "size": len(file.text.encode()),
                "text": None if file.path else file.text,
            }
            for file in result.files
        ],
    }
