"""All facts of a folder, gathered: which packages its code needs, and which modules are its own."""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

from shipway.spec.distributions import BUILT_ON, FRAMEWORKS, OLD_STDLIB, find_distributions
from shipway.spec.facts import Fact, FactKind, Folder
from shipway.spec.requirement import normal_name, parse_requirement
from shipway.spec.sources import SOURCES
from shipway.spec.sources.requirements import find_role

CODE_LIMIT = 3000
"""Files of code that are read at most; a folder with more holds data or other people's code."""


def wanted_files(names: Iterable[str]) -> tuple[str, ...]:
    """Which of `names` inference wants to read, files about dependencies first."""
    ordered = sorted(names, key=lambda name: (name.count("/"), name))
    small = [name for name in ordered if _source_of(name) not in (None, "*.py", "*.ipynb")]
    code = [name for name in ordered if _source_of(name) in ("*.py", "*.ipynb")]
    return (*small, *code[:CODE_LIMIT])


def _source_of(name: str) -> str | None:
    for kind, source in SOURCES.items():
        if source.matches(name):
            return kind
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A distribution that code needs."""

    choices: tuple[str, ...]
    """Distributions that would do, best first, normalised."""
    module: str
    known: bool
    """Whether the table knows it, rather than that the name was taken as it is."""
    fact: Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What the folder says."""

    facts: tuple[Fact, ...]
    needs: tuple[Need, ...]
    """One for each imported distribution, at its first import."""
    paths: dict[str, Fact] = field(default_factory=dict)
    """Folders that imports of the project's own modules need on the path (`` for the top, `src`) -> who needs it."""
    has_code: bool = False
    has_notebooks: bool = False

    def of(self, *kinds: FactKind) -> tuple[Fact, ...]:
        """Facts of these kinds, in order."""
        return tuple(fact for fact in self.facts if fact.kind in kinds)

    def files(self, role: str) -> tuple[str, ...]:
        """Requirements files of one role, in order."""
        kinds = (FactKind.REQUIREMENT, FactKind.UNREADABLE)
        names = [fact.origin.file for fact in self.of(*kinds) if fact.origin.file.endswith(".txt")]
        return tuple(name for name in dict.fromkeys(names) if find_role(name) == role)

    def pins(self) -> dict[str, Fact]:
        """Normalised name -> the version that another tool's lock has."""
        pins: dict[str, Fact] = {}
        for fact in self.of(FactKind.PINNED):
            pins.setdefault(parse_requirement(fact.text).name, fact)
        return pins

    def families(self, asked: Iterable[str]) -> dict[str, Fact]:
        """Frameworks for CPUs and GPUs among the names `asked` for, or under one of them -> where they are named first."""
        wanted = {FRAMEWORKS.get(name) or BUILT_ON.get(name) for name in asked}
        found: dict[str, Fact] = {}
        named = [(name, need.fact) for need in self.needs for name in need.choices[:1]]
        named += [(name_of(fact.text), fact) for fact in self.of(FactKind.REQUIREMENT, FactKind.INSTALL)]
        for name, fact in named:
            family = FRAMEWORKS.get(name) or BUILT_ON.get(name)
            if family and family in wanted:
                found.setdefault(family, fact)
        return found


def name_of(text: str) -> str:
    """The normalised name of a requirement that was read before."""
    return parse_requirement(text.split(" --hash", maxsplit=1)[0]).name


def survey_folder(folder: Folder) -> Survey:
    """Read every file of `folder` that says something."""
    facts: list[Fact] = []
    for source in SOURCES.values():
        for name in sorted(folder.texts, key=lambda name: (name.count("/"), name)):
            if source.matches(name) and not _is_overruled(name, folder):
                facts += source.read(name, folder.texts[name])
    modules = _Modules(folder.names)
    needs: dict[str, Need] = {}
    paths: dict[str, Fact] = {}
    remarks: dict[str, Fact] = {}
    for fact in facts:
        if fact.kind is not FactKind.IMPORT or _is_stdlib(fact.text):
            continue
        place = modules.find_place(fact.text, fact.origin.file)
        if place is None:
            found = tuple(_needs(fact))
            for need in found:
                needs.setdefault(need.choices[0], need)
            if not found:
                first = fact.text.partition(".")[0]
                said = f"`{first}` is no module of the project, and no package can have its name"
                remarks.setdefault(said, Fact(kind=FactKind.REMARK, text=said, origin=fact.origin))
        elif place in ("", "src") and place != posixpath.dirname(fact.origin.file):
            paths.setdefault(place, fact)
    code = [name for name in folder.names if _source_of(name) in ("*.py", "*.ipynb")]
    return Survey(
        facts=(*facts, *remarks.values()),
        needs=tuple(needs.values()),
        paths=paths,
        has_code=bool(code),
        has_notebooks=any(name.endswith(".ipynb") for name in code),
    )


def _is_overruled(name: str, folder: Folder) -> bool:
    """Binder's rule: when `binder/` or `.binder/` has a file of this name, the one at the top does not count."""
    return "/" not in name and any(f"{place}/{name}" in folder.texts for place in ("binder", ".binder"))


def _is_stdlib(module: str) -> bool:
    first = module.partition(".")[0]
    return first in sys.stdlib_module_names or first in OLD_STDLIB


def _is_name(text: str) -> bool:
    """Whether a package can be called so: `_C` is a name of modules only."""
    try:
        return bool(parse_requirement(text).name)
    except ValueError:
        return False


def _needs(fact: Fact) -> Iterable[Need]:
    first = fact.text.partition(".")[0]
    choices, known = find_distributions(fact.text)
    root, root_known = find_distributions(first)
    for names, sure in {choices: known, root: root_known}.items():
        if sure or (not known and _is_name(names[0])):
            normal = tuple(dict.fromkeys(map(normal_name, names)))
            yield Need(choices=normal, module=first, known=sure, fact=fact)


class _Modules:
    """Modules and packages that the project holds itself."""

    def __init__(self, names: Iterable[str]) -> None:
        self.found: set[str] = set()
        for name in names:
            if name.endswith((".py", ".pyx", ".so", ".ipynb")):
                self.found.add(
                    name.rpartition(".")[0] if name.endswith(".py") else name.split(".", maxsplit=1)[0]
                )
                folder = posixpath.dirname(name)
                while folder:
                    self.found.add(folder)
                    folder = posixpath.dirname(folder)
        self.stems = {posixpath.basename(path) for path in self.found}

    def find_place(self, module: str, importer: str) -> str | None:
        """The folder that must be on the path for `importer` to find its `module`, or None if it is no module of ours."""
        first = module.partition(".")[0]
        folders = [posixpath.dirname(importer)]
        while folders[-1]:
            folders.append(posixpath.dirname(folders[-1]))
        for folder in (*folders, "src"):
            if posixpath.join(folder, first) in self.found:
                return folder
        _, known = find_distributions(module)
        # Some program puts a folder on the path by itself; a name that is a well-known package is one.
        return "?" if not known and first in self.stems else None
