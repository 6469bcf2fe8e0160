"""`doctor`: every check over this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode
from shipway.verbs.checks_engines import ENGINE_CHECKS
from shipway.verbs.checks_kernel import KERNEL_CHECKS
from shipway.verbs.checks_network import NETWORK_CHECKS
from shipway.verbs.checks_places import PLACE_CHECKS
from shipway.verbs.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.verbs.findings import Check, Machine

CHECKS: tuple[Check, ...] = (*KERNEL_CHECKS, *PLACE_CHECKS, *NETWORK_CHECKS, *ENGINE_CHECKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorResult:
    """What all checks saw."""

    findings: tuple[Finding, ...]

    @property
    def code(self) -> ExitCode:
        """`DOCTOR` when something needed does not work."""
        bad = any(finding.severity is Severity.ERROR for finding in self.findings)
        return ExitCode.DOCTOR if bad else ExitCode.OK


def run_doctor(machine: Machine, tell: Callable[[Finding], None] | None = None) -> DoctorResult:
    """Ask every check; `tell` hears of each finding as it comes."""
    findings = []
    for check in CHECKS:
        findings.append(check.run(machine))
        if tell:
            tell(findings[-1])
    return DoctorResult(findings=tuple(findings))
