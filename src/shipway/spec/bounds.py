"""How a package that somebody adds without a version is written: bounded as the lines around it are. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from shipway.spec.requirement import parse_requirement

if TYPE_CHECKING:
    from collections.abc import Sequence


def bounded(requirement: str, versions: Sequence[str], neighbours: Sequence[str]) -> str:
    """`requirement`, which has no version, with one that `versions` (what the targets got) satisfy.

    `==` where all `neighbours` (requirements) are pinned so, and where there are none; else from the version on, below the next
    one that may break: `>=2.1.0,<3`, `>=0.8.2,<0.9`. Where the targets differ, the range holds all of theirs.
    """
    found = sorted({Version(version) for version in versions})
    lowest, highest = found[0], found[-1]
    parsed = parse_requirement(requirement)
    pinned = all(parse_requirement(one).pin for one in neighbours)
    text = f"=={lowest.public}" if pinned and len(found) == 1 else f">={lowest.public},<{_next(highest)}"
    extras = f"[{','.join(parsed.extras)}]" if parsed.extras else ""
    marker = f"; {parsed.marker}" if parsed.marker else ""
    return f"{parsed.name}{extras}{text}{marker}"


def _next(version: Version) -> str:
    """The version at which `version` may break by the usual reading: the next first number that is not zero."""
    numbers = list(version.release)
    place = next((number for number, one in enumerate(numbers) if one), len(numbers) - 1)
    epoch = f"{version.epoch}!" if version.epoch else ""
    return epoch + ".".join(map(str, [*numbers[:place], numbers[place] + 1]))
