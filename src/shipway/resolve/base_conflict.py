"""One thing in which a base image and the packages chosen for it do not go together. A value, and its words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """What it means for the lock."""

    ERROR = "error"
    """It cannot work; nothing is locked."""
    WARNING = "warning"
    """It works, at a price, or only by chance."""


class Kind(StrEnum):
    """What does not go together."""

    LIBC = "libc"
    PYTHON = "python"
    CUDA = "cuda"
    CUDNN = "cudnn"
    SEARCH_PATH = "search-path"
    PACKAGES = "packages"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseConflict:
    """Sentences without full stop, names in backticks."""

    kind: Kind
    level: Level
    what: str
    """`jax-cuda12-plugin 0.4.30` needs cuDNN 9.0 or newer, the base has 8.9.6."""
    where: str
    """Which file, package or variable says so."""
    consequence: str
    """What happens to somebody who goes on."""
    remedy: str
    """One next step."""

    def __str__(self) -> str:
        return f"{self.what} ({self.where}): {self.consequence}"
