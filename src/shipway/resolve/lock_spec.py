"""Spec -> Lock: OS packages first, for they decide the interpreter and the C library; then wheels; then layers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import SpecError
from shipway.core.events import Began, Did, Emit, Ended, silent
from shipway.lock.model import BuildCommandLock, Lock, PythonLock, Recipes, TargetLock
from shipway.plan.layers import Contents, choose_layers
from shipway.resolve.bases import (
    check_bases,
    find_bases,
    find_python,
    libc_over,
    lock_python,
    made_at,
    packages_over,
    wishes_over,
)
from shipway.resolve.data import resolve_data
from shipway.resolve.data_uses import lock_uses
from shipway.resolve.debs import DebRequest, DebResolution, resolve_debs
from shipway.resolve.freshness import requested_lines
from shipway.resolve.hold import Hold, held_debs
from shipway.resolve.interpreter import choose_interpreter, exact_version, interpreter_wishes
from shipway.resolve.libc import glibc_of
from shipway.resolve.release import parse_time
from shipway.resolve.wheel_request import WheelRequest, WheelResolution
from shipway.resolve.wheels import resolve_wheels
from shipway.spec.model import Origin, Wish

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shipway.core.digest import TreeKey
    from shipway.host.http import Fetcher
    from shipway.host.indexes import IndexTable
    from shipway.host.mirrors import Mirrors
    from shipway.lock.model import LayerLock
    from shipway.resolve.bases import Bases, FindBase, FoundBase
    from shipway.resolve.interpreter import Package
    from shipway.resolve.wheel_builder import WheelBuilder
    from shipway.spec.model import Spec, Target
    from shipway.store.store import Store

PHASE = "resolve"
_WHEELS_NEED = ("libgcc-s1", "libstdc++6", "zlib1g")
"""What manylinux lets every binary wheel expect of the system (PEP 600), as far as the essential set lacks it. The graphics
libraries that it also lists are for those who ask for them."""
_DEFAULT_EPOCH = 315532800
"""1980-01-01, for a lock without any archive that has a date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRequest:
    """What to lock, and what to keep of the lock before."""

    spec: Spec
    inputs: TreeKey
    """The deep checksum of everything that was read (`freshness.inputs_key`)."""
    platforms: tuple[str, ...]
    project: str
    previous: Lock | None = None
    upgrade: frozenset[str] | None = frozenset()
    """Names to renew; None: everything."""
    hold: Hold | None = None
    """What must not move at all; None: versions of `previous` are preferred, and move where they have to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolvers:
    """What resolving works with on this host."""

    store: Store
    fetcher: Fetcher
    mirrors: Mirrors
    indexes: IndexTable
    find_base: FindBase
    make_builder: Callable[[Lock], WheelBuilder] | None = None
    """Given a lock of the OS packages and interpreters, who builds what has no wheel; nothing is built unless it is asked."""
    emit: Emit = field(default=silent, compare=False)


def resolve_spec(request: LockRequest, tools: Resolvers) -> Lock:
    """Everything the spec needs, by hash, for all its targets on `request.platforms`.

    Raises:
        NotFound, ConflictError: the spec asks for what cannot be had, or not together.
        SignatureError, FetchError, HashMismatch, OfflineError: an archive or index does not deliver.
        SandboxError, BuildError: a solver or a build could not run.
    """
    bases = find_bases(
        request.spec, request.platforms, tools.find_base, previous=request.previous, upgrade=request.upgrade
    )
    tools.emit(Began(PHASE, items=2))
    debs = _resolve_debs(request, bases, tools)
    tools.emit(Did(PHASE, "OS packages"))
    system = _System(bases, debs, {})
    system = system._replace(pythons=_choose_interpreters(request, system, tools))
    wheels = _resolve_wheels(request, system, tools)
    tools.emit(Did(PHASE, "Python packages"))
    tools.emit(Ended(PHASE))
    lock = _assemble(request, system, wheels)
    lock = replace(
        lock,
        data=resolve_data(
            request.spec, fetcher=tools.fetcher, environ=tools.fetcher.environ, previous=request.previous
        ),
    )
    check_bases(lock, bases, tools.emit)
    return lock


Pythons = dict[tuple[str, str], PythonLock | None]


class _System(NamedTuple):
    """What the Python packages of each target stand on."""

    bases: Bases
    debs: DebResolution
    pythons: Pythons

    def packages(self, key: tuple[str, str]) -> tuple[Package, ...]:
        """The OS packages of a target, those of its base image included."""
        wanted = set(self.debs.targets.get(key, ()))
        chosen = tuple(deb for deb in self.debs.debs if deb.id in wanted)
        base = self.bases.get(key)
        return packages_over(base, chosen) if base else chosen

    def libc(self, key: tuple[str, str]) -> tuple[int, int]:
        """See `libc_over`."""
        base = self.bases.get(key)
        return libc_over(base, self.packages(key)) if base else glibc_of(self.packages(key))


def _variants(request: LockRequest) -> list[tuple[Target, str]]:
    return [(target, platform) for target in request.spec.targets for platform in request.platforms]


def needs_python(target: Target) -> bool:
    """Whether the target gets a Python environment."""
    return bool(target.python or target.pip or target.projects)


def _resolve_debs(request: LockRequest, bases: Bases, tools: Resolvers) -> DebResolution:
    if request.hold is not None and request.hold.debs and request.previous is not None:
        keys = [(target.name, platform) for target, platform in _variants(request)]
        held = held_debs(request.previous, keys)
        if held is not None:
            return held
    wanted = []
    for target, platform in _variants(request):
        found = bases.get((target.name, platform))
        archive = found.archive if found else target.base
        names = _deb_wishes(target, found)
        # Nothing to add: then its archive is not asked either.
        if archive is not None and (names or not found):
            wanted.append(
                DebRequest(
                    target=target.name,
                    platform=platform,
                    base=archive,
                    names=names,
                    recommends=target.recommends,
                    installed=found.status if found else b"",
                )
            )
    return resolve_debs(
        wanted,
        fetcher=tools.fetcher,
        store=tools.store,
        mirrors=tools.mirrors,
        previous=request.previous,
        upgrade=request.upgrade,
        emit=tools.emit,
    )


def _deb_wishes(target: Target, found: FoundBase | None) -> tuple[Wish, ...]:
    if found is not None:
        return wishes_over(target, found, _WHEELS_NEED) if needs_python(target) else target.apt
    if not needs_python(target):
        return target.apt
    origin = Origin(file="the Python environment", key="manylinux")
    expected = (Wish(text=name, origin=origin) for name in _WHEELS_NEED)
    return (*target.apt, *interpreter_wishes(target), *expected)


def _choose_interpreters(request: LockRequest, system: _System, tools: Resolvers) -> Pythons:
    return {
        (target.name, platform): _interpreter(target, platform, system, tools)
        if needs_python(target)
        else None
        for target, platform in _variants(request)
    }


def _interpreter(target: Target, platform: str, system: _System, tools: Resolvers) -> PythonLock:
    found = system.bases.get((target.name, platform))
    own = find_python(target, found) if found else None
    if own is not None:
        return lock_python(own)
    libc = "musl" if found and found.facts.libc == "musl" else "gnu"
    packages = system.packages((target.name, platform))
    return choose_interpreter(target, platform, packages, libc=libc, fetcher=tools.fetcher)


def _exact(python: PythonLock, target: Target, platform: str, system: _System) -> str:
    found = system.bases.get((target.name, platform))
    own = find_python(target, found) if found and python.origin == "base" else None
    return own.version if own else exact_version(python, system.packages((target.name, platform)))


def _resolve_wheels(request: LockRequest, system: _System, tools: Resolvers) -> WheelResolution:
    wanted = []
    for target, platform in _variants(request):
        python = system.pythons[target.name, platform]
        if python is not None:
            wanted.append(
                WheelRequest(
                    target=target.name,
                    platform=platform,
                    python=_exact(python, target, platform, system),
                    glibc=system.libc((target.name, platform)),
                    wishes=target.pip,
                    constraints=target.constraints,
                    projects=target.projects,
                    indexes=request.spec.indexes,
                )
            )
    # For wheels, None keeps everything and an empty set renews everything; for .debs it is the other way round.
    upgrade = frozenset() if request.upgrade is None else request.upgrade or None
    return resolve_wheels(
        wanted,
        indexes=tools.indexes,
        fetcher=tools.fetcher,
        previous=request.previous,
        upgrade=upgrade,
        hold=request.hold.free if request.hold is not None else None,
        project_dir=request.project,
        builder=tools.make_builder(_assemble(request, system, WheelResolution()))
        if tools.make_builder
        else None,
        emit=tools.emit,
    )


def _assemble(request: LockRequest, system: _System, wheels: WheelResolution) -> Lock:
    spec, previous, debs = request.spec, request.previous, system.debs
    images = {(found.image.id, found.image.platform): found.image for found in system.bases.values()}
    lock = Lock(
        name=spec.name,
        inputs=request.inputs,
        epoch=_epoch(request, system),
        recipes=Recipes(),
        layer_budget=spec.layer_budget,
        archives=debs.archives,
        bases=tuple(images.values()),
        indexes=wheels.indexes,
        debs=debs.debs,
        wheels=wheels.wheels,
        sources=wheels.sources,
    )
    kept = {(one.name, one.platform): one.layers for one in previous.targets} if previous else {}
    targets = tuple(
        _target(lock, target, platform, system, wheels, kept)
        for target, platform in sorted(_variants(request), key=lambda pair: (pair[0].name, pair[1]))
    )
    return Lock(**{name: getattr(lock, name) for name in Lock.__slots__} | {"targets": targets})


def _target(
    lock: Lock,
    target: Target,
    platform: str,
    system: _System,
    wheels: WheelResolution,
    kept: Mapping[tuple[str, str], tuple[LayerLock, ...]],
) -> TargetLock:
    key = (target.name, platform)
    python = system.pythons[key]
    found = system.bases.get(key)
    deb_ids, wheel_ids = system.debs.targets.get(key, ()), wheels.targets.get(key, ())
    contents = Contents(
        debs=tuple(deb for deb in system.debs.debs if deb.id in set(deb_ids)),
        wheels=tuple(wheel for wheel in wheels.wheels if wheel.id in set(wheel_ids)),
        python=python is not None,
        standalone=python is not None and python.origin != "base",
        commands=bool(target.build),
        files=True,
        data=tuple(data.name for data in target.data if data.copy),
        below=len(found.image.layers) if found else 0,
    )
    return TargetLock(
        name=target.name,
        platform=platform,
        base=str(target.base),
        image=found.image.id if found else "",
        requested=_requested(target, found),
        debs=deb_ids,
        wheels=wheel_ids,
        python=python,
        bytecode=target.bytecode,
        system_site_packages=target.system_site_packages,
        slim=target.slim,
        env=target.env,
        labels=target.labels,
        workdir=target.workdir,
        command=target.command,
        include=target.files.include,
        ignore=target.files.ignore,
        build=tuple(
            BuildCommandLock(argv=one.argv, inputs=one.inputs, network=one.network) for one in target.build
        ),
        data=lock_uses(target),
        layers=choose_layers(contents, budget=lock.layer_budget, previous=kept.get(key, ())),
    )


def restate(lock: Lock, spec: Spec, inputs: TreeKey) -> Lock:
    """`lock` as made from `spec`, which asks for the same in other words (`numpy` as `numpy==2.1.0`); `inputs`: its checksum."""
    return replace(
        lock,
        inputs=inputs,
        targets=tuple(
            replace(
                locked,
                requested=tuple(
                    sorted(
                        [
                            *(line for line in locked.requested if not line.startswith("pip:")),
                            *(f"pip:{wish.text} < {wish.origin}" for wish in spec.target(locked.name).pip),
                        ]
                    )
                ),
            )
            for locked in lock.targets
        ),
    )


def _requested(target: Target, found: FoundBase | None) -> tuple[str, ...]:
    return requested_lines(target, _deb_wishes(target, found))


def _epoch(request: LockRequest, system: _System) -> int:
    """What the spec says, else what the lock had, so that unchanged layers keep their bytes; else the archives' date, or that of
    the base images.
    """
    if request.spec.epoch is not None:
        return request.spec.epoch
    if request.previous is not None and request.upgrade is not None:
        return request.previous.epoch
    times = [int(parse_time(one.date).timestamp()) for one in system.debs.archives]
    times = times or [moment for found in system.bases.values() if (moment := made_at(found))]
    return max(times, default=_DEFAULT_EPOCH)


def choose_platforms(spec: Spec, previous: Lock | None, host: str | None) -> tuple[str, ...]:
    """What the spec says, else what the lock has, else this host's.

    Raises:
        SpecError: none of them says anything.
    """
    if spec.platforms:
        return spec.platforms
    if previous is not None and previous.targets:
        return tuple(sorted({target.platform for target in previous.targets}))
    if host is None:
        raise SpecError(
            "this machine is neither x86-64 nor arm64, and the spec names no platform",
            hints=['add `platforms = ["linux/amd64"]` to the spec'],
        )
    return (host,)
