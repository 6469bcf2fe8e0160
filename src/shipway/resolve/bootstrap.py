"""The suite's own apt as a tree to run from: the solver that a suite's users know, whatever this host is.

Only what apt needs to compute is unpacked: apt, the libraries it is linked to, and dpkg for its tables of architectures.
Nothing is configured.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from shipway.archive.deb import open_deb
from shipway.archive.extract import Extractor
from shipway.core.digest import BlobDigest, key_of
from shipway.core.errors import NotFound
from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK
from shipway.host.http import FetchJob
from shipway.resolve.packages import PackageRecord, parse_dependencies
from shipway.resolve.versions import is_newer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.host.http import Fetcher
    from shipway.host.mirrors import Mirrors
    from shipway.resolve.packages import PackageIndex
    from shipway.store.store import Store
    from shipway.store.tree import Tree

_ALIASES = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_RECIPE = 2


def plan_bootstrap(indexes: Sequence[PackageIndex]) -> tuple[PackageRecord, ...]:
    """The newest apt of `indexes` and every library it needs, sorted by name.

    A walk over dependencies, not a solver: the first alternative that exists is taken, and only libraries are followed,
    because apt runs unconfigured and alone.

    Raises:
        NotFound: the suite has no apt, or a library is missing.
    """
    chosen: dict[str, PackageRecord] = {}
    wanted = ["apt", "dpkg"]
    while wanted:
        name = wanted.pop()
        if name in chosen:
            continue
        record = newest_record(name, indexes)
        if record is None:
            raise NotFound(
                f"the suite has no `{name}`, which its solver needs",
                hints=("use a complete mirror of the suite",),
            )
        chosen[name] = record
        for group in parse_dependencies(record.depends):
            names = [one.name for one in group if _is_library(one.name)]
            found = next((one for one in names if newest_record(one, indexes) is not None), None)
            if found is not None:
                wanted.append(found)
    return tuple(chosen[name] for name in sorted(chosen))


def newest_record(name: str, indexes: Sequence[PackageIndex]) -> PackageRecord | None:
    """The record of `name` with the highest version in any of `indexes`."""
    best: PackageRecord | None = None
    for index in indexes:
        for record in index.records(name):
            if best is None or is_newer(record.version, best.version):
                best = record
    return best


def make_solver_tree(
    records: Sequence[PackageRecord], *, fetcher: Fetcher, store: Store, mirrors: Mirrors
) -> Tree:
    """The tree with `records` unpacked over each other, from the store or made now.

    Raises:
        FetchError, HashMismatch, HostileInput, NoSpace: see `Fetcher.fetch` and `Extractor`.
    """
    inputs = {
        "recipe": "solver",
        "version": _RECIPE,
        "debs": [[r.name, r.version, r.sha256] for r in records],
    }
    found = store.find_tree(key_of(inputs))
    if found is not None:
        return found
    with store.transaction() as tx:
        paths = {r.sha256: store.find_blob(BlobDigest.from_hex(r.sha256)) for r in records}
        jobs = [
            FetchJob(
                sources=tuple(mirrors.locations(record.archive, record.path)),
                path=tx.blob_staging_path(BlobDigest.from_hex(record.sha256)),
                sha256=BlobDigest.from_hex(record.sha256),
                size=record.size,
                name=f"{record.name} {record.version}",
            )
            for record in records
            if paths[record.sha256] is None
        ]
        for _job, fetched in fetcher.fetch_many(jobs, phase="solver"):
            paths[fetched.sha256.hex] = tx.add_blob(fetched.path, fetched.sha256)
        staged = tx.stage("the solver")
        extractor = Extractor(staged.fd, "apt and its libraries")
        with contextlib.closing(extractor):
            for name in ("bin", "sbin", "lib", "lib64"):
                extractor.directory(f"usr/{name}", 0o755, 0)
                extractor.symlink(name, f"usr/{name}", 0)
            for record in records:
                _unpack(paths[record.sha256] or "", extractor, record.name)
            manifest = extractor.finish()
        tree = tx.add_tree(inputs, staged, manifest)
        tx.commit()
    return tree


def _is_library(name: str) -> bool:
    return name.startswith(("lib", "zlib"))


def _is_left_out(place: str) -> bool:
    """Manuals and translations; dpkg's tables are what apt reads."""
    return place.startswith("usr/share/") and not place.startswith("usr/share/dpkg/")


def _unpack(path: str, extractor: Extractor, artifact: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for member in open_deb(fd, artifact).members():
            place = _merged(member.path)
            if member.path == "." or _is_left_out(place):
                continue
            if member.kind == DIRECTORY:
                known = extractor.entries.get(place)
                if place not in _ALIASES and (known is None or known.kind != DIRECTORY):
                    extractor.directory(place, member.mode, member.mtime)
            elif member.kind == FILE:
                extractor.file(place, member.content, member.mode, member.mtime)
            elif member.kind == SYMLINK:
                extractor.symlink(place, member.target, member.mtime)
            elif member.kind == HARDLINK:
                extractor.hardlink(place, _merged(member.target))
    finally:
        os.close(fd)


def _merged(path: str) -> str:
    top, slash, _ = path.partition("/")
    return f"usr/{path}" if slash and top in _ALIASES else path
