"""Where a locked .deb can be had from: this host's mirrors, then snapshot services at the moment of the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.text import shown
from shipway.resolve.release import parse_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.host.location import Location
    from shipway.host.mirrors import Mirrors
    from shipway.lock.model import ArchiveLock, Deb


def deb_locations(deb: Deb, archives: Sequence[ArchiveLock], mirrors: Mirrors) -> list[Location]:
    """Every place that may have `deb`, best first; its digest tells whether it does.

    `archives` are the locked suites; those of the package's archive say at which moments a snapshot must have had it.
    """
    dates = sorted({one.date for one in archives if one.alias == deb.archive}, reverse=True)
    moments = [parse_time(date).strftime("%Y%m%dT%H%M%SZ") for date in dates]
    roots = [
        *mirrors.of(deb.archive),
        *(url for one in moments for url in mirrors.snapshots_of(deb.archive, one)),
    ]
    if deb.archive.endswith("-security"):
        # A security update that went into a point release lies in the main archive too.
        roots += mirrors.of(deb.archive.removesuffix("-security"))
    return [mirrors.location(root, deb.path) for root in dict.fromkeys(roots)]


def describe_locations(deb: Deb, locations: Sequence[Location]) -> str:
    """For a message: what was looked for, and where."""
    places = ", ".join(str(one) for one in locations) or "nowhere: no mirror is known"
    return f"`{shown(deb.name)} {shown(deb.version)}` ({places})"
