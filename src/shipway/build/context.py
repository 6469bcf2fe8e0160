"""What a build works with: one value handed to everything that makes a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shipway.lock.model import BaseLayer, DataFile, Deb, PythonLock, Source, Wheel
from shipway.plan.model import TreeKind

if TYPE_CHECKING:
    from shipway.core.digest import TreeKey
    from shipway.core.events import Emit
    from shipway.host.http import Fetcher
    from shipway.host.location import Location
    from shipway.lock.model import Lock, TargetLock
    from shipway.plan.model import Plan, TreeRequest
    from shipway.store.store import Store
    from shipway.store.transaction import Transaction
    from shipway.store.tree import Tree

Artifact = Deb | Wheel | Source | PythonLock | BaseLayer | DataFile
"""Something that the lock names by sha256 and that can be downloaded."""
Locate = Callable[[Artifact], "Iterable[Location]"]
"""Where an artifact can be had from on this host, best first. Called from several threads."""


@dataclass(slots=True, kw_only=True)
class BuildContext:
    """One build of one plan. The only mutable value of a build is the table of trees made so far."""

    store: Store
    tx: Transaction
    lock: Lock
    plan: Plan
    requests: tuple[TreeRequest, ...]
    """The trees to have, bottom first, complete with the digests of what comes from the project."""
    project: str
    """The project's folder."""
    fetcher: Fetcher
    locate: Locate
    emit: Emit
    trees: dict[TreeKey, Tree] = field(default_factory=dict)
    _by_id: dict[str, Deb | Wheel] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._by_id = {deb.id: deb for deb in self.lock.debs} | {
            wheel.id: wheel for wheel in self.lock.wheels
        }

    @property
    def target(self) -> TargetLock:
        """The locked target that is built."""
        return self.lock.target(self.plan.target, self.plan.platform)

    def find(self, request: TreeRequest) -> Tree | None:
        """The tree of `request`, if it was made before."""
        tree = self.trees.get(request.key) or self.tx.find_tree(request.key)
        if tree is not None:
            self.trees[request.key] = tree
        return tree

    def below(self, request: TreeRequest) -> list[Tree]:
        """The trees under `request`, bottom first.

        Raises:
            KeyError: one of them was not made yet.
        """
        found = []
        for other in self.requests:
            if other.key == request.key:
                break
            found.append(self.trees[other.key])
        return found

    def artifact(self, request: TreeRequest) -> Artifact:
        """What the tree of `request` is unpacked from.

        Raises:
            KeyError: the lock does not have it.
        """
        if request.kind == TreeKind.PYTHON and self.target.python is not None:
            return self.target.python
        (member,) = request.members
        return self._by_id[member]

    def wheel(self, request: TreeRequest) -> Wheel:
        """The wheel that `request` is about.

        Raises:
            KeyError: it is about none.
        """
        found = self.artifact(request)
        if not isinstance(found, Wheel):
            raise KeyError(f"`{request.name}` is no wheel")
        return found
