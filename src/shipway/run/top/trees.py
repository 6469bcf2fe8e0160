"""What has to be taken out of a container and put into it, so that its files are those of other trees. Pure over manifests.

Only paths of trees that come or go are looked at, so that one package of three hundred costs little.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.manifest import (
    DIRECTORY,
    FILE,
    HARDLINK,
    HEADER,
    SYMLINK,
    Entry,
    Manifest,
    disk_mode,
    parse_manifest,
    path_bytes,
    unquote_path,
)
from shipway.core.overlay import stack
from shipway.run.life.model import Put

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_CACHE = "__pycache__"
_FIXED = re.compile(
    r"(usr/)?lib(32|64)?/([^/]+-linux-[^/]+/)?(libc\.so\.\d+|ld-[^/]+\.so\.\d+|ld-musl-[^/]+|libpthread\.so\.\d+)\Z"
    r"|(usr|usr/local|opt/python[^/]*|opt/venv)/bin/python[0-9.]*\Z|opt/venv/pyvenv\.cfg\Z"
)
"""What every process of a container stands on: the C library, and the interpreter of its Python environment."""


class TreeFiles(NamedTuple):
    """One tree of a stack."""

    root: str
    """Its folder on the host, which also names it."""
    manifest: bytes
    """The canonical text."""


class Seen(NamedTuple):
    """What one stack shows at one path."""

    entry: Entry
    """A hard link as a file, of a size that is not known (-1)."""
    tree: int
    """Which tree of the stack has it."""
    origin: str
    """The path that holds its bytes in its tree: another one for a hard link."""


class TreeChanges(NamedTuple):
    """The way from one stack of trees to another."""

    removals: tuple[str, ...]
    """Paths in which everything goes."""
    puts: tuple[Put, ...]
    """Folders in front of what is in them."""

    @property
    def fixed(self) -> tuple[str, ...]:
        """Paths of both that no running container can do without, or with others."""
        changed = (*self.removals, *(put.path for put in self.puts))
        return tuple(path for path in changed if _FIXED.match(path))


def plan_changes(
    old: Sequence[TreeFiles], new: Sequence[TreeFiles], *, own: Collection[str] = ()
) -> TreeChanges:
    """From the stack `old` to `new`, both bottom first.

    `own`: paths that the container itself has written. A folder that no tree has any more goes with all that is in it, caches
    of compiled modules included, unless something of `own` is there.
    """
    gone, come = _differing(old, new)
    wanted = {line for tree in (*gone, *come) for line in _paths(tree.manifest)}
    before, after = _visible(old, wanted, ()), _visible(new, wanted, ())
    opened = _opened((*gone, *come), before, after)
    if opened:
        before, after = _visible(old, wanted, opened), _visible(new, wanted, opened)
    return _changes(before, after, [tree.root for tree in new], own)


def plan_restore(
    paths: Iterable[str], trees: Sequence[TreeFiles], *, gone: Iterable[str] = ()
) -> TreeChanges:
    """What makes each of `paths` as the stack `trees` (bottom first) has it; one that it does not have goes.

    `gone`: those of them that were taken out of the container, so that all that was below is missing, too.
    """
    wanted = set(paths)
    seen = visible_at(trees, wanted, wanted & set(gone))
    roots = [tree.root for tree in trees]
    puts = [_put(seen[path], roots) for path in sorted(seen, key=path_bytes)]
    return TreeChanges(_topmost(wanted - seen.keys()), tuple(puts))


def find_lost(
    begun: Sequence[TreeFiles], trees: Sequence[TreeFiles], there: Collection[str]
) -> tuple[str, ...]:
    """What is missing in a top over the stack `begun` into which all was put that `trees` has beyond it.

    `there`: the paths that the top holds. Of a whole folder all paths.
    """
    put = (one.path for one in plan_changes(begun, trees).puts if one.kind != DIRECTORY)
    return tuple(path for path in put if path not in there)


def visible_at(
    trees: Sequence[TreeFiles], paths: Iterable[str], below: Iterable[str] = ()
) -> dict[str, Seen]:
    """What the stack `trees` (bottom first) shows at `paths`, and everywhere below the folders `below`."""
    return _visible(trees, {_quoted(path) for path in paths}, tuple(_quoted(path) for path in below))


def _differing(old: Sequence[TreeFiles], new: Sequence[TreeFiles]) -> tuple[list[TreeFiles], list[TreeFiles]]:
    """Trees of one side only, or at another place in the order."""
    names = [tree.root for tree in old], [tree.root for tree in new]
    gone: list[TreeFiles] = []
    come: list[TreeFiles] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, *names, autojunk=False).get_opcodes():
        if tag != "equal":
            gone += old[a:b]
            come += new[c:d]
    return gone, come


def _paths(manifest: bytes) -> Iterable[bytes]:
    """The quoted path of every line."""
    return (line.split(b"\t", 8)[7] for line in manifest.split(b"\n")[1:-1])


def _visible(
    trees: Sequence[TreeFiles], wanted: Collection[bytes], below: tuple[bytes, ...]
) -> dict[str, Seen]:
    """What the stack shows at the quoted paths `wanted`, and everywhere below those of `below`."""
    prefixes = tuple(path + b"/" for path in below)
    manifests = [_restricted(tree.manifest, wanted, prefixes) for tree in trees]
    links = [
        {one.path: one.target for one in manifest.entries if one.kind == HARDLINK} for manifest in manifests
    ]
    found = {}
    for placed in stack(manifests):
        entry = placed.entry
        if entry.path == ".":
            continue
        origin = links[placed.tree].get(entry.path, entry.path)
        if entry.kind == HARDLINK:
            entry = entry._replace(kind=FILE, target="", size=-1)
        found[entry.path] = Seen(entry, placed.tree, origin)
    return found


def _restricted(manifest: bytes, wanted: Collection[bytes], prefixes: tuple[bytes, ...]) -> Manifest:
    lines = [
        line
        for line in manifest.split(b"\n")[1:-1]
        if (path := line.split(b"\t", 8)[7]) in wanted or (prefixes and path.startswith(prefixes))
    ]
    return parse_manifest(b"\n".join([HEADER.encode(), *lines, b""]))


def _opened(
    differing: Iterable[TreeFiles], before: dict[str, Seen], after: dict[str, Seen]
) -> tuple[bytes, ...]:
    """Quoted paths of folders that a differing tree replaces or hides, so that all that others have there counts, too."""
    found = set()
    for tree in differing:
        for line in tree.manifest.split(b"\n")[1:-1]:
            if not line.startswith(b"d\t"):
                path = line.split(b"\t", 8)[7]
                name = unquote_path(path.decode())
                if any(name in side and side[name].entry.kind == DIRECTORY for side in (before, after)):
                    found.add(path)
    return tuple(found)


def _changes(
    before: dict[str, Seen], after: dict[str, Seen], roots: Sequence[str], own: Collection[str]
) -> TreeChanges:
    removals = []
    kept = {folder for path in own if f"/{_CACHE}/" not in f"{path}/" for folder in _parents(path)}
    for path, was in before.items():
        is_folder, now = was.entry.kind == DIRECTORY, after.get(path)
        if now is None:
            if not is_folder or path not in kept:
                removals.append(path)
        elif is_folder != (now.entry.kind == DIRECTORY):
            removals.append(path)
    puts = [
        _put(after[path], roots)
        for path in sorted(after, key=path_bytes)
        if path not in before or _differ(before[path], after[path])
    ]
    return TreeChanges(_topmost(removals), tuple(puts))


def _parents(path: str) -> Iterable[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _topmost(paths: Iterable[str]) -> tuple[str, ...]:
    """`paths` without those below another one."""
    found = set(paths)
    return tuple(sorted(path for path in found if not any(above in found for above in _parents(path))))


def _differ(was: Seen, now: Seen) -> bool:
    one, two = was.entry, now.entry
    if one.kind != two.kind or one.target != two.target or one.mode != two.mode:
        return True
    return one.kind == FILE and (one.size < 0 or (one.size, one.digest) != (two.size, two.digest))


def _put(seen: Seen, roots: Sequence[str]) -> Put:
    entry = seen.entry
    mode = disk_mode(entry.kind, entry.mode) if entry.kind in (DIRECTORY, FILE) else 0o777
    source = f"{roots[seen.tree]}/{seen.origin}" if entry.kind == FILE else ""
    return Put(entry.path, entry.kind, mode, source, entry.target if entry.kind == SYMLINK else "")


def _quoted(path: str) -> bytes:
    """`path` as a manifest writes it."""
    line = Manifest([Entry(path, DIRECTORY, 0)]).render().split(b"\n")[1]
    return line.split(b"\t", 8)[7]
