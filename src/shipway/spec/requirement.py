"""One Python requirement as PEP 508 writes it, read far enough to name, compare and normalise it.

Our own reader and not `packaging`, because every start of `shipway run` reads the spec and that import alone costs more than
the rest; uv judges the finer points (versions of specifiers, names in markers) when it resolves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_HEAD = re.compile(rf"({_NAME})\s*(?:\[([^\]]*)\])?\s*", re.ASCII)
_CLAUSE = re.compile(r"(===|==|~=|!=|<=|>=|<|>)\s*([A-Za-z0-9.*+!_-]+)\Z", re.ASCII)
_EXTRA = re.compile(rf"{_NAME}\Z", re.ASCII)
_MARKER = re.compile(
    r"""(?:\s|\(|\)|'[^']*'|"[^"]*"|===|==|~=|!=|<=|>=|<|>|and\b|or\b|not\b|in\b"""
    r"|os_name|sys_platform|platform_machine|platform_python_implementation|platform_release|platform_system"
    r"|platform_version|python_version|python_full_version|implementation_name|implementation_version|extras?\b"
    r"|dependency_groups\b)+\Z",
    re.ASCII,
)


def normal_name(name: str) -> str:
    """`name` as PEP 503 compares it: lower case, runs of `-`, `_` and `.` as one `-`."""
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A requirement's parts. `str()` gives the one normalised text."""

    name: str
    """Normalised."""
    extras: tuple[str, ...] = ()
    """Normalised, sorted."""
    specifier: tuple[str, ...] = ()
    """Clauses without spaces, sorted."""
    url: str = ""
    marker: str = ""
    """Blanks collapsed, double quotes."""

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        what = f" @ {self.url}" if self.url else ",".join(self.specifier)
        marker = (" ; " if self.url else "; ") + self.marker if self.marker else ""
        return f"{self.name}{extras}{what}{marker}"

    @property
    def pin(self) -> str:
        """The version of a plain `==` without `*`, or empty."""
        for clause in self.specifier:
            if clause.startswith("==") and not clause.startswith("===") and "*" not in clause:
                return clause[2:]
        return ""


def parse_requirement(text: str) -> Requirement:
    """The requirement that `text` says.

    Raises:
        ValueError: it says none; the message tells which part is wrong.
    """
    head = _HEAD.match(text.strip())
    if head is None:
        raise ValueError("does not start with a package name")
    rest = text.strip()[head.end() :]
    if rest.startswith("@"):
        url, ends, marker = rest[1:].strip().partition(" ;")
        if not url.strip() or any(char.isspace() for char in url.strip()):
            raise ValueError("names no address after `@`")
        specifier: tuple[str, ...] = ()
    else:
        clauses, ends, marker = rest.partition(";")
        url, specifier = "", _clauses(clauses)
    if ends and not marker.strip():
        raise ValueError("names no environment marker after `;`")
    return Requirement(
        name=normal_name(head[1]),
        extras=_extras(head[2] or ""),
        specifier=specifier,
        url=url.strip(),
        marker=_marker(marker),
    )


def _extras(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if not _EXTRA.match(name):
            raise ValueError(f"`{name}` is no name of an extra")
    return tuple(sorted({normal_name(name) for name in names}))


def _clauses(text: str) -> tuple[str, ...]:
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    if not text.strip():
        return ()
    clauses = []
    for clause in text.rstrip().removesuffix(",").split(","):
        match = _CLAUSE.match(clause.strip())
        if match is None:
            raise ValueError(f"`{clause.strip()}` is no version bound such as `==1.2` or `>=2,<3`")
        clauses.append(match[1] + match[2])
    return tuple(sorted(set(clauses)))


def _marker(text: str) -> str:
    marker = " ".join(text.split())
    if marker and not _MARKER.match(marker):
        raise ValueError(f"`{marker}` is no environment marker such as `sys_platform == 'linux'`")
    return marker.replace("'", '"')
