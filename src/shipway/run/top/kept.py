"""What a container that is kept by name has changed: its writable top, read and left as it is."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from shipway.core.manifest import DIRECTORY, FILE, SYMLINK, WHITEOUT, Entry, disk_mode
from shipway.host.overlay import is_opaque

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from shipway.run.model import Environment, Invocation

_CHUNK = 1 << 20
WRITTEN_AT_START = frozenset(
    {
        "cache", "etc/group", "etc/hostname", "etc/hosts", "etc/localtime", "etc/passwd", "etc/resolv.conf",
        "etc/shipway-certificates.crt", "etc/shipway-prompt.sh", "etc/shipway-xauthority", "etc/timezone", "opt/shipway",
        "var/cache/shipway", "var/cache/shipway/bytecode",
    }
)  # fmt: skip
"""What every start of a container writes itself (`request.py`)."""
_IN_SITE_PACKAGES = ("_shipway_editable.pth", "_shipway_editable.py")


_LEADING = frozenset(
    {"dev", "etc", "home", "proc", "root", "run", "sbin", "sys", "tmp", "var", "var/cache", "var/tmp"}
)
"""Folders that a start makes where the image lacks them, for what it mounts there or below."""


def is_written_at_start(path: str) -> bool:
    """Whether a start of a container writes `path` itself."""
    return path in WRITTEN_AT_START or path.rpartition("/")[2] in _IN_SITE_PACKAGES


def is_of_start(path: str, places: Collection[str], *, is_folder: bool = True) -> bool:
    """Whether a start writes `path`, or makes it because something is mounted there or below.

    `places`: the targets of mounts, relative to the root (`places_of_mounts`).
    """
    if is_written_at_start(path) or path in places:
        return True
    is_home = path.startswith("home/") and path.count("/") == 1
    return is_folder and (
        path in _LEADING or is_home or any(place.startswith(f"{path}/") for place in places)
    )


def places_of_mounts(environment: Environment, asked: Invocation) -> tuple[str, ...]:
    """Where containers of `environment` that were asked for like this have mounts of their own, relative to the root."""
    mounts = (*environment.options.mounts, *asked.mounts)
    return (environment.workdir.strip("/"), *(mount.target.strip("/") for mount in mounts))


def read_changes(upper: str, lower: Mapping[str, Entry]) -> list[Entry]:
    """The entries of the overlay's upper folder `upper` over the visible paths `lower`; none where nothing was written yet.

    Owners are those of `lower`, or root's: on disk everything belongs to whoever ran the container. A file's content is read only
    where its size does not tell that it differs; the digest of one that was not read is empty. Sockets and pipes are left out.

    Raises:
        OSError: something cannot be read.
    """
    return list(_below(upper, "", lower)) if os.path.isdir(upper) else []


def read_written(upper: str, lower: Mapping[str, Entry], places: Collection[str]) -> list[Entry]:
    """The same without what every start writes; `places`: see `is_of_start`."""
    return [
        entry
        for entry in read_changes(upper, lower)
        if not is_of_start(entry.path, places, is_folder=entry.kind == DIRECTORY)
    ]


def _below(upper: str, folder: str, lower: Mapping[str, Entry]) -> Iterator[Entry]:
    here = os.path.join(upper, folder)
    names = sorted(os.listdir(here))
    if folder and is_opaque(here):
        yield from _hidden(folder, frozenset(names), lower)
    for name in names:
        path = f"{folder}/{name}" if folder else name
        full = os.path.join(upper, path)
        info = os.lstat(full)
        below = lower.get(path)
        if stat.S_ISDIR(info.st_mode):
            yield _entry(path, DIRECTORY, info, below)
            yield from _below(upper, path, lower)
        elif stat.S_ISCHR(info.st_mode) and info.st_rdev == 0:
            if below is not None:
                yield Entry(path, WHITEOUT, 0)
        elif stat.S_ISLNK(info.st_mode):
            yield _entry(path, SYMLINK, info, below)._replace(mode=0o777, target=os.readlink(full))
        elif stat.S_ISREG(info.st_mode):
            is_same_size = below is not None and below.kind == FILE and below.size == info.st_size
            digest = _digest(full) if is_same_size else ""
            yield _entry(path, FILE, info, below)._replace(size=info.st_size, digest=digest)


def _entry(path: str, kind: str, info: os.stat_result, below: Entry | None) -> Entry:
    mode = stat.S_IMODE(info.st_mode)
    if below is None or below.kind != kind:
        return Entry(path, kind, mode)
    if mode == disk_mode(kind, below.mode):
        mode = below.mode
    return Entry(path, kind, mode, below.uid, below.gid, xattrs=below.xattrs)


def _hidden(folder: str, names: frozenset[str], lower: Mapping[str, Entry]) -> Iterator[Entry]:
    prefix = folder + "/"
    for path in lower:
        name = path.removeprefix(prefix)
        if path.startswith(prefix) and "/" not in name and name not in names:
            yield Entry(path, WHITEOUT, 0)


def _digest(path: str) -> str:
    found = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()
