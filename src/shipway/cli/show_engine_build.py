"""`build --engine` as text and JSON. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from shipway.core.text import shown

if TYPE_CHECKING:
    from shipway.verbs.build_by_engine import ByEngineResult


def render_engine_build(result: ByEngineResult) -> str:
    """The image's id, or of a dry run the line and what it reads."""
    if result.image:
        return f"{result.image}\n"
    lines = [
        shlex.join(result.line),
        "",
        "BUILD is a folder that lives as long as the build:",
        *(f"BUILD/{name} ({size} bytes)" for name, size in result.files),
    ]
    if result.variables:
        lines.append(f"set for the program: {' '.join(map(shown, result.variables))}")
    return "\n".join(lines) + "\n"


def describe_engine_build(result: ByEngineResult) -> str:
    """One sentence about it."""
    what = f"{shown(result.name)}, target {shown(result.target)} on {result.platform}"
    called = f" as `{shown(result.tag)}`" if result.tag else ""
    return f"{what}: {'built' if result.image else 'would be built'} by {result.engine}{called}"


def engine_build_document(result: ByEngineResult) -> dict[str, Any]:
    """The image and the line."""
    return {
        "name": result.name,
        "target": result.target,
        "platform": result.platform,
        "engine": result.engine,
        "dry_run": not result.image,
        "image": result.image or None,
        "tag": result.tag or None,
        "command": list(result.line),
        "files": dict(result.files),
        "variables": list(result.variables),
    }
