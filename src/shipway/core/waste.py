"""Files that a finished environment seldom needs when it runs, told by their paths alone.

What a kind holds is part of what a slim tree is: whoever changes a pattern raises `WASTE_VERSION`, and slim trees are made anew.
"""

from __future__ import annotations

import functools
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
    r"|(?:usr|opt/venv)/share/doc/.+",
    Waste.HEADERS: r"(?:usr(?:/local)?|opt/venv)/include/.+|usr/(?:lib|share)/(?:.*/)?(?:pkgconfig|cmake|aclocal)/.+",
    Waste.LOCALES: r"usr/share/locale/[^/]+/.+",
    Waste.STATIC: r"(?:usr|opt)/.*\.l?a",
    Waste.TESTS: rf"{_PACKAGES}/[^/]+/(?:.*/)?tests?/.+",
    Waste.WHEEL_HEADERS: rf"{_PACKAGES}/.+\.(?:h|hh|hpp|hxx|cuh|pxd)",
}
_KEPT: dict[Waste, str] = {Waste.DOCS: r"(?:usr|opt/venv)/share/doc/[^/]+/copyright"}
"""What stays of a kind all the same."""
CAREFUL: tuple[Waste, ...] = tuple(kind for kind in Waste if kind is not Waste.WHEEL_HEADERS)
"""What goes when nobody says more: everything that no package is known to need for its own work."""


def find_waste(path: str, kinds: Collection[str] = tuple(Waste)) -> Waste | None:
    """The first of `kinds` that the file at `path` (relative to the root) belongs to."""
    matches, stays = _compiled()
    for kind, pattern in matches.items():
        if kind in kinds and pattern.match(path) and not (kind in stays and stays[kind].match(path)):
            return kind
    return None


def find_expression(kinds: Collection[str]) -> tuple[str, ...]:
    """Words of GNU find that are true for an absolute path below `/` that `find_waste` gives one of `kinds`."""
    words = []
    for kind in (kind for kind in Waste if kind in kinds):
        words += ["-o", "-regex", _posix(_PATTERNS[kind])]
        if kind in _KEPT:
            words += ["!", "-regex", _posix(_KEPT[kind])]
    return ("-regextype", "posix-extended", "(", *words[1:], ")") if words else ()


def _posix(pattern: str) -> str:
    return f"/({pattern})".replace("(?:", "(")


@functools.cache
def _compiled() -> tuple[dict[Waste, re.Pattern[str]], dict[Waste, re.Pattern[str]]]:
    """What matches a kind, and what of it stays; made when the first path is asked for, as every command loads the kinds."""

    def make(patterns: dict[Waste, str]) -> dict[Waste, re.Pattern[str]]:
        return {kind: re.compile(rf"(?:{pattern})\Z", re.DOTALL) for kind, pattern in patterns.items()}

    return make(_PATTERNS), make(_KEPT)
