"""Files that a finished environment seldom needs when it runs, told by their paths alone.

What a kind holds is part of what a slim tree is: whoever changes a pattern raises `WASTE_VERSION`, and slim trees are made anew.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

WASTE_VERSION = 1


class Waste(StrEnum):
    """One kind of files; the word that the spec's `slim` lists."""

    CACHES = "caches"
    """What package managers downloaded or can compute again."""
    DOCS = "docs"
    """Manuals and documentation; copyright files stay, for a licence may want them to travel."""
    HEADERS = "headers"
    """The system's C headers, and what tells a build where they are."""
    LOCALES = "locales"
    """Translated messages."""
    STATIC = "static-libraries"
    """Archives that only a linker reads."""
    TESTS = "tests"
    """Test suites inside Python packages."""
    WHEEL_HEADERS = "wheel-headers"
    """Headers inside Python packages; some of these compile at run time."""


_PACKAGES = r".*/(?:site|dist)-packages"
_PATTERNS: dict[Waste, str] = {
    Waste.CACHES: r"var/cache/(?:apt|man|fontconfig|ldconfig)/.+|var/lib/apt/lists/.+|(?:root|home/[^/]+)/\.cache/.+",
    Waste.DOCS: r"(?:usr|opt/venv)/share/(?:man|info|doc-base|gtk-doc|lintian|help)/.+"
    r"|(?:usr|opt/venv)/share/doc/(?![^/]+/copyright\Z).+",
    Waste.HEADERS: r"(?:usr(?:/local)?|opt/venv)/include/.+|usr/(?:lib|share)/(?:.*/)?(?:pkgconfig|cmake|aclocal)/.+",
    Waste.LOCALES: r"usr/share/locale/[^/]+/.+",
    Waste.STATIC: r"(?:usr|opt)/.*\.l?a",
    Waste.TESTS: rf"{_PACKAGES}/[^/]+/(?:.*/)?tests?/.+",
    Waste.WHEEL_HEADERS: rf"{_PACKAGES}/.+\.(?:h|hh|hpp|hxx|cuh|pxd)",
}
_MATCHES = [(kind, re.compile(rf"(?:{pattern})\Z", re.DOTALL)) for kind, pattern in _PATTERNS.items()]
CAREFUL: tuple[Waste, ...] = tuple(kind for kind in Waste if kind is not Waste.WHEEL_HEADERS)
"""What goes when nobody says more: everything that no package is known to need for its own work."""


def find_waste(path: str, kinds: Collection[str] = tuple(Waste)) -> Waste | None:
    """The first of `kinds` that the file at `path` (relative to the root) belongs to."""
    for kind, pattern in _MATCHES:
        if kind in kinds and pattern.match(path):
            return kind
    return None
