"""A plan as values: trees to make, grouped into layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shipway.core.digest import TreeKey, key_of
from shipway.lock.model import BaseLayer


class TreeKind(StrEnum):
    """How a tree is made; one recipe each in `build/recipes.py`."""

    BASE = "base"
    """A layer of the image that the target stands on."""
    DEB = "deb"
    SYSTEM = "system"
    """The config delta: what maintainer scripts leave."""
    PYTHON = "python"
    """A stand-alone interpreter."""
    VENV = "venv"
    """The skeleton of the Python environment."""
    WHEEL = "wheel"
    COMMANDS = "commands"
    """What the build commands leave."""
    DATA = "data"
    """Data that the spec wants copied."""
    FILES = "files"
    """The project's own files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRequest:
    """One tree to make. `inputs` (JSON values) is everything that decides its bytes, stored beside the result."""

    kind: TreeKind
    name: str = field(compare=False)
    """For people: `numpy 2.1.0`."""
    inputs: dict[str, Any]
    """Complete except for `files`, folders of `data` and `commands`: the builder adds digests of content and then has the key."""
    members: tuple[str, ...] = ()
    """Ids in the lock."""
    size: int = field(default=0, compare=False)
    """Bytes to fetch, 0 if nothing."""

    @property
    def key(self) -> TreeKey:
        """The name of this making in the store."""
        return key_of(self.inputs)

    @property
    def of_host(self) -> bool:
        """Whether it is the image's copy of what a run mounts from the host: the project's files, or a folder of data."""
        return self.kind is TreeKind.FILES or (self.kind is TreeKind.DATA and "folder" in self.inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Trees that travel together. A later tree's path hides an earlier one's."""

    name: str
    trees: tuple[TreeRequest, ...]
    packages: tuple[str, ...]
    """`name version` of every package in it."""
    reason: str = field(compare=False)
    came: BaseLayer | None = None
    """Of a layer of the base image: its bytes, which are used as they came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """What the image's configuration says, as the lock implies it."""

    env: tuple[tuple[str, str], ...]
    workdir: str
    command: tuple[str, ...]
    epoch: int
    user: str = ""
    """Of the base image; containers that shipway runs have their caller's ids all the same."""
    entrypoint: tuple[str, ...] = ()
    """Of the base image; what shipway runs does not pass through it."""
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One target on one platform: layers from the bottom up."""

    target: str
    platform: str
    layers: tuple[Layer, ...]
    settings: ImageSettings

    @property
    def trees(self) -> tuple[TreeRequest, ...]:
        """All trees from the bottom up."""
        return tuple(tree for layer in self.layers for tree in layer.trees)
