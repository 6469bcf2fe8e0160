"""Debian packages of every target: chosen by apt, looked up in verified indexes, the same version wherever they are shared.

apt runs twice for a target, as one does by hand: once for the essential set, once for what was asked for on top of it. So a
wish never changes which alternative the base system takes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shipway.core.digest import BlobDigest, key_of
from shipway.core.errors import ConflictError, NotFound
from shipway.core.events import silent
from shipway.core.platform import debian_architecture, platform_of_machine
from shipway.host import clock
from shipway.lock.model import Deb
from shipway.resolve.apt_solver import AptWish, Choice, check_wishes, parse_wish
from shipway.resolve.archives import fetch_archives
from shipway.resolve.bootstrap import make_solver_tree, plan_bootstrap
from shipway.resolve.packages import parse_dependencies
from shipway.resolve.solver_run import Solver

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipway.core.events import Emit
    from shipway.host.http import Fetcher
    from shipway.host.mirrors import Mirrors
    from shipway.lock.model import ArchiveLock, Lock
    from shipway.resolve.archives import SuiteArchive
    from shipway.resolve.packages import PackageIndex, PackageRecord
    from shipway.spec.model import Base, Wish
    from shipway.store.store import Store

_MERGED = "usr-is-merged"
"""Satisfies `usrmerge | usr-is-merged`, which the essential set needs where base-files does not bring the links itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebRequest:
    """What one target on one platform wants from its distribution."""

    target: str
    platform: str
    base: Base
    names: tuple[Wish, ...]
    recommends: bool = False
    installed: bytes = b""
    """The dpkg status of the image that the packages are added to; empty where they are the whole system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebResolution:
    """What was chosen for all requests together."""

    archives: tuple[ArchiveLock, ...]
    debs: tuple[Deb, ...]
    targets: dict[tuple[str, str], tuple[str, ...]]
    """(target, platform) -> ids of its debs, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tools:
    """What resolving works with."""

    fetcher: Fetcher
    store: Store
    mirrors: Mirrors
    host_platform: str
    now: datetime
    emit: Emit


def resolve_debs(
    requests: Sequence[DebRequest],
    *,
    fetcher: Fetcher,
    store: Store,
    mirrors: Mirrors,
    previous: Lock | None = None,
    upgrade: frozenset[str] | None = frozenset(),
    emit: Emit = silent,
    host_platform: str = "",
    now: datetime | None = None,
) -> DebResolution:
    """Choose the packages of all `requests`.

    `previous`: its versions are kept where they still exist, but for the names in `upgrade` (None: upgrade everything).
    `host_platform` (default: this machine's) is what the solver itself runs on; `now` is what archives must be valid at.

    Raises:
        NotFound: a package, version or suite does not exist.
        ConflictError: the wishes of a target contradict each other, or two targets want two versions of one package.
        SignatureError, FetchError, HashMismatch, HostileInput, SandboxError: see `fetch_archives`, `Solver`.
    """
    tools = _Tools(
        fetcher=fetcher,
        store=store,
        mirrors=mirrors,
        host_platform=host_platform or platform_of_machine(os.uname().machine) or "linux/amd64",
        now=now or datetime.fromtimestamp(clock.now(), UTC),
        emit=emit,
    )
    groups: dict[Base, list[DebRequest]] = {}
    for request in requests:
        groups.setdefault(request.base, []).append(request)
    archives: dict[BlobDigest, ArchiveLock] = {}
    debs: dict[str, Deb] = {}
    targets: dict[tuple[str, str], tuple[str, ...]] = {}
    for base, members in groups.items():
        group = _Group(base, members, tools, _pins(previous, upgrade))
        archives |= {one.lock.release: one.lock for one in group.archives}
        for request in members:
            chosen = group.solve(request)
            debs |= {deb.id: deb for deb in chosen}
            targets[request.target, request.platform] = tuple(sorted(deb.id for deb in chosen))
    return DebResolution(
        archives=tuple(sorted(archives.values(), key=lambda one: (one.distribution, one.suite, one.alias))),
        debs=tuple(debs[name] for name in sorted(debs)),
        targets=targets,
    )


def _pins(previous: Lock | None, upgrade: frozenset[str] | None) -> tuple[tuple[str, str], ...]:
    if previous is None or upgrade is None:
        return ()
    return tuple(sorted({(deb.name, deb.version) for deb in previous.debs if deb.name not in upgrade}))


class _Group:
    """All targets that share a base."""

    def __init__(
        self, base: Base, members: Sequence[DebRequest], tools: _Tools, pins: tuple[tuple[str, str], ...]
    ):
        self._base = base
        self._tools = tools
        host = debian_architecture(tools.host_platform)
        wanted = dict.fromkeys(debian_architecture(request.platform) for request in members)
        foreign = dict.fromkeys(
            wish.architecture for request in members for _, wish in _parsed(request) if wish.architecture
        )
        known = tuple(dict.fromkeys((host, *wanted, *foreign)))
        self.archives: tuple[SuiteArchive, ...] = fetch_archives(
            base,
            known,
            fetcher=tools.fetcher,
            store=tools.store,
            mirrors=tools.mirrors,
            now=tools.now,
            emit=tools.emit,
        )
        self._host = host
        self._indexes: dict[str, list[PackageIndex]] = {}
        self._pins = self._all_pins(members, pins)
        self._solver: Solver | None = None

    def solve(self, request: DebRequest) -> tuple[Deb, ...]:
        """The packages of one target, in id order."""
        architecture = debian_architecture(request.platform)
        wishes = _parsed(request)
        foreign = tuple(
            sorted({one.architecture for _, one in wishes if one.architecture} - {architecture, "all"})
        )
        question: dict[str, Any] = {
            "solve": 3,
            "indexes": [[i[3].hex for i in one.indexes] for one in self.archives],
            "architecture": [architecture, *foreign],
            "host": self._host,
            "names": [one.argument for _, one in wishes],
            "pins": [list(pin) for pin in self._pins],
            "recommends": request.recommends,
        }
        if request.installed:
            question["installed"] = BlobDigest.of(request.installed).hex
        answer = self._tools.store.record("solve", key_of(question).hex)
        if answer is None:
            choices = self._ask(request, architecture, foreign, wishes)
            debs = self._lock_debs([choice.key for choice in choices], (architecture, *foreign))
            answer = {"debs": [_deb_to_json(deb) for deb in debs]}
            self._tools.store.put_record("solve", key_of(question).hex, answer)
        return tuple(_deb_from_json(value) for value in answer["debs"])

    def _ask(
        self,
        request: DebRequest,
        architecture: str,
        foreign: tuple[str, ...],
        wishes: list[tuple[Wish, AptWish]],
    ) -> tuple[Choice, ...]:
        indexes = self._read(architecture)
        check_wishes(wishes, [*indexes, *(i for one in foreign for i in self._read(one))], str(self._base))
        if request.installed:
            return self._add(request, architecture, foreign, wishes)
        essential = sorted({name for index in indexes for name in index.essential_names()})
        if not essential:
            raise NotFound(
                f"`{self._base}` has no essential packages for `{architecture}`",
                hints=("use a complete mirror of the suite",),
            )
        if any(_wants_usrmerge(name, indexes) for name in essential):
            essential.append(_MERGED)
        solver = self._get_solver()
        base = solver.solve(
            [AptWish(name=name) for name in essential],
            architecture,
            foreign,
            recommends=False,
            pins=self._pins,
        )
        if not wishes:
            return base.installed
        installed = [self._record(choice.key, (architecture, *foreign)) for choice in base.installed]
        more = solver.solve(
            [one for _, one in wishes],
            architecture,
            foreign,
            recommends=request.recommends,
            pins=self._pins,
            installed=installed,
            wishes=wishes,
        )
        # What the second step replaces or removes (`name=other version`, `usrmerge`) is not there twice.
        replaced = {(one.name, one.architecture) for one in more.installed}
        kept = [
            one
            for one in base.installed
            if (one.name, one.architecture) not in replaced
            and not {one.name, f"{one.name}:{one.architecture}"} & set(more.removed)
        ]
        return (*kept, *more.installed)

    def _add(
        self,
        request: DebRequest,
        architecture: str,
        foreign: tuple[str, ...],
        wishes: list[tuple[Wish, AptWish]],
    ) -> tuple[Choice, ...]:
        """What is missing in, or too old for, the image that has `request.installed`. Nothing of it is removed."""
        if not wishes:
            return ()
        answer = self._get_solver().solve(
            [one for _, one in wishes],
            architecture,
            foreign,
            recommends=request.recommends,
            pins=self._pins,
            status=request.installed,
            wishes=wishes,
        )
        if answer.removed:
            raise ConflictError(
                f"target `{request.target}`: {', '.join(f'`{wish.text}` ({wish.origin})' for wish, _ in wishes)} cannot be "
                f"installed without removing {', '.join(f'`{name}`' for name in answer.removed)} from the base image",
                hints=("leave out the package that does not fit, or take another base",),
            )
        return answer.installed

    def _get_solver(self) -> Solver:
        if self._solver is None:
            records = plan_bootstrap(self._read(self._host))
            tools = self._tools
            tree = make_solver_tree(records, fetcher=tools.fetcher, store=tools.store, mirrors=tools.mirrors)
            self._solver = Solver(tree, tools.store, self.archives, read=self._read, base=str(self._base))
        return self._solver

    def _read(self, architecture: str) -> list[PackageIndex]:
        if architecture not in self._indexes:
            self._indexes[architecture] = [
                index for archive in self.archives for index in archive.read(architecture)
            ]
        return self._indexes[architecture]

    def _record(
        self, key: tuple[str, str, str], architectures: tuple[str, ...]
    ) -> tuple[PackageRecord, bytes]:
        for architecture in architectures:
            for index in self._read(architecture):
                found = index.find(key)
                if found is not None:
                    return found
        raise NotFound(
            f"apt chose `{key[0]}={key[1]}:{key[2]}`, which no index of `{self._base}` has",
            hints=("run the command again",),
        )

    def _lock_debs(
        self, keys: Iterable[tuple[str, str, str]], architectures: tuple[str, ...]
    ) -> tuple[Deb, ...]:
        records = [self._record(key, architectures)[0] for key in keys]
        return tuple(sorted(lock_debs(records), key=lambda deb: deb.id))

    def _all_pins(
        self, members: Sequence[DebRequest], pins: tuple[tuple[str, str], ...]
    ) -> tuple[tuple[str, str], ...]:
        """`pins` without what the user asks otherwise for, and every target's explicit versions, so that twins agree."""
        explicit: dict[str, tuple[str, DebRequest]] = {}
        for request in members:
            for wish, asked in _parsed(request):
                if not asked.version:
                    continue
                other = explicit.setdefault(asked.name, (asked.version, request))
                if other[0] != asked.version:
                    raise ConflictError(
                        f"target `{other[1].target}` wants `{asked.name}={other[0]}`, target `{request.target}` "
                        f"wants `{asked.name}={asked.version}` ({wish.origin})",
                        hints=("ask for one version in all targets",),
                    )
        asked_otherwise = {one.name for request in members for _, one in _parsed(request) if one.suite}
        kept = [pin for pin in pins if pin[0] not in explicit and pin[0] not in asked_otherwise]
        return tuple(sorted({*kept, *((name, version) for name, (version, _) in explicit.items())}))


def lock_debs(records: Sequence[PackageRecord]) -> list[Deb]:
    """`records`, which are all packages of one target, as locked packages that know what they need of each other."""
    by_name: dict[str, str] = {}
    for record in records:
        for group in parse_dependencies(record.provides):
            by_name.setdefault(group[0].name, record.name)
    by_name |= {record.name: record.name for record in records}
    locked = []
    for record in records:
        needs = set()
        for group in parse_dependencies(record.depends):
            found = next((by_name[one.name] for one in group if one.name in by_name), None)
            if found is not None and found != record.name:
                needs.add(found)
        locked.append(
            Deb(
                name=record.name,
                version=record.version,
                architecture=record.architecture,
                sha256=BlobDigest.from_hex(record.sha256),
                size=record.size,
                path=record.path,
                archive=record.archive,
                source=record.source,
                essential=record.essential,
                depends=tuple(sorted(needs)),
            )
        )
    return locked


def _wants_usrmerge(name: str, indexes: Sequence[PackageIndex]) -> bool:
    return any("usrmerge" in record.depends for index in indexes for record in index.records(name))


def _deb_to_json(deb: Deb) -> dict[str, Any]:
    return {name: getattr(deb, name) for name in Deb.__slots__}


def _deb_from_json(value: dict[str, Any]) -> Deb:
    return Deb(**(value | {"sha256": BlobDigest(value["sha256"]), "depends": tuple(value["depends"])}))


def _parsed(request: DebRequest) -> list[tuple[Wish, AptWish]]:
    return [(wish, parse_wish(wish)) for wish in request.names]
