"""`doctor` as text and JSON. Pure."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from shipway.core.text import shown
from shipway.verbs.findings import Finding, Severity

if TYPE_CHECKING:
    from shipway.verbs.doctor import DoctorResult

_MARKS = {Severity.OK: "ok", Severity.INFO: "--", Severity.WARNING: "warning", Severity.ERROR: "ERROR"}
_COLORS = {Severity.OK: "32", Severity.INFO: "2", Severity.WARNING: "33", Severity.ERROR: "31;1"}
_LONG = 400
"""Characters of a finding that are shown."""


def render_doctor(result: DoctorResult, *, color: bool = False) -> str:
    """A list by group, each problem with its remedy below it."""
    parts = []
    for group, findings in itertools.groupby(result.findings, lambda finding: finding.group):
        parts.append(f"{group}\n" + "".join(_lines(finding, color=color) for finding in findings))
    errors = sum(finding.severity is Severity.ERROR for finding in result.findings)
    warnings = sum(finding.severity is Severity.WARNING for finding in result.findings)
    parts.append(f"{_count(errors, 'error')}, {_count(warnings, 'warning')}\n")
    return "\n".join(parts)


def _lines(finding: Finding, *, color: bool) -> str:
    mark = _MARKS[finding.severity].ljust(7)
    if color:
        mark = f"\033[{_COLORS[finding.severity]}m{mark}\033[0m"
    text = f"  {mark}  {finding.name.ljust(18)}  {shown(finding.finding, _LONG)}\n"
    remedy = finding.remedy if finding.severity in (Severity.WARNING, Severity.ERROR) else ""
    return text + (f"{' ' * 31}-> {remedy}\n" if remedy else "")


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def doctor_document(result: DoctorResult) -> dict[str, Any]:
    """The findings, in the order of the checks."""
    return {
        "ok": not result.code,
        "findings": [
            {
                "name": finding.name,
                "group": finding.group,
                "severity": finding.severity.value,
                "finding": finding.finding,
                "remedy": finding.remedy,
            }
            for finding in result.findings
        ],
    }
