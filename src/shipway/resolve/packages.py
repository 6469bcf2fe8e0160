"""A Packages index, read lazily: a stanza is parsed when somebody asks for it. Source of the format: deb-control(5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import HostileInput
from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*\Z")
_VERSION = re.compile(r"[A-Za-z0-9.+:~-]+\Z")
_ALTERNATIVE = re.compile(
    r"\s*([a-z0-9][a-z0-9+.-]*)(?::([a-z0-9-]+))?\s*(?:\(\s*([<>=]{1,2})\s*([^)\s]+)\s*\))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One alternative of a dependency: `libc6 (>= 2.36)`."""

    name: str
    architecture: str = ""
    relation: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRecord:
    """What an archive says about one binary package."""

    name: str
    version: str
    architecture: str
    sha256: str
    size: int
    path: str
    archive: str
    suite: str
    source: str
    essential: bool
    priority: str
    depends: str
    """Pre-Depends and Depends, joined."""
    provides: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells packages apart."""
        return (self.name, self.version, self.architecture)


class PackageIndex:
    """One Packages file of one archive, component and architecture. Immutable."""

    __slots__ = ("_at", "_provides", "_text", "archive", "component", "suite")

    def __init__(self, text: bytes, *, archive: str, suite: str, component: str):
        """Find where each stanza starts; `text` is the whole verified file."""
        self._text = text
        self.archive, self.suite, self.component = archive, suite, component
        self._at = _stanza_starts(text)
        self._provides: dict[str, list[str]] | None = None

    @property
    def text(self) -> bytes:
        """The file itself."""
        return self._text

    @property
    def names(self) -> frozenset[str]:
        """Every package name in it."""
        return frozenset(self._at)

    def has(self, name: str) -> bool:
        """Whether any version of `name` is in it."""
        return name in self._at

    def records(self, name: str) -> Iterator[PackageRecord]:
        """Every version of `name`, in the file's order."""
        return (_record(stanza, self) for stanza in self.stanzas(name))

    def stanzas(self, name: str) -> Iterator[bytes]:
        """The text of every version of `name`, without the empty line after it."""
        for start in self._at.get(name, ()):
            end = self._text.find(b"\n\n", start)
            yield self._text[start : end if end >= 0 else len(self._text)]

    def find(self, key: tuple[str, str, str]) -> tuple[PackageRecord, bytes] | None:
        """The package with this `PackageRecord.key` and its stanza."""
        for stanza in self.stanzas(key[0]):
            record = _record(stanza, self)
            if record.key == key:
                return record, stanza
        return None

    def essential_names(self) -> tuple[str, ...]:
        """Packages that say `Essential: yes`, sorted."""
        found = set()
        at = self._text.find(b"\nEssential: yes")
        while at >= 0:
            blank = self._text.rfind(b"\n\n", 0, at)
            end = self._text.find(b"\n\n", at)
            stanza = self._text[0 if blank < 0 else blank + 2 : end if end >= 0 else len(self._text)]
            found.add(parse_stanza(stanza).get("package", ""))
            at = self._text.find(b"\nEssential: yes", at + 1)
        return tuple(sorted(found - {""}))

    def providers(self, virtual: str) -> tuple[str, ...]:
        """Names of packages that provide `virtual`, sorted."""
        if self._provides is None:
            self._provides = _provides(self._text)
        return tuple(sorted(set(self._provides.get(virtual, ()))))


def parse_dependencies(text: str) -> list[list[Dependency]]:
    """A dependency field as a list of groups; one alternative of each group must be there."""
    groups = []
    for group in text.split(","):
        alternatives = [_ALTERNATIVE.match(part) for part in group.split("|")]
        found = [
            Dependency(name=m[1], architecture=m[2] or "", relation=m[3] or "", version=m[4] or "")
            for m in alternatives
            if m
        ]
        if found:
            groups.append(found)
    return groups


def _stanza_starts(text: bytes) -> dict[str, list[int]]:
    """Package name -> where its stanzas begin. `Package` is the first field everywhere but need not be."""
    starts: dict[str, list[int]] = {}
    find, rfind = text.find, text.rfind
    at = 0 if text.startswith(b"Package: ") else find(b"\nPackage: ") + 1
    if at == 0 and not text.startswith(b"Package: "):
        return starts
    floor = 0
    while True:
        blank = rfind(b"\n\n", floor, at)
        start = floor if blank < 0 else blank + 2
        starts.setdefault(text[at + 9 : find(b"\n", at)].decode("ascii", "replace"), []).append(start)
        floor = at
        at = find(b"\nPackage: ", at) + 1
        if at == 0:
            return starts


def _provides(text: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    at = text.find(b"\nProvides: ")
    while at >= 0:
        blank = text.rfind(b"\n\n", 0, at)
        end = text.find(b"\n\n", at)
        fields = parse_stanza(text[0 if blank < 0 else blank + 2 : end if end >= 0 else len(text)])
        for group in parse_dependencies(fields.get("provides", "")):
            found.setdefault(group[0].name, []).append(fields.get("package", ""))
        at = text.find(b"\nProvides: ", at + 1)
    return found


def parse_stanza(stanza: bytes) -> dict[str, str]:
    """The fields of one stanza, names in lower case, continuation lines joined by newlines."""
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.decode("utf-8", "replace").split("\n"):
        if line[:1] in (" ", "\t"):
            if name:
                fields[name] += "\n" + line[1:]
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.lower()
            fields[name] = value.strip()
    return fields


def _record(stanza: bytes, index: PackageIndex) -> PackageRecord:
    fields = parse_stanza(stanza)
    name = fields.get("package", "")
    version = fields.get("version", "")
    path = fields.get("filename", "").removeprefix("./")
    digest = fields.get("sha256", "")
    is_sound = _NAME.match(name) and _VERSION.match(version) and re.fullmatch(r"[0-9a-f]{64}", digest)
    if (
        not is_sound
        or path.startswith("/")
        or ".." in path.split("/")
        or not path
        or not fields.get("size", "").isdigit()
    ):
        raise HostileInput(
            f"the index of `{index.archive}` describes `{shown(name)}` in a way that no archive does",
            hints=("use another mirror",),
        )
    return PackageRecord(
        name=name,
        version=version,
        architecture=fields.get("architecture", ""),
        sha256=digest,
        size=int(fields["size"]),
        path=path,
        archive=index.archive,
        suite=index.suite,
        source=fields.get("source", name).split(" ")[0],
        essential=fields.get("essential", "") == "yes",
        priority=fields.get("priority", ""),
        depends=", ".join(fields[key] for key in ("pre-depends", "depends") if fields.get(key)),
        provides=fields.get("provides", ""),
    )
