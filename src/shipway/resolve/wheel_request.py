"""What is asked of the Python resolver, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shipway.core.errors import NotFound
from shipway.lock.model import IndexLock, Source, Wheel
from shipway.spec.model import IndexSource, LocalProject, Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelRequest:
    """The Python packages of one target on one platform."""

    target: str
    platform: str
    """`linux/amd64`."""
    python: str
    """`3.11`, or `3.11.2` where the interpreter is known exactly; then markers are evaluated for that."""
    glibc: tuple[int, int]
    """Of the base: 2.36 in bookworm, 2.41 in trixie. Wheels that need a newer one are not chosen.
    (1, 2) is musl 1.2."""
    wishes: tuple[Wish, ...]
    constraints: tuple[Wish, ...] = ()
    projects: tuple[LocalProject, ...] = ()
    indexes: tuple[IndexSource, ...] = ()

    @property
    def minor(self) -> str:
        """`3.11`."""
        return ".".join(self.python.split(".")[:2])

    @property
    def label(self) -> str:
        """For messages: `cpu` on linux/amd64."""
        return f"`{self.target}` on {self.platform}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelResolution:
    """Everything that was chosen, for all requests together."""

    indexes: tuple[IndexLock, ...] = ()
    wheels: tuple[Wheel, ...] = ()
    sources: tuple[Source, ...] = ()
    targets: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """(target, platform) -> ids of its wheels, sorted."""

    def wheels_of(self, target: str, platform: str) -> tuple[Wheel, ...]:
        """The wheels of one target.

        Raises:
            NotFound: it was not asked for.
        """
        if (target, platform) not in self.targets:
            raise NotFound(f"target `{target}` on {platform} has no Python packages")
        wanted = set(self.targets[target, platform])
        return tuple(wheel for wheel in self.wheels if wheel.id in wanted)
