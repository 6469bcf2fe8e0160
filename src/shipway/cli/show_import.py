"""`import` as text and JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipway.core.text import shown

if TYPE_CHECKING:
    from shipway.verbs.import_dockerfile import ImportResult

_LONG = 400
_KINDS = ("becomes", "nothing", "left", "wrong")
_MARKS = {"becomes": "->", "nothing": "--", "left": "??", "wrong": "!!"}


def render_import(result: ImportResult) -> str:
    """Each instruction with what it becomes and what is wrong, then the spec."""
    imported = result.imported
    lines: list[str] = []
    for line in imported.lines:
        lines.append(shown(f"{imported.file}:{line.line}  {line.text}".rstrip(), _LONG))
        for finding in line.findings:
            lines += _finding(str(finding.outcome), finding.what, finding.why)
    return "\n".join((*lines, "", *(shown(line, len(line)) for line in imported.text.split("\n"))))


def _finding(outcome: str, what: str, why: str) -> tuple[str, ...]:
    first = f"    {_MARKS[outcome]} {shown(what, _LONG)}"
    return (first, f"       {shown(why, _LONG)}") if why else (first,)


def describe_import(result: ImportResult) -> str:
    """What the marks mean, how many there are, and where the spec went."""
    counts = _counts(result)
    words = {"becomes": "becomes", "nothing": "needs nothing", "left": "left to you", "wrong": "wrong"}
    lines = ["   ".join(f"{_MARKS[kind]} {words[kind]} {counts[kind]}" for kind in _KINDS)]
    if result.mistake:
        lines.append(f"this is no spec yet: {shown(result.mistake, _LONG)}")
        lines += [f"  {shown(hint, _LONG)}" for hint in result.hints]
    elif result.written:
        lines.append(f"{'replaced' if result.replaced else 'wrote'} `{shown(result.path)}`")
    else:
        lines.append("`--write` writes the spec; nothing was written")
    return "\n".join(lines)


def _counts(result: ImportResult) -> dict[str, int]:
    found = [str(it.outcome) for line in result.imported.lines for it in line.findings]
    return {kind: found.count(kind) for kind in _KINDS}


def import_document(result: ImportResult) -> dict[str, Any]:
    """The same as values."""
    imported = result.imported
    return {
        "file": imported.file,
        "stage": imported.stage,
        "path": result.path,
        "written": result.written,
        "mistake": result.mistake,
        "text": imported.text,
        "counts": _counts(result),
        "lines": [
            {
                "line": line.line,
                "instruction": line.text,
                "findings": [
                    {"outcome": str(it.outcome), "what": it.what, "why": it.why} for it in line.findings
                ],
            }
            for line in imported.lines
        ],
    }
