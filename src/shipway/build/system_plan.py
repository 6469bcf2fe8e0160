"""In which steps maintainer scripts run. Pure.

First the essential set, whose files all lie there before the first script runs, as every installer of Debian does it. Then
the others in an order in which dependencies come first: where a package has a preinst that does something, the script sees
exactly the packages that come before it. Everything is configured at the end, or earlier where a preinst Pre-Depends on it.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.build.dpkg_database import find_activations, order_parts, pre_depends

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.build.dpkg_database import DebPart

TEMPORARY = "var/lib/dpkg/tmp.ci"
"""Where dpkg keeps the control files of a package whose preinst runs."""
ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBCONF_NONINTERACTIVE_SEEN": "true",
    "DPKG_ROOT": "",
    "DPKG_ADMINDIR": "/var/lib/dpkg",
    "PYTHONHASHSEED": "0",
    "PERL_HASH_SEED": "0",
    "FORCE_SOURCE_DATE": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One entry into the sandbox."""

    unpack: tuple[DebPart, ...]
    """Packages that become visible, in this order, before anything runs."""
    preinst: tuple[DebPart, ...] = ()
    """Whose preinst runs: of the packages in `unpack` for the essential set, else of one package that comes next."""
    configure: bool = False
    """Then configure everything that is unpacked."""
    is_first: bool = False
    """The essential set: its conffiles are in place before its scripts run, as after extracting archives by hand."""
    triggers: tuple[str, ...] = ()
    """Activated by unpacking, for packages that are configured already."""

    def describe(self) -> str:
        """One line for people."""
        words = [f"unpack {len(self.unpack)}"] if self.unpack else []
        words += [f"preinst {part.name}" for part in self.preinst]
        words += ["configure"] if self.configure else []
        return ", ".join(words)


def plan_steps(parts: Sequence[DebPart]) -> tuple[Step, ...]:
    """The steps for a whole system."""
    essential, rest = order_parts(parts)
    steps = [
        Step(
            unpack=essential,
            preinst=tuple(part for part in essential if part.preinst),
            configure=True,
            is_first=True,
        )
    ]
    configured = set(essential)
    unpacked: list[DebPart] = []
    waiting: list[DebPart] = []
    for part in rest:
        if part.has_preinst:
            needs = pre_depends(part, parts)
            if any(one.name in needs for one in unpacked):
                steps.append(_configure(waiting, unpacked, configured))
                configured |= set(unpacked)
                unpacked, waiting = [], []
            steps.append(Step(unpack=tuple(waiting), preinst=(part,)))
            waiting = []
        waiting.append(part)
        unpacked.append(part)
    if unpacked:
        steps.append(_configure(waiting, unpacked, configured))
    return tuple(steps)


def _configure(waiting: list[DebPart], unpacked: list[DebPart], configured: set[DebPart]) -> Step:
    return Step(unpack=tuple(waiting), configure=True, triggers=find_activations(unpacked, configured))


def staged_control(part: DebPart) -> str:
    """Where the control files of a package wait until its preinst runs."""
    return f"var/lib/dpkg/shipway.{part.name}.{part.architecture}"


def render_script(step: Step, dpkg_version: str) -> bytes:
    """The shell script that does `step` inside."""
    lines = ["set -e", "cd /", f"export DPKG_RUNNING_VERSION={shlex.quote(dpkg_version)}"]
    for part in step.preinst:
        # debconf tells whose preinst it serves by the directory and the control file beside it.
        lines.append(f"mv /{staged_control(part)} /{TEMPORARY}")
        variables = (
            f"DPKG_MAINTSCRIPT_PACKAGE={part.name} DPKG_MAINTSCRIPT_ARCH={part.architecture} "
            "DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1"
        )
        failed = f"{{ echo 'shipway: preinst of {part.name} failed' >&2; exit 1; }}"
        lines.append(f"env {variables} /{TEMPORARY}/preinst install || {failed}")
        lines.append(f"rm -r /{TEMPORARY}")
    if step.configure:
        # `--force-depends` lets dpkg enter the cycles of the essential set; an order is kept all the same.
        lines.append("dpkg --force-depends --force-unsafe-io --configure --pending")
    return "\n".join((*lines, "")).encode()
