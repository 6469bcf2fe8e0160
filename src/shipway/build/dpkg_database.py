"""What dpkg's database says of packages whose files lie in lower trees: status, triggers, order. Pure.

dpkg unpacks and writes its database in one go; here the files are there already, so the database is written for it, in the
state `unpacked`, and dpkg only configures. Formats: dpkg's own `doc/` and deb-triggers(5), deb-control(5), dpkg(1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipway.core.manifest import Manifest

ADMIN = "var/lib/dpkg"
_FIRST = ("base-files", "base-passwd")
"""Everything else expects users, groups and the base directories."""
_HELPER = re.compile(
    r"dpkg-maintscript-helper\s+(rm_conffile|mv_conffile|symlink_to_dir|dir_to_symlink|supports)\b.*--\s+\"\$@\"\s*\Z"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DebPart:
    """One package of the system: what its tree holds and what its control file says."""

    name: str
    version: str
    architecture: str
    fields: dict[str, str] = field(repr=False)
    paragraph: str = field(repr=False)
    """The control file."""
    root: str
    """Where its tree lies."""
    manifest: Manifest = field(repr=False)
    conffiles: tuple[tuple[str, str], ...] = ()
    """Absolute path and md5."""
    triggers: str = ""
    """The control archive's `triggers` file."""
    preinst: str = ""
    """The text of its preinst, if it has one."""

    @property
    def info(self) -> str:
        """The name of its files in dpkg's info directory: `libc6:amd64` where several architectures can be there at once."""
        return f"{self.name}:{self.architecture}" if self.fields.get("Multi-Arch") == "same" else self.name

    @property
    def essential(self) -> bool:
        """Whether the control file says so."""
        return self.fields.get("Essential", "") == "yes"

    @property
    def has_preinst(self) -> bool:
        """Whether its preinst does anything at a first installation: renamings of old conffiles do not."""
        return bool(self.preinst) and not is_idle_script(self.preinst)


def is_idle_script(text: str) -> bool:
    """Whether a maintainer script consists of nothing but helpers that only act on upgrades."""
    for line in text.split("\n"):
        words = line.strip()
        if (
            words
            and not words.startswith("#")
            and words not in ("set -e", "exit 0")
            and not _HELPER.match(words)
        ):
            return False
    return True


def order_parts(parts: Iterable[DebPart]) -> tuple[tuple[DebPart, ...], tuple[DebPart, ...]]:
    """The essential packages with all they need, and the others: each in an order in which dependencies come first.

    Cycles are entered where the name sorts first, so the order depends on the set alone.
    """
    by_name = {
        part.name: part for part in sorted(parts, key=lambda one: (one.name, one.architecture), reverse=True)
    }
    extra = [part for part in parts if by_name[part.name] is not part]
    providers = _providers(by_name.values())
    ordered: list[DebPart] = []
    state: set[str] = set()
    seeds = [name for name in _FIRST if name in by_name]
    seeds += sorted(name for name, part in by_name.items() if part.essential)
    for name in seeds:
        _visit(name, by_name, providers, ordered, state)
    essential = tuple(ordered)
    for name in sorted(by_name):
        _visit(name, by_name, providers, ordered, state)
    rest = (*ordered[len(essential) :], *sorted(extra, key=lambda one: (one.name, one.architecture)))
    return essential, tuple(rest)


def needs_of(part: DebPart, field_names: Sequence[str], providers: dict[str, str]) -> list[str]:
    """The packages of the set that satisfy the dependency fields of `part`."""
    found = []
    for name in field_names:
        for group in part.fields.get(name, "").replace("\n", " ").split(","):
            alternatives = [re.split(r"[\s(:\[]", one.strip(), maxsplit=1)[0] for one in group.split("|")]
            known = next((providers[one] for one in alternatives if one in providers), None)
            if known is not None and known != part.name:
                found.append(known)
    return found


def _providers(parts: Iterable[DebPart]) -> dict[str, str]:
    found: dict[str, str] = {}
    listed = list(parts)
    for part in sorted(listed, key=lambda one: one.name):
        for one in part.fields.get("Provides", "").replace("\n", " ").split(","):
            name = re.split(r"[\s(]", one.strip(), maxsplit=1)[0]
            if name:
                found.setdefault(name, part.name)
    return found | {part.name: part.name for part in listed}


def _visit(
    name: str, by_name: dict[str, DebPart], providers: dict[str, str], ordered: list[DebPart], state: set[str]
) -> None:
    """Depth first without recursion: chains of dependencies can be longer than Python's stack."""
    pending = [(name, False)]
    while pending:
        current, is_done = pending.pop()
        if is_done:
            ordered.append(by_name[current])
            continue
        if current in state:
            continue
        state.add(current)
        pending.append((current, True))
        needs = needs_of(by_name[current], ("Pre-Depends", "Depends"), providers)
        pending += [(one, False) for one in reversed(needs) if one not in state]


def pre_depends(part: DebPart, parts: Iterable[DebPart]) -> frozenset[str]:
    """Names of packages of the set that must be configured before the preinst of `part` runs."""
    return frozenset(needs_of(part, ("Pre-Depends",), _providers(parts)))


def render_stanza(part: DebPart, *, conffiles_installed: bool) -> str:
    """The status entry of a package that is unpacked and not yet configured.

    Its conffiles stand under their own names (`conffiles_installed`), or wait as `.dpkg-new`, which dpkg writes as `newconffile`.
    """
    lines = part.paragraph.rstrip("\n").split("\n")
    lines.insert(1, "Status: install ok unpacked")
    if part.conffiles:
        lines.append("Conffiles:")
        lines += [f" {path} {md5 if conffiles_installed else 'newconffile'}" for path, md5 in part.conffiles]
    return "\n".join(lines) + "\n\n"


def add_triggers(files: dict[str, bytes], parts: Iterable[DebPart]) -> dict[str, bytes]:
    """The files of `var/lib/dpkg/triggers` (name -> content) after `parts` were unpacked over those in `files`."""
    result = dict(files)
    for part in parts:
        for line in part.triggers.splitlines():
            words = line.partition("#")[0].split()
            if len(words) != 2 or not words[0].startswith("interest"):  # noqa: PLR2004 - directive and name
                continue
            owner = part.info + ("/noawait" if words[0] == "interest-noawait" else "")
            place, entry = (
                ("File", f"{words[1]} {owner}\n") if words[1].startswith("/") else (words[1], owner + "\n")
            )
            if entry.encode() not in result.get(place, b"").splitlines(keepends=True):
                result[place] = result.get(place, b"") + entry.encode()
    return result


def find_activations(parts: Iterable[DebPart], interested: Iterable[DebPart]) -> tuple[str, ...]:
    """Names of triggers that unpacking `parts` activates and one of `interested` waits for, sorted."""
    waited = {name for part in interested for word, name in _directives(part) if word.startswith("interest")}
    listed = list(parts)
    found = {
        name
        for part in listed
        for word, name in _directives(part)
        if word.startswith("activate") and name in waited
    }
    # Every directory above a file is an entry of its own, so a trigger on a path fires when the path itself is there.
    there = {entry.path for part in listed for entry in part.manifest.entries}
    found |= {name for name in waited if name.startswith("/") and unaliased(name) in there}
    return tuple(sorted(found))


def _directives(part: DebPart) -> list[tuple[str, str]]:
    words = (line.partition("#")[0].split() for line in part.triggers.splitlines())
    return [(pair[0], pair[1]) for pair in words if len(pair) == 2]  # noqa: PLR2004 - directive and name


def unaliased(path: str) -> str:
    """Where the absolute `path` lies in usr-merged trees, relative."""
    relative = path.strip("/")
    top = relative.partition("/")[0]
    return f"usr/{relative}" if top in ("bin", "sbin", "lib", "lib32", "lib64", "libx32") else relative


@dataclass(frozen=True, slots=True, kw_only=True)
class Diversion:
    """One line triple of the diversions file."""

    source: str
    target: str
    package: str
    """`:` for a local one."""


def parse_diversions(text: str) -> tuple[Diversion, ...]:
    """The diversions file; paths become relative."""
    lines = text.split("\n")
    return tuple(
        Diversion(source=lines[n].lstrip("/"), target=lines[n + 1].lstrip("/"), package=lines[n + 2])
        for n in range(0, len(lines) - 2, 3)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StatOverride:
    """One line of the statoverride file: owner and mode that a path has whatever its package says."""

    user: str
    group: str
    mode: int
    path: str


def parse_statoverrides(text: str) -> tuple[StatOverride, ...]:
    """The statoverride file; paths become relative."""
    rows = (line.split(None, 3) for line in text.splitlines())
    return tuple(
        StatOverride(user=row[0], group=row[1], mode=int(row[2], 8), path=row[3].lstrip("/"))
        for row in rows
        if len(row) == 4  # noqa: PLR2004 - user, group, mode, path
    )
