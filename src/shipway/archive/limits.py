"""Caps on what one archive may hold: far above anything honest, far below what fills a machine."""

from __future__ import annotations

from dataclasses import dataclass

from shipway.core.errors import HostileInput
from shipway.core.text import shown
from shipway.core.units import render_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Largest values that are believed. The biggest honest inputs known: a 4 GB CUDA wheel, 120 000 files in one .deb."""

    entries: int = 500_000
    """Members of one archive."""
    total: int = 64 << 30
    """Bytes of all members together."""
    ratio: int = 250
    """Unpacked bytes per packed byte, beyond `slack`. Deflate can reach 1032, honest wheels reach 15."""
    slack: int = 256 << 20
    """Unpacked bytes that need no justification by packed ones."""
    depth: int = 64
    """Components of a path."""
    path: int = 3000
    """Bytes of a path, so that it stays below PATH_MAX under any store."""
    name: int = 255
    """Bytes of one component (NAME_MAX)."""
    link: int = 4000
    """Bytes of a link's target."""
    header: int = 1 << 20
    """Bytes of one extended header (PAX, GNU long name, zip extra)."""
    directory: int = 256 << 20
    """Bytes of a zip's central directory."""
    control: int = 64 << 20
    """Bytes of all control members of a .deb, and of any one metadata file of a wheel."""
    xz_memory: int = 512 << 20
    """Bytes of memory that an xz or zstd stream may ask for."""


LIMITS = Limits()


def require_ratio(unpacked: int, packed: int, artifact: str, limits: Limits = LIMITS) -> None:
    """Refuse `unpacked` bytes out of `packed` ones when no honest compressor makes that.

    Raises:
        HostileInput: too many bytes, or too many for so few packed ones.
    """
    if unpacked > limits.total or unpacked > limits.slack + packed * limits.ratio:
        raise HostileInput(
            f"`{shown(artifact)}` unpacks to {render_size(unpacked)} or more from {render_size(packed)}",
            hints=("an archive like this fills the disk; look at where it came from",),
        )
