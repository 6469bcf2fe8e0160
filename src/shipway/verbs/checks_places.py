"""Checks of disks and of the clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shipway.core.units import render_size
from shipway.verbs.findings import Check, Seen, Severity

if TYPE_CHECKING:
    from shipway.verbs.findings import Machine

_LOW = 2 << 30
"""Bytes: less than this and a build with a framework will not fit."""
_COMFORTABLE = 10 << 30
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "lustre", "gpfs", "beegfs", "afs", "ceph", "9p")
_NOT_LINUX = ("vfat", "exfat", "ntfs", "ntfs3", "fuseblk", "msdos")
_NOT_UPPER = ("overlay", "overlayfs", "nfs", "nfs4", "fuse", "ecryptfs", "aufs")
_RELEASED = 1793491200
"""2026-11-01: no clock that is right shows less."""
_FAR = _RELEASED + 20 * 31557600


def _free(machine: Machine) -> Seen:
    store = machine.places()["store"]
    free = machine.free(store)
    text = f"{render_size(free)} free for the store `{store}`"
    remedy = "free space with `shipway gc`, or move the store with `SHIPWAY_STORE`"
    if free < _LOW:
        return Seen(Severity.ERROR, text, remedy)
    return Seen(Severity.WARNING, text, remedy) if free < _COMFORTABLE else Seen(Severity.OK, text)


def _store_kind(machine: Machine) -> Seen:
    store = machine.places()["store"]
    kind = machine.filesystem(store)
    text = f"the store is on {kind}"
    if kind in _NETWORK or kind in _NOT_LINUX:
        return Seen(
            Severity.ERROR,
            f"{text}, which cannot hold it safely",
            "set `SHIPWAY_STORE` to a folder on a local disk",
        )
    if kind in _NOT_UPPER:
        return Seen(
            Severity.INFO,
            f"{text}; what containers write is kept in memory or on another disk, for overlays cannot stack on it",
        )
    return Seen(Severity.OK, text)


def _project_kind(machine: Machine) -> Seen:
    project = machine.places()["project"]
    kind = machine.filesystem(project)
    if kind in _NOT_LINUX:
        return Seen(
            Severity.WARNING,
            f"the project is on {kind}, which has no file modes and no links",
            "move it to a Linux file system",
        )
    return Seen(Severity.OK, f"the project is on {kind}")


def _clock(machine: Machine) -> Seen:
    now = machine.now()
    text = time.strftime("the clock says %Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if not _RELEASED <= now <= _FAR:
        return Seen(
            Severity.ERROR,
            f"{text}, which cannot be",
            "set the clock; signatures and certificates depend on it",
        )
    return Seen(Severity.OK, text)


PLACE_CHECKS = (
    Check("disk-space", "places", _free),
    Check("store-filesystem", "places", _store_kind),
    Check("project-filesystem", "places", _project_kind),
    Check("clock", "places", _clock),
)
