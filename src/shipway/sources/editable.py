"""Where the modules of a built wheel lie in the folder that it was built from, so that a run can import them there. Pure.

Found by comparing paths, whatever the layout and the backend: `build_editable` (PEP 660) would run the backend once more, and its
answer differs from backend to backend. What is in the wheel alone (compiled modules, a version file) stays where it is installed.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from shipway.core.digest import BlobDigest
from shipway.sources.trees import tree_digest
from shipway.sources.values import SourceFile

STEERING = frozenset(
    {"pyproject.toml", "setup.py", "setup.cfg", "MANIFEST.in", "Cargo.toml", "Cargo.lock", "CMakeLists.txt"}
    | {"meson.build", "meson.options", "meson_options.txt"}
)
"""Names of files that decide what a build makes."""
_COMPILED = (
    ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".pyx", ".pxd", ".pxi", ".rs", ".f", ".f90", ".cu", ".cuh", ".proto",
)  # fmt: skip
_PACKAGE = "/__init__.py"
_MODULE = (".py", ".so")


class Layout(NamedTuple):
    """What is imported from where."""

    modules: tuple[tuple[str, str], ...]
    """Module names with the file of each, relative to the folder: packages, whose inside follows, and single modules."""
    kept: tuple[tuple[str, str], ...]
    """The same of what only the wheel has, relative to site-packages."""
    roots: tuple[str, ...]
    """Folders to look in for what is new; never the folder itself, which holds more than modules."""
    unplaced: tuple[str, ...] = ()
    """Modules of Python code that lie nowhere in the folder by their names, so that an edit of them cannot be seen."""


def find_layout(installed: Iterable[str], sources: Iterable[str]) -> Layout:
    """How the files `installed` below site-packages lie among `sources`; nothing where no module of the wheel is there.

    Renamed folders (`package-dir`) are found by what is in them.
    """
    there = frozenset(sources)
    modules = sorted(path for path in installed if _is_module(path))
    inits = {path for path in modules if path.endswith(_PACKAGE)}
    live: dict[str, str] = {}
    kept: dict[str, str] = {}
    roots = set[str]()
    unplaced = []
    for unit in sorted({_unit(path, inits) for path in modules}):
        members = [path for path in modules if path == unit or path.startswith(unit + "/")]
        place = _find_place(unit, members, there)
        main = unit if unit.endswith(_MODULE) else unit + _PACKAGE
        if place is None:
            if any(path.endswith(".py") for path in members):
                unplaced.append(_name(main))
            continue
        moved = place + main[len(unit) :]
        live[_name(main)] = moved
        if place == unit or place.endswith("/" + unit):
            roots.add(place.removesuffix(unit).rstrip("/"))
        kept |= {_name(path): path for path in members if place + path[len(unit) :] not in there}
    return Layout(
        tuple(sorted(live.items())), tuple(sorted(kept.items())), tuple(sorted(roots - {""})), tuple(unplaced)
    )


def steering_digest(files: Iterable[SourceFile]) -> BlobDigest:
    """The digest of those of `files` that a run cannot take as they are: what decides builds, and what is compiled."""
    return tree_digest(file for file in files if steers(file.path))


def steers(path: str) -> bool:
    """Whether a change of `path` asks for a new build."""
    return posixpath.basename(path) in STEERING or path.endswith(_COMPILED)


def _is_module(path: str) -> bool:
    top = path.partition("/")[0]
    return path.endswith(_MODULE) and not top.endswith((".dist-info", ".data", ".libs"))


def _unit(path: str, inits: set[str]) -> str:
    """The outermost package that `path` is in, below namespaces, or the module itself."""
    parts = path.split("/")
    for count in range(1, len(parts)):
        folder = "/".join(parts[:count])
        if folder + _PACKAGE in inits:
            return folder
    return path


def _find_place(unit: str, members: list[str], there: frozenset[str]) -> str | None:
    """The place of `unit` among the sources: the one that holds most of `members`, then `src`, then the shortest."""
    main = unit if unit.endswith(_MODULE) else unit + _PACKAGE
    base = posixpath.basename(main)
    votes = Counter[str]()
    for path in there:
        if posixpath.basename(path) != base:
            continue
        place = path if main == unit else posixpath.dirname(path)
        if not place:
            continue
        votes[place] = sum(place + member[len(unit) :] in there for member in members)
    named = {place: count for place, count in votes.items() if f"/{place}".endswith(f"/{unit}")}
    found = named or ({} if main == unit else _renamed(votes, members))
    return min(
        found, key=lambda place: (-found[place], not place.startswith("src/"), len(place)), default=None
    )


def _renamed(votes: Counter[str], members: list[str]) -> dict[str, int]:
    """Folders of another name that hold every source that the wheel has, and more than a bare `__init__.py`."""
    sources = sum(member.endswith(".py") for member in members)
    return {place: count for place, count in votes.items() if count >= sources > 1}


def _name(path: str) -> str:
    """The module in the file `path`: `a/b.cpython-311-x86_64-linux-gnu.so` is `a.b`."""
    folder, _, file = path.removesuffix(_PACKAGE).rpartition("/")
    return ".".join([*folder.split("/"), file.partition(".")[0]] if folder else [file.partition(".")[0]])
