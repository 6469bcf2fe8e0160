"""One file of a source tree."""

from __future__ import annotations

from dataclasses import dataclass

LINK = 0o120000


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file or a link."""

    path: str
    """Relative, `/`-separated, checked."""
    mode: int
    """0o644 or 0o755; `LINK` for a symbolic link, whose target is the content."""
    data: bytes
