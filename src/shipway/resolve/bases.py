"""Targets that stand on an image of others: which image, and what it has already of what they need.

How images are had is the caller's business (`FindBase`); here are the rules. What the image holds stays: only OS packages that it
lacks, or must have newer, are chosen; its interpreter is used if it fits, and else one beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import NotFound, SpecError
from shipway.core.events import Note
from shipway.core.text import shown
from shipway.lock.model import PythonLock
from shipway.plan.target import PREFIX
from shipway.resolve.base_conflicts import facts_of_packages, find_conflicts, require_no_conflict
from shipway.resolve.interpreter import interpreter_wishes
from shipway.spec.model import Base, Origin, Wish

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shipway.core.base_facts import BaseFacts, FoundPython
    from shipway.core.events import Emit
    from shipway.lock.model import BaseImage, Lock
    from shipway.resolve.interpreter import Package
    from shipway.spec.model import Spec, Target

_APT = frozenset({"debian", "ubuntu"})
"""Distributions whose archives are known: what is installed in their images comes from there."""
_MINOR = re.compile(r"(\d+)\.(\d+)")
_SECONDS = len("2026-07-01T12:00:00")
BASE = "base"
"""What `lock --upgrade` calls every base image."""


class Installed(NamedTuple):
    """One OS package of an image."""

    name: str
    version: str


class FoundBase(NamedTuple):
    """A base image that was looked into."""

    image: BaseImage
    facts: BaseFacts
    status: bytes
    """Its dpkg's status; empty where it has no dpkg."""
    created: str = ""
    """When it was made, as its configuration says; empty where that is not known."""

    @property
    def archive(self) -> Base | None:
        """The suite that its OS packages come from; None where none can be added."""
        facts = self.facts
        if not self.status or facts.distribution not in _APT or not facts.suite:
            return None
        return Base(distribution=facts.distribution, suite=facts.suite)


FindBase = Callable[[str, str, "BaseImage | None"], FoundBase]
"""Name as the spec has it, platform, and what the lock has of it (which then is to be the answer) -> the image."""
Bases = dict[tuple[str, str], FoundBase]
"""(target, platform) -> its base image, for those that have one."""


def find_bases(
    spec: Spec,
    platforms: Sequence[str],
    find: FindBase,
    *,
    previous: Lock | None,
    upgrade: frozenset[str] | None,
) -> Bases:
    """The base images of all targets; those of `previous` are kept, but for names in `upgrade` (None: all).

    Raises:
        NotFound, FetchError, HostileInput: one cannot be had.
        SpecError: a target asks for OS packages where none can be added.
    """
    locked = {(one.name, one.platform): one for one in previous.bases} if previous else {}
    looked: dict[tuple[str, str], FoundBase] = {}
    found: Bases = {}
    for target in spec.targets:
        name = target.base.image
        for platform in platforms if name else ():
            renewed = upgrade is None or bool({name, BASE} & upgrade)
            kept = None if renewed else locked.get((name, platform))
            if (name, platform) not in looked:
                looked[name, platform] = find(name, platform, kept)
            found[target.name, platform] = looked[name, platform]
            _require_apt(target, found[target.name, platform])
    return found


def _require_apt(target: Target, found: FoundBase) -> None:
    if not target.apt or found.archive is not None:
        return
    facts = found.facts
    what = f"is {facts.distribution} {facts.suite or facts.release}".strip() if facts.distribution else ""
    raise SpecError(
        f"target `{target.name}`: `{shown(target.apt[0].text)}` ({target.apt[0].origin}) cannot be installed: "
        f"`{found.image.name}` {what or 'names no distribution'}, and OS packages can be added to Debian and Ubuntu only",
        hints=["leave out `apt`, or take a base of Debian or Ubuntu"],
    )


def wishes_over(target: Target, found: FoundBase, expected: Iterable[str]) -> tuple[Wish, ...]:
    """The OS packages to add to the image for `target`, which has Python packages that expect `expected`."""
    if found.archive is None:
        return ()
    there = {name for name, _, _ in found.facts.debs}
    origin = Origin(file="the Python environment", key="manylinux")
    more = [Wish(text=name, origin=origin) for name in expected if name not in there]
    if find_python(target, found) is None:
        more += interpreter_wishes(replace(target, base=found.archive))
    return (*target.apt, *more)


def find_python(target: Target, found: FoundBase) -> FoundPython | None:
    """The image's own interpreter that `target` can use: the one it names, or the first.

    Raises:
        SpecError: the image has an environment where ours goes.
    """
    there = {name for name, _, _ in found.facts.debs}
    for python in found.facts.pythons:
        if python.executable.startswith(f"{PREFIX}/"):
            raise SpecError(
                f"`{found.image.name}` has a Python environment at `{PREFIX}`, where that of target `{target.name}` goes",
                hints=["take the base that this image was made from"],
            )
        minor = minor_of(python.version)
        # Debian splits the standard library off; a part of it is no interpreter to build on.
        is_part = python.executable.startswith("/usr/bin/") and f"python{minor}-minimal" in there
        if is_part and f"libpython{minor}-stdlib" not in there:
            continue
        if not target.python or target.python in {minor, python.version}:
            return python
    return None


def lock_python(python: FoundPython) -> PythonLock:
    """The interpreter as the lock has it."""
    return PythonLock(version=minor_of(python.version), executable=python.home or python.executable)


def made_at(found: FoundBase) -> int | None:
    """Seconds since 1970 at which the image was made; None where it does not say so."""
    try:
        moment = datetime.fromisoformat(found.created[:_SECONDS]).replace(tzinfo=UTC)
    except ValueError:
        return None
    return max(int(moment.timestamp()), 0)


def check_bases(lock: Lock, bases: Bases, emit: Emit) -> None:
    """Tell what of each target's system and of the wheels that were chosen for it does not go together.

    Raises:
        ConflictError: something of it would not run.
    """
    wheels = {wheel.id: wheel for wheel in lock.wheels}
    for target in lock.targets:
        found = bases.get((target.name, target.platform))
        facts = found.facts if found else facts_of_packages(target)
        conflicts = find_conflicts(facts, target, (wheels[one] for one in target.wheels))
        for warning in require_no_conflict(target, conflicts):
            emit(Note(f"target `{target.name}`: {warning}; {warning.remedy}", "warning"))


def packages_over(found: FoundBase, chosen: Iterable[Package]) -> tuple[Package, ...]:
    """The OS packages that are there in the end: `chosen`, and what else the image has."""
    added = list(chosen)
    names = {one.name for one in added}
    kept = (Installed(name, version) for name, version, _ in found.facts.debs if name not in names)
    return (*added, *kept)


def libc_over(found: FoundBase, packages: Iterable[Package]) -> tuple[int, int]:
    """The C library as tags of wheels count it: (2, 36) is glibc, (1, 2) is musl.

    Raises:
        NotFound: the image has none that is known.
    """
    facts = found.facts
    versions: Mapping[str, str] = {one.name: one.version for one in packages}
    version = versions.get("libc6", facts.libc_version).rpartition(":")[2]
    match = _MINOR.match(version)
    if not facts.libc or match is None:
        raise NotFound(
            f"`{found.image.name}` has no C library that is known, so no wheel can be chosen for it",
            hints=["take a base with glibc or musl"],
        )
    return int(match[1]), int(match[2])


def minor_of(version: str) -> str:
    """`3.11` of `3.11.4`."""
    return ".".join(version.split(".")[:2])
