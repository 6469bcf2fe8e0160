"""OS packages over an image of others: dpkg installs them for real, in the sandbox, and the tree is what differs afterwards.

An image of others may hold older versions of these packages, diversions, changed conffiles and rules of what not to unpack. So
here nothing is foreseen: dpkg unpacks and configures over the image's own files, and what it leaves is compared with what
the image and the packages' own trees show together. The tree makes up for the difference, down to files that are gone.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from shipway.build.capture import Recorded, capture_upper, finish_times, make_whiteout
from shipway.build.dpkg_database import order_parts, pre_depends
from shipway.build.merge import place_entry
from shipway.build.merged_root import MergedRoot
from shipway.build.normalise import ROOT_SHADOW, find_rule, normalise
from shipway.build.sandboxed import Job, needs_merged_root, recorded_by, run_over
from shipway.build.system_plan import ENV
from shipway.core.errors import BuildError
from shipway.core.events import Emit, silent
from shipway.core.manifest import DIRECTORY, HARDLINK, WHITEOUT, Entry, Manifest, disk_mode
from shipway.core.overlay import Placed, stack
from shipway.core.text import shown
from shipway.host import files
from shipway.sandbox import Bind
from shipway.sandbox.model import CHROOT, PROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shipway.build.dpkg_database import DebPart
    from shipway.build.system_tree import SystemSettings

_DEBS = "/tmp/debs"  # noqa: S108 - inside the sandbox
_POLICY = "usr/sbin/policy-rc.d"
_NEW = ".dpkg-new"
_LAST = 4000


def make_system_over(
    base: Sequence[tuple[str, Manifest]],
    debs: Sequence[tuple[str, DebPart]],
    settings: SystemSettings,
    root: str,
    work: str,
    *,
    emit: Emit = silent,
    mode: str = "auto",
) -> Manifest:
    """Install `debs` (package file, what it was unpacked to) over the image `base` (root and manifest of each layer, bottom
    first) and leave the tree below the empty directory `root`; say what it holds.

    `work` is a directory beside `root` for what must vanish; `mode` is one of the sandbox's.

    Raises:
        BuildError: dpkg or a script failed, with its last lines; or the image has no dpkg.
        SandboxError: the host refuses the sandbox.
        NoSpace: the disk is full.
    """
    lower = _placed(base)
    if not {"usr/bin/dpkg", "bin/dpkg"} & lower.keys():
        raise BuildError(
            "the base image has no `dpkg`", hints=["leave out `apt`, or take a base that has it"]
        )
    is_merged = needs_merged_root() if mode == "auto" else mode in (CHROOT, PROOT)
    with files.translating_disk_errors("install the OS packages"):
        place = os.path.join(work, "merged") if is_merged else root
        merged = _merge(base, place) if is_merged else None
        _write_policy(place, lower)
        recorded = _install(base, debs, settings, place, work, merged, emit=emit, mode=mode)
        entries = {path: one.entry for path, one in lower.items()}
        normalise(place, entries)
        if merged is not None:
            merged.split(entries, root)
        changed = capture_upper(root, entries, _with_shadow(recorded, lower))
        return _settle(base, debs, lower, changed, root)


def _merge(base: Sequence[tuple[str, Manifest]], place: str) -> MergedRoot:
    os.makedirs(place)
    merged = MergedRoot(place)
    for root, manifest in base:
        merged.add(root, manifest)
    return merged


def _write_policy(place: str, lower: Mapping[str, Placed]) -> None:
    """Keep services from starting, unless the image does so itself; nothing is written through a link of the image."""
    folders = ("usr", os.path.dirname(_POLICY))
    if _POLICY in lower or any(name in lower and lower[name].entry.kind != DIRECTORY for name in folders):
        return
    folder = place
    for name in os.path.dirname(_POLICY).split("/"):
        folder = os.path.join(folder, name)
        if not os.path.isdir(folder):
            os.mkdir(folder)
            known = lower.get(os.path.relpath(folder, place))
            os.chmod(folder, (known.entry.mode & 0o777 if known else 0o755) | 0o700)
    with open(os.path.join(place, _POLICY), "wb") as file:
        file.write(b"#!/bin/sh\nexit 101\n")
        os.fchmod(file.fileno(), 0o755)


def _install(
    base: Sequence[tuple[str, Manifest]],
    debs: Sequence[tuple[str, DebPart]],
    settings: SystemSettings,
    place: str,
    work: str,
    merged: MergedRoot | None,
    *,
    emit: Emit,
    mode: str,
) -> Recorded:
    folder = os.path.join(work, "debs")
    os.makedirs(folder)
    names = {}
    for number, (path, part) in enumerate(debs):
        names[part] = f"{number:04}-{part.name}.deb"
        files.reflink_or_copy(path, os.path.join(folder, names[part]), 0o644)
    job = Job(
        argv=("/bin/sh", "-s"),
        env={**ENV, "SOURCE_DATE_EPOCH": str(settings.epoch)},
        data=render_install(names, settings.architecture),
        ops=(Bind(folder, _DEBS, read_only=True),),
    )
    done = run_over(
        base,
        place,
        os.path.join(work, "step"),
        job,
        merged=place if merged else None,
        mode=mode,
        emit=emit,
    )
    if done.result.code != 0:
        raise _failed((done.stdout + done.stderr).decode("utf-8", "replace"))
    return _as_installed(recorded_by(done))


def _failed(output: str) -> BuildError:
    lines = output.splitlines()
    first = next(
        (n for n, line in enumerate(lines) if line.startswith(("dpkg: error", "dpkg-deb: error"))), 0
    )
    return BuildError(
        f"the OS packages could not be installed over the base: {shown(' '.join(lines[first : first + 2]))}",
        hints=("look at its last lines above", "leave the package out, or take another base"),
        detail="\n".join(shown(line, 300) for line in output[-_LAST:].splitlines()),
    )


def render_install(names: Mapping[DebPart, str], architecture: str) -> bytes:
    """The script that installs the packages, whose files are called `names`, dependencies first."""
    parts = list(names)
    essential, rest = order_parts(parts)
    lines = ["set -e", f"cd {_DEBS}"]
    foreign = sorted({part.architecture for part in parts} - {architecture, "all"})
    lines += [f"dpkg --add-architecture {shlex.quote(name)}" for name in foreign]
    # `--force-depends` lets dpkg enter circles; an order is kept all the same. What the image changed stays as it is.
    options = "--force-depends --force-unsafe-io --force-confdef --force-confold"
    groups: list[list[DebPart]] = [[]]
    for part in (*essential, *rest):
        needs = pre_depends(part, parts)
        if any(one.name in needs for one in groups[-1]):
            groups.append([])
        groups[-1].append(part)
    for group in groups:
        lines.append(f"dpkg {options} --unpack {' '.join(shlex.quote(names[part]) for part in group)}")
        lines.append(f"dpkg {options} --configure --pending")
    return "\n".join((*lines, "")).encode()


def _as_installed(recorded: Recorded) -> Recorded:
    """What dpkg says of a file while it still has its other name holds for the file."""
    owners = {p.removesuffix(_NEW): owner for p, owner in recorded.owners.items() if p.endswith(_NEW)}
    xattrs = {p.removesuffix(_NEW): value for p, value in recorded.xattrs.items() if p.endswith(_NEW)}
    return Recorded(owners=owners | recorded.owners, xattrs=xattrs | recorded.xattrs)


def _with_shadow(recorded: Recorded, lower: Mapping[str, Placed]) -> Recorded:
    """Tools copy the owner that they see, which in the sandbox is root for every file."""
    owners = {path: (one.entry.uid, one.entry.gid) for path, one in lower.items() if path in ROOT_SHADOW}
    return recorded.merged(Recorded(owners=owners))


def _placed(trees: Sequence[tuple[str, Manifest]]) -> dict[str, Placed]:
    return {one.entry.path: one for one in stack([manifest for _, manifest in trees])}


def _settle(
    base: Sequence[tuple[str, Manifest]],
    debs: Sequence[tuple[str, DebPart]],
    lower: Mapping[str, Placed],
    changed: dict[str, Entry],
    root: str,
) -> Manifest:
    """The tree that makes of `base` and the packages' trees what dpkg made of `base` alone."""
    kept = {path: one for path, one in changed.items() if path not in lower or find_rule(path) is None}
    bottom = Manifest(one.entry for one in lower.values())
    wanted = _placed([("", bottom), ("", Manifest(kept.values()))])
    there = _placed([*base, *((part.root, part.manifest) for _, part in debs)])
    return _Settlement(base, lower, wanted, there, root, frozenset(kept)).run()


class _Settlement:
    """Turns the directory `root`, which holds what dpkg changed, into the tree over everything below it."""

    def __init__(
        self,
        base: Sequence[tuple[str, Manifest]],
        lower: Mapping[str, Placed],
        wanted: Mapping[str, Placed],
        there: Mapping[str, Placed],
        root: str,
        changed: frozenset[str],
    ):
        self._base, self._lower, self._root, self._changed = base, lower, root, changed
        self._wanted, self._there = wanted, there
        self._found: dict[str, Entry] = {}

    def run(self) -> Manifest:
        """Keep what differs, bring back what packages' trees would hide, hide what they show too much; drop the rest."""
        differing = [path for path in self._wanted if not self._is_same(path)]
        for path in differing:
            self._found[path] = self._content(self._wanted[path].entry)
        gone = [path for path in self._there if path not in self._wanted and self._is_directory(path)]
        for path in gone:
            self._found[path] = Entry(path, WHITEOUT, 0)
        for path in list(self._found):
            self._add_parents(path)
        self._clear()
        for path in sorted(self._found):
            self._put(self._found[path])
        for entry in self._found.values():
            if entry.kind == DIRECTORY:
                os.chmod(os.path.join(self._root, entry.path), disk_mode(DIRECTORY, entry.mode))
        finish_times(self._root, self._found.values())
        return Manifest(self._found.values())

    def _is_same(self, path: str) -> bool:
        other = self._there.get(path)
        if other is None:
            return False
        one, two = self._whole(self._wanted[path].entry, self._wanted), self._whole(other.entry, self._there)
        return one._replace(mtime=0) == two._replace(mtime=0)

    def _whole(self, entry: Entry, places: Mapping[str, Placed]) -> Entry:
        """`entry`, or the file that it is a hard link to."""
        if entry.kind != HARDLINK or entry.target not in places:
            return entry
        return places[entry.target].entry._replace(path=entry.path)

    def _content(self, entry: Entry) -> Entry:
        return self._whole(entry, self._wanted)

    def _is_directory(self, path: str) -> bool:
        """Whether what lies above `path` is a directory in the end, so that `path` can be hidden."""
        parent = os.path.dirname(path)
        return not parent or (parent in self._wanted and self._wanted[parent].entry.kind == DIRECTORY)

    def _add_parents(self, path: str) -> None:
        parent = os.path.dirname(path)
        if parent and parent not in self._found:
            known = self._there.get(parent)
            self._found[parent] = (
                known.entry if known and self._is_same(parent) else self._wanted[parent].entry
            )
            self._add_parents(parent)

    def _clear(self) -> None:
        """Take away what dpkg left and the trees below show as well."""
        for folder, names, plain in os.walk(self._root, topdown=False):
            links = [name for name in names if os.path.islink(os.path.join(folder, name))]
            for name in (*plain, *links):
                full = os.path.join(folder, name)
                path = os.path.relpath(full, self._root)
                if path not in self._found or path not in self._changed:
                    os.unlink(full)
            for name in names:
                full = os.path.join(folder, name)
                if name not in links and os.path.relpath(full, self._root) not in self._found:
                    os.rmdir(full)

    def _put(self, entry: Entry) -> None:
        full = os.path.join(self._root, entry.path)
        if os.path.lexists(full):
            return
        if entry.kind == DIRECTORY:
            os.mkdir(full)
        elif entry.kind == WHITEOUT:
            make_whiteout(full)
        else:
            placed = self._lower[entry.path]
            place_entry(placed.entry, self._base[placed.tree][0], full)
