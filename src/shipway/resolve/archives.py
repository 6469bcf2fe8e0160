"""Archives as they are now, or as they were on a pinned date: InRelease verified, indexes by digest.

The chain: a trusted certificate signs InRelease, InRelease names the digest of each Packages file, Packages names the digest
of each .deb. Nothing is read before the link above it has been checked.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.digest import BlobDigest
from shipway.core.errors import FetchError, NotFound, SignatureError, ToolError
from shipway.core.events import Emit, Note
from shipway.host.http import FetchJob, NotOffered
from shipway.lock.model import ArchiveLock
from shipway.resolve.inflate import inflate_index
from shipway.resolve.keys import read_keyring, verify_clearsigned
from shipway.resolve.packages import PackageIndex
from shipway.resolve.release import Release, check_suite, check_time, end_of_day, parse_release, render_time

if TYPE_CHECKING:
    from datetime import datetime

    import pysequoia

    from shipway.host.http import Fetcher
    from shipway.host.location import Location
    from shipway.host.mirrors import Mirrors
    from shipway.resolve.release import IndexFile
    from shipway.spec.model import Base
    from shipway.store.store import Store

_ROLLING = frozenset({"sid", "unstable", "experimental", "rc-buggy"})
_COMPONENTS = {"ubuntu": ("main", "universe")}
_FORMS = (".zst", ".xz", ".gz", "")
_MAX_INRELEASE = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteName:
    """One suite and the archive it lies in."""

    alias: str
    suite: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteArchive:
    """One verified suite with the indexes that were asked for."""

    lock: ArchiveLock
    release: Release
    content: bytes
    """The signed text of its InRelease."""
    indexes: tuple[tuple[str, str, str, BlobDigest, str], ...]
    """Component, architecture, compression suffix, digest and path of each Packages file on disk."""

    def read(self, architecture: str) -> list[PackageIndex]:
        """The package indexes for `architecture`, parsed."""
        return [
            PackageIndex(
                inflate_index(path, suffix, self._full_size(component, arch)),
                archive=self.lock.alias,
                suite=self.lock.suite,
                component=component,
            )
            for component, arch, suffix, _digest, path in self.indexes
            if arch == architecture
        ]

    def _full_size(self, component: str, architecture: str) -> int | None:
        entry = self.release.indexes.get(f"{component}/binary-{architecture}/Packages")
        return entry.size if entry else None


def plan_suites(base: Base) -> tuple[SuiteName, ...]:
    """The suites that `base` means: the suite itself, its updates and its security updates, where it has them."""
    main = SuiteName(alias=base.distribution, suite=base.suite)
    if base.suite in _ROLLING:
        return (main,)
    return (
        main,
        SuiteName(alias=base.distribution, suite=f"{base.suite}-updates"),
        SuiteName(alias=f"{base.distribution}-security", suite=f"{base.suite}-security"),
    )


def fetch_archives(
    base: Base,
    architectures: tuple[str, ...],
    *,
    fetcher: Fetcher,
    store: Store,
    mirrors: Mirrors,
    now: datetime,
    emit: Emit,
) -> tuple[SuiteArchive, ...]:
    """The verified suites of `base`, at its date if it has one, else valid at `now`; indexes come from the store if they can.

    Raises:
        NotFound: no mirror is known, or none has the suite or the architecture.
        SignatureError: what the mirrors have is not signed, of another suite, or out of date.
        FetchError: no mirror delivers.
    """
    moment = end_of_day(base.date) if base.date else now
    trusted = read_keyring(base.distribution, mirrors.keyrings.get(base.distribution, ""))
    reader = _Reader(base, moment, fetcher=fetcher, mirrors=mirrors, trusted=trusted, emit=emit)
    suites = plan_suites(base)
    with ThreadPoolExecutor(len(suites), thread_name_prefix="suite") as pool:
        found = list(pool.map(reader.read, suites))
    wanted = [(one, *index) for one in found for index in _choose_indexes(one, base, architectures)]
    paths = _fetch_indexes(wanted, fetcher, store, mirrors)
    return tuple(
        SuiteArchive(
            lock=one.lock,
            release=one.release,
            content=one.content,
            indexes=tuple(
                (component, arch, suffix, digest, paths[digest])
                for owner, component, arch, suffix, digest, _file in wanted
                if owner is one
            ),
        )
        for one in found
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Verified:
    lock: ArchiveLock
    release: Release
    content: bytes
    root: str


class _Reader:
    """Reads one suite's InRelease from the first mirror that has a sound one."""

    def __init__(
        self,
        base: Base,
        moment: datetime,
        *,
        fetcher: Fetcher,
        mirrors: Mirrors,
        trusted: list[pysequoia.Cert],
        emit: Emit,
    ):
        self._fetcher, self._mirrors, self._trusted = fetcher, mirrors, trusted
        self._moment, self._base, self._emit = moment, base, emit

    def read(self, name: SuiteName) -> _Verified:
        failures: list[ToolError] = []
        for root in self._roots(name):
            try:
                found = self._read_from(root, name)
            except (FetchError, SignatureError) as error:
                failures.append(error)
                continue
            for failure in failures:
                self._emit(Note(f"took another mirror for `{name.suite}`: {failure.message}", "warning"))
            return found
        raise self._failure(name, failures)

    def _roots(self, name: SuiteName) -> tuple[str, ...]:
        live = self._mirrors.of(name.alias)
        if not self._base.date:
            return live
        return (*live, *self._mirrors.snapshots_of(name.alias, self._moment.strftime("%Y%m%dT%H%M%SZ")))

    def _read_from(self, root: str, name: SuiteName) -> _Verified:
        path = f"dists/{name.suite}/InRelease"
        location = self._mirrors.location(root, path)
        shown_name = str(location)
        body = self._fetcher.get(location, max_size=_MAX_INRELEASE, name=shown_name).body
        signed = verify_clearsigned(body, self._trusted, name=shown_name)
        release = parse_release(signed.content, name=shown_name)
        check_suite(release, name.suite, name=shown_name)
        check_time(
            release, self._moment, name=shown_name, base=f"{self._base.distribution}:{self._base.suite}"
        )
        lock = ArchiveLock(
            alias=name.alias,
            distribution=self._base.distribution,
            suite=name.suite,
            components=_components(self._base, release),
            date=render_time(release.date),
            release=BlobDigest.of(body),
            signers=signed.signers,
        )
        return _Verified(lock=lock, release=release, content=signed.content, root=root)

    def _failure(self, name: SuiteName, failures: list[ToolError]) -> ToolError:
        variable = f"SHIPWAY_MIRROR_{name.alias.upper().replace('-', '_')}"
        if not failures:
            return NotFound(
                f"no mirror is known for `{name.alias}`",
                hints=(
                    f"put a mirror's address into `{variable}`",
                    "or write it into `shipway/mirrors.toml`",
                ),
            )
        if all(isinstance(error, NotOffered) for error in failures):
            return NotFound(
                f"no mirror of `{name.alias}` has the suite `{name.suite}`",
                hints=("check the suite's name in `base`", f"or name a mirror that has it in `{variable}`"),
                detail="\n".join(error.message for error in failures),
            )
        # A signature that fails says more than a mirror that is down.
        worst = next((error for error in failures if isinstance(error, SignatureError)), failures[0])
        if len(failures) > 1:
            worst.detail = "\n".join(
                (worst.detail, *(error.message for error in failures if error is not worst))
            )
        return worst


def _components(base: Base, release: Release) -> tuple[str, ...]:
    """The components read; a security archive may call `main` by `updates/main`, which apt does not care about either."""
    wanted = _COMPONENTS.get(base.distribution, ("main",))
    return tuple(one for one in wanted if one in release.components or f"updates/{one}" in release.components)


def _choose_indexes(
    one: _Verified, base: Base, architectures: tuple[str, ...]
) -> list[tuple[str, str, str, BlobDigest, IndexFile]]:
    chosen = []
    for component in one.lock.components:
        for arch in architectures:
            paths = [(suffix, f"{component}/binary-{arch}/Packages{suffix}") for suffix in _FORMS]
            present = next(((s, one.release.indexes[p]) for s, p in paths if p in one.release.indexes), None)
            if present is None:
                raise NotFound(
                    f"`{base}` has no packages for `{arch}` in `{one.lock.suite}`",
                    hints=(
                        f"it has {' '.join(one.release.architectures)}",
                        "take another platform or mirror",
                    ),
                )
            suffix, file = present
            chosen.append((component, arch, suffix, BlobDigest.from_hex(file.sha256), file))
    return chosen


def _fetch_indexes(
    wanted: list[tuple[_Verified, str, str, str, BlobDigest, IndexFile]],
    fetcher: Fetcher,
    store: Store,
    mirrors: Mirrors,
) -> dict[BlobDigest, str]:
    """Bring the index files into the store; digest -> path."""
    paths = {digest: store.find_blob(digest) for _o, _c, _a, _s, digest, _f in wanted}
    missing = {item[4]: item for item in wanted if paths[item[4]] is None}
    if missing:
        with store.transaction() as tx:
            jobs = [
                FetchJob(
                    sources=tuple(_index_locations(one, file, mirrors)),
                    path=tx.blob_staging_path(digest),
                    sha256=digest,
                    size=file.size,
                    name=f"{one.lock.suite} {component} {arch} {os.path.basename(file.path)}",
                )
                for digest, (one, component, arch, _suffix, _digest, file) in missing.items()
            ]
            for job, fetched in fetcher.fetch_many(jobs, phase="index"):
                assert job.sha256 is not None
                digest = BlobDigest(job.sha256)
                paths[digest] = tx.add_blob(fetched.path, digest)
            tx.commit()
            paths |= {digest: store.find_blob(digest) or paths[digest] for digest in missing}
    return {digest: path for digest, path in paths.items() if path is not None}


def _index_locations(one: _Verified, file: IndexFile, mirrors: Mirrors) -> list[Location]:
    folder = f"dists/{one.lock.suite}/{os.path.dirname(file.path)}"
    roots = dict.fromkeys((one.root, *mirrors.of(one.lock.alias)))
    by_hash = [mirrors.location(root, f"{folder}/by-hash/SHA256/{file.sha256}") for root in roots]
    plain = [mirrors.location(root, f"dists/{one.lock.suite}/{file.path}") for root in roots]
    return [*by_hash, *plain] if one.release.by_hash else [*plain]
