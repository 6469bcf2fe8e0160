"""`init` as text and JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipway.core.text import shown

if TYPE_CHECKING:
    from shipway.verbs.init import InitResult
    from shipway.verbs.init_ci import CiResult

_LONG = 400
"""Characters of a line that are shown."""


def render_init(result: InitResult) -> str:
    """What was inferred from which line, what was dropped and why, and where the spec is."""
    inferred = result.inferred
    lines = [shown(str(one), _LONG) for one in (*inferred.inferences, *inferred.dropped, *inferred.remarks)]
    if not result.dry_run:
        lines.append(
            f"{'replaced' if result.replaced else 'wrote'} `{shown(result.path)}`; `shipway run` uses it"
        )
    return "\n".join(lines)


def init_document(result: InitResult) -> dict[str, Any]:
    """The same as values."""
    inferred = result.inferred
    return {
        "path": result.path,
        "dry_run": result.dry_run,
        "text": result.text,
        "inferred": [
            {"what": one.what, "origin": str(one.origin), "why": one.why} for one in inferred.inferences
        ],
        "dropped": [
            {"text": one.text, "origin": str(one.fact.origin), "why": one.why} for one in inferred.dropped
        ],
        "remarks": [{"origin": str(one.origin), "why": one.why} for one in inferred.remarks],
    }


def render_ci(result: CiResult) -> str:
    """Where the two files are."""
    if result.dry_run:
        return f"`{shown(result.workflow)}` would be written"
    how = "recorded now" if result.recorded else "as it was"
    return f"wrote `{shown(result.workflow)}`; what is to be printed is in `{shown(result.expected)}`, {how}: commit both"


def ci_document(result: CiResult) -> dict[str, Any]:
    """The same as values."""
    return {
        "workflow": result.workflow,
        "expected": result.expected,
        "recorded": result.recorded,
        "text": result.text,
        "dry_run": result.dry_run,
    }
