"""Wishes -> wheels: one resolution by uv for all targets, one file per package and target, by hash.

The rounds: uv locks all groups together; where that cannot be, each target alone, led by the one whose versions the others can
follow best. Then a file is chosen per package. A version whose wheels all need a newer C library is excluded and uv asked again;
a package that has no wheel at all is built from its sdist in the sandbox (`workshop.py`) and offered to uv as a wheel.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from packaging.utils import canonicalize_name
from packaging.version import Version

from shipway.core.digest import BlobDigest
from shipway.core.errors import ConflictError, FetchError, OfflineError
from shipway.core.events import Emit, Note, silent
from shipway.host.http import Fetcher
from shipway.host.indexes import DEFAULT, IndexTable
from shipway.lock.model import IndexLock, Lock, Source, Wheel
from shipway.resolve.choose import describe_misfit
from shipway.resolve.conflicts import explain, names_without_wheels
from shipway.resolve.hashing import hash_file
from shipway.resolve.hold import differing_names, held_constraints
from shipway.resolve.simple_api import fetch_project, versions
from shipway.resolve.uv_groups import group_names, index_sources, make_project
from shipway.resolve.uv_lock import UvFile, UvPackage, packages_of, parse_uv_lock
from shipway.resolve.uv_project import kept_wheels, render_preferences
from shipway.resolve.uv_run import NoSolution, index_pages_are_old, run_uv_lock
from shipway.resolve.wheel_builder import WheelBuilder
from shipway.resolve.wheel_files import choose_file, misfitting_versions, require_allowed
from shipway.resolve.wheel_request import WheelRequest, WheelResolution
from shipway.resolve.workshop import Workshop
from shipway.spec.model import Origin, Wish

_ROUNDS = 40
_LEADERS = 4
"""Up to so many targets, each is tried as the one that the others follow."""

Chosen = dict[str, tuple[UvPackage, ...]]
"""Group -> what uv chose for it."""


@dataclass(slots=True, kw_only=True)
class _Session:
    """One resolution in progress."""

    groups: Mapping[str, WheelRequest]
    table: IndexTable
    fetcher: Fetcher
    previous: Lock | None
    upgrade: frozenset[str] | None
    workshop: Workshop
    emit: Emit
    environ: Mapping[str, str]
    excluded: dict[str, str] = field(default_factory=dict)
    """`name!=version` -> why."""
    said: set[str] = field(default_factory=set)
    looked: bool = False
    """Whether index pages were read anew already."""
    refresh: bool = False
    """Whether the next question to uv goes past its cache of index pages."""
    hold: frozenset[str] | None = None
    """See `resolve_wheels`."""

    def note(self, text: str, level: str = "info") -> None:
        if text not in self.said:
            self.said.add(text)
            self.emit(Note(text, level))


def resolve_wheels(
    requests: Sequence[WheelRequest],
    *,
    indexes: IndexTable,
    fetcher: Fetcher,
    previous: Lock | None = None,
    upgrade: frozenset[str] | None = None,
    hold: frozenset[str] | None = None,
    project_dir: str = ".",
    builder: WheelBuilder | None = None,
    environ: Mapping[str, str] | None = None,
    allow_file: bool = False,
    emit: Emit = silent,
) -> WheelResolution:
    """Choose the wheels of all `requests` together. Versions of `previous` are kept but for `upgrade` (empty: all are renewed).
    `hold`: no version of `previous` moves, but for these names. `allow_file`: git addresses may be `file:` ones.

    Raises:
        NotFound: a package, version or index does not exist.
        ConflictError: the requirements contradict each other.
        SpecError: a wish is no requirement.
        FetchError: an index does not answer as it should.
        OfflineError: the network is needed and forbidden.
        BuildError: something has no wheel and cannot be built.
    """
    asking = [request for request in requests if request.wishes or request.projects]
    if not asking:
        return WheelResolution(targets={(r.target, r.platform): () for r in requests})
    environ = os.environ if environ is None else environ

    def resolve_build(request: WheelRequest, requires: tuple[str, ...]) -> WheelResolution:
        return resolve_wheels(
            [_build_request(request, requires)], indexes=indexes, fetcher=fetcher, environ=environ, emit=emit
        )

    with Workshop(
        table=indexes,
        fetcher=fetcher,
        builder=builder,
        project_dir=project_dir,
        environ=environ,
        resolve_build=resolve_build,
        emit=emit,
        allow_file=allow_file,
    ) as workshop:
        session = _Session(
            groups=group_names(asking),
            table=indexes,
            fetcher=fetcher,
            previous=previous,
            upgrade=None if upgrade is None else frozenset(map(canonicalize_name, upgrade)),
            workshop=workshop,
            emit=emit,
            environ=environ,
            refresh=upgrade is not None or (previous is None and index_pages_are_old()),
            hold=hold,
        )
        workshop.prepare(asking, previous if upgrade is None else None)
        return _assemble(session, requests, *_settle(session))


def _build_request(request: WheelRequest, requires: tuple[str, ...]) -> WheelRequest:
    """What a build environment for the target of `request` holds. Only wheels: a build must not need another build."""
    origin = Origin(file="pyproject.toml", key="build-system.requires")
    wishes = tuple(Wish(text=text, origin=origin) for text in requires)
    return replace(request, wishes=wishes, constraints=(), projects=())


def _settle(session: _Session) -> tuple[Chosen, dict[tuple[str, str], UvFile]]:
    """Ask uv until every package of every target has a file that fits."""
    for _ in range(_ROUNDS):
        try:
            chosen = _choose_versions(session)
        except NoSolution as failed:
            if not session.workshop.offer_sources(names_without_wheels(failed.text), session.excluded):
                raise _explained(session, failed.text) from failed
            continue
        files: dict[tuple[str, str], UvFile] = {}
        again = session.workshop.build_chosen(
            [(package, session.groups[group]) for group, packages in chosen.items() for package in packages]
        )
        for group, packages in chosen.items():
            for package in packages if not again else ():
                file = _fitting_file(session, package, session.groups[group])
                if file is None:
                    again = True
                else:
                    files[group, package.name] = file
        if not again:
            return chosen, files
    raise ConflictError(
        "the Python packages do not settle", hints=["pin the versions of the packages named above"]
    )


def _choose_versions(session: _Session) -> Chosen:
    try:
        return _lock(session, session.groups, _previous_wheels(session))
    except NoSolution:
        # What must not move has no other version, however new; whoever holds asks again without.
        if session.hold is None and not session.looked and not session.fetcher.offline:
            session.refresh = True  # the missing version may have appeared today
            return _choose_versions(session)
        if len({request.target for request in session.groups.values()}) == 1 or _are_held_together(session):
            raise
        apart = _choose_apart(session)
        session.note(
            "the targets cannot share one set of Python packages; each has its own where they contradict",
            "warning",
        )
        return apart


def _are_held_together(session: _Session) -> bool:
    """Whether the targets had one set of versions so far, and nothing may move: then what is new fits all of them or none."""
    return session.hold is not None and session.previous is not None and not differing_names(session.previous)


def _choose_apart(session: _Session) -> Chosen:
    """Each target alone; of several leaders, the one with which the targets differ least."""
    targets = list(dict.fromkeys(request.target for request in session.groups.values()))
    results: list[tuple[int, int, Chosen]] = []
    for leader in targets if len(targets) <= _LEADERS else targets[:1]:
        order = [leader, *(target for target in targets if target != leader)]
        chosen: Chosen = {}
        for target in order:
            groups = {name: request for name, request in session.groups.items() if request.target == target}
            led = [_as_wheel(session, package) for packages in chosen.values() for package in packages]
            chosen.update(_lock(session, groups, led or _previous_wheels(session)))
        results.append((_differences(chosen), len(results), chosen))
    return min(results)[2]


def _differences(chosen: Chosen) -> int:
    found: dict[str, set[str]] = {}
    for packages in chosen.values():
        for package in packages:
            found.setdefault(package.name, set()).add(package.version)
    return sum(len(versions) - 1 for versions in found.values())


def _lock(session: _Session, groups: Mapping[str, WheelRequest], kept: Sequence[Wheel]) -> Chosen:
    """One run of uv, on the first location of the default index that answers."""
    sources = index_sources(list(groups.values()))
    indexes = [session.table.require(alias) for alias in sources]
    searched = [index for index in indexes if not sources[index.alias].packages]
    lowest = _lowest_python(list(groups.values()))
    additions = session.workshop.additions((*session.excluded, *_held(session, groups)))
    project = make_project(groups, session.table, additions, lowest)
    locations = session.table.require(DEFAULT).locations
    refresh, session.refresh = session.refresh and not session.fetcher.offline, False
    session.looked |= refresh
    for number, location in enumerate(locations):
        addresses = {DEFAULT: location.url, **{index.alias: index.locations[0].url for index in indexes}}
        try:
            text, warnings = run_uv_lock(
                project,
                render_preferences(kept, addresses, lowest) if kept else "",
                default=location,
                indexes=indexes,
                searched=[index.alias for index in searched],
                folder=session.workshop.folder,
                offline=session.fetcher.offline,
                refresh=refresh,
                environ=session.environ,
            )
        except FetchError as error:
            if number == len(locations) - 1:
                raise
            session.note(f"{error.message}; the next one is asked", "warning")
            continue
        for warning in warnings:
            session.note(warning, "warning")
        locked = parse_uv_lock(text)
        return {name: packages_of(locked, name, request) for name, request in groups.items()}
    raise AssertionError("an index has a location")


def _held(session: _Session, groups: Mapping[str, WheelRequest]) -> tuple[str, ...]:
    if session.hold is None or session.previous is None:
        return ()
    return held_constraints(session.previous, groups, session.hold)


def _lowest_python(requests: Sequence[WheelRequest]) -> str:
    """The lower bound that uv is told: it must hold for its own interpreter too, which is this one."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    return min([here, *(request.minor for request in requests)], key=Version)


def _previous_wheels(session: _Session) -> tuple[Wheel, ...]:
    targets = [request.target for request in session.groups.values()]
    return kept_wheels(session.previous, targets, session.upgrade)


def _as_wheel(session: _Session, package: UvPackage) -> Wheel:
    nothing = BlobDigest.of(b"")
    alias = _alias(session, package.registry)
    return Wheel(name=package.name, version=package.version, filename="", sha256=nothing, size=0, index=alias)


def _fitting_file(session: _Session, package: UvPackage, request: WheelRequest) -> UvFile | None:
    """The file of `package` for `request`; None after versions were excluded, so that uv has to be asked again."""
    kept = {wheel.filename for wheel in _previous_wheels(session) if wheel.name == package.name}
    found = choose_file(package, request, kept=kept, built=session.workshop.built)
    if found is None:
        _exclude(session, package, request)
    return found


def _exclude(session: _Session, package: UvPackage, request: WheelRequest) -> None:
    """Take `package` out of the question, and with it every version that the same look at its index page shows unfit."""
    names = [file.filename for file in package.wheels]
    reason = f"{package.name} {package.version} has " + describe_misfit(
        names, request.platform, request.minor, request.glibc
    )
    alias = _alias(session, package.registry)
    versions_out = [package.version]
    if alias:
        root = session.table.require(alias).locations[0]
        try:
            versions_out += misfitting_versions(fetch_project(session.fetcher, root, package.name), [request])
        except (FetchError, OfflineError):
            session.note(f"the other versions of {package.name} are looked at one by one")
    session.excluded.update({f"{package.name}!={version}": reason for version in versions_out})
    session.note(f"{reason}; another version is looked for", "warning")


def _explained(session: _Session, text: str) -> Exception:
    def versions_of(name: str) -> list[str]:
        try:
            return versions(fetch_project(session.fetcher, session.table.require(DEFAULT).locations[0], name))
        except FetchError:
            return []  # a hint only

    known = {wheel.name for wheel in session.previous.wheels} if session.previous else set()
    remarks = [*dict.fromkeys(session.excluded.values()), *session.workshop.remarks]
    return explain(text, session.groups, versions_of=versions_of, known=known, remarks=remarks)


def _alias(session: _Session, registry: str) -> str:
    """The alias of the index that uv names by address; empty for the folder of built wheels."""
    for alias in (DEFAULT, *session.table.named):
        for location in session.table.require(alias).locations:
            if registry.rstrip("/") in {
                location.url.rstrip("/"),
                location.url.removeprefix("file://").rstrip("/"),
            }:
                return alias
    return ""


def _assemble(
    session: _Session,
    requests: Sequence[WheelRequest],
    chosen: Chosen,
    files: Mapping[tuple[str, str], UvFile],
) -> WheelResolution:
    """The lock values of what was chosen."""
    wheels: dict[str, Wheel] = {}
    depends: dict[str, set[str]] = {}
    targets: dict[tuple[str, str], tuple[str, ...]] = {(r.target, r.platform): () for r in requests}
    for group, packages in chosen.items():
        names = {package.name for package in packages}
        for package in packages:
            file = files[group, package.name]
            edges = [*package.dependencies, *(edge for edges in package.optional.values() for edge in edges)]
            depends.setdefault(file.filename, set()).update(
                {edge.name for edge in edges} & names - {package.name}
            )
            if file.filename not in wheels:
                wheels[file.filename] = _wheel(session, package, file, session.groups[group])
        request = session.groups[group]
        targets[request.target, request.platform] = tuple(
            sorted(files[group, package.name].filename for package in packages)
        )
    locked = tuple(
        replace(wheel, depends=tuple(sorted(depends[key]))) for key, wheel in sorted(wheels.items())
    )
    sources, build_wheels = session.workshop.sources_of(locked)
    everything = {wheel.id: wheel for wheel in (*locked, *build_wheels)}
    ordered = tuple(everything[key] for key in sorted(everything))
    return WheelResolution(
        indexes=_index_locks(session, ordered, sources), wheels=ordered, sources=sources, targets=targets
    )


def _wheel(session: _Session, package: UvPackage, file: UvFile, request: WheelRequest) -> Wheel:
    built = session.workshop.built.get(file.filename)
    if built is not None:
        return built
    alias = _alias(session, package.registry)
    sha256, size = file.sha256, file.size
    if not sha256:
        root = session.table.require(alias).locations[0]
        sha256, size = hash_file(session.fetcher, root, file.place, file.filename)
        require_allowed(request, package.name, package.version, sha256)
    return Wheel(
        name=package.name,
        version=package.version,
        filename=file.filename,
        sha256=BlobDigest.from_hex(sha256),
        size=size,
        index=alias,
    )


def _index_locks(
    session: _Session, wheels: Sequence[Wheel], sources: Sequence[Source]
) -> tuple[IndexLock, ...]:
    named = index_sources(list(session.groups.values()))
    used = {wheel.index for wheel in wheels if wheel.index} | {
        source.index for source in sources if source.index
    }
    return tuple(
        IndexLock(alias=alias, folder=named[alias].folder if alias in named else "") for alias in sorted(used)
    )
