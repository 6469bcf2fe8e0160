"""What every renderer is given: one locked target with its packages looked up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import SpecError
from shipway.core.image_source import Transport, parse_image_source
from shipway.core.reference import parse_reference
from shipway.core.text import shown
from shipway.plan.target import plan_target

if TYPE_CHECKING:
    from shipway.lock.model import BaseImage, Deb, Lock, Source, TargetLock, Wheel
    from shipway.plan.model import ImageSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A wheel that no index has, and what it is built from."""

    wheel: Wheel
    source: Source
    requires: tuple[Wheel, ...]
    """What its build environment holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """One target on one platform."""

    lock: Lock
    target: TargetLock
    settings: ImageSettings
    debs: tuple[Deb, ...]
    """Sorted by name."""
    wheels: tuple[Wheel, ...]
    """From an index, sorted by name."""
    built: tuple[Built, ...]
    """Built here, sorted by name."""

    @property
    def title(self) -> str:
        """`digits, target cpu on linux/amd64`."""
        return f"{self.lock.name}, target {self.target.name} on {self.target.platform}"

    @property
    def base(self) -> BaseImage | None:
        """The image that the target stands on; None where its OS packages are the whole system."""
        return self.lock.base_of(self.target)

    @property
    def distribution(self) -> str:
        """`debian`: that of the base; where that says none, of what can fetch and unpack."""
        if self.base is not None:
            return self.base.distribution if self.base.suite else "debian"
        return self.target.base.partition(":")[0]

    @property
    def suite(self) -> str:
        """`bookworm`, without the date that the base may have."""
        if self.base is not None:
            return self.base.suite or "bookworm"
        return self.target.base.partition(":")[2].partition("@")[0]

    @property
    def uses_gpu(self) -> bool:
        """Whether the target holds CUDA's run-time libraries."""
        return any(wheel.name.startswith("nvidia-") for wheel in self.wheels)


def read_contents(lock: Lock, name: str, platform: str) -> Contents:
    """Target `name` of `lock` on `platform`.

    Raises:
        KeyError: the lock has no such target, or the target names what the lock does not hold.
    """
    target = lock.target(name, platform)
    debs = {deb.id: deb for deb in lock.debs}
    wheels = {wheel.id: wheel for wheel in lock.wheels}
    sources = {source.id: source for source in lock.sources}
    chosen = sorted((wheels[one] for one in target.wheels), key=lambda wheel: wheel.name)
    built = []
    for wheel in chosen:
        if wheel.source:
            source = sources[wheel.source]
            requires = tuple(wheels[one] for one in source.build_requires)
            built.append(Built(wheel=wheel, source=source, requires=requires))
    return Contents(
        lock=lock,
        target=target,
        settings=plan_target(lock, name, platform).settings,
        debs=tuple(sorted((debs[one] for one in target.debs), key=lambda deb: deb.name)),
        wheels=tuple(wheel for wheel in chosen if not wheel.source),
        built=tuple(built),
    )


def install_order(contents: Contents) -> tuple[tuple[Deb, ...], ...]:
    """Groups of OS packages in the order in which `dpkg` can install them.

    The first group is the essential set with what it needs. Each later group needs only earlier ones and itself; packages
    that need each other are in one group.
    """
    by_name = {deb.name: deb for deb in contents.debs}
    needs = {deb.name: {one for one in deb.depends if one in by_name} for deb in contents.debs}
    first: set[str] = set()
    waiting = [deb.name for deb in contents.debs if deb.essential]
    while waiting:
        name = waiting.pop()
        if name not in first:
            first.add(name)
            waiting += needs[name]
    groups = [sorted(first)] if first else []
    done, left = set(first), set(by_name) - first
    while left:
        ready = sorted(name for name in left if needs[name] <= done)
        group = ready or _smallest_circle(needs, left, done)
        groups.append(group)
        done.update(group)
        left.difference_update(group)
    return tuple(tuple(by_name[name] for name in group) for group in groups)


def _smallest_circle(needs: dict[str, set[str]], left: set[str], done: set[str]) -> list[str]:
    """Packages that need each other and nothing else that is left."""
    circles = []
    for start in sorted(left):
        reached: set[str] = set()
        waiting = [start]
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += needs[name] - done
        circles.append(sorted(reached))
    return min(circles, key=lambda circle: (len(circle), circle))


def require_pullable(base: BaseImage) -> str:
    """The base image as other tools name it: registry, repository and digest.

    Raises:
        SpecError: it lies in no registry, so no exported file can name it.
    """
    source = parse_image_source(base.name)
    if source.transport is not Transport.REGISTRY:
        raise SpecError(
            f"the base `{shown(base.name)}` is in no registry, so no other tool could find it",
            hints=['push it to a registry, and name it there in the spec: `base = "docker://REFERENCE"`'],
        )
    return f"{parse_reference(source.place).name}@{base.manifest}"


def require_one_line(text: str, what: str) -> str:
    """`text`, which `what` says where it is from.

    Raises:
        SpecError: it has a line break or another control character, which the exported format cannot hold.
    """
    if not text.isprintable():
        raise SpecError(
            f"{what} has a control character, which an exported file cannot hold: `{shown(text)}`",
            hints=["take it out of the spec, or set it when the container is run"],
        )
    return text
