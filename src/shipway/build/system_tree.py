"""The config delta: what maintainer scripts leave over the trees of a set of .debs, as one tree.

The scripts run once, in the sandbox: no network, ids that look like root's, changes of owner recorded instead of made, services
never started. The result is normalised, so that it depends on the packages alone. Facts: docs/architecture/os-packages.md.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.archive.deb import open_deb
from shipway.build.capture import Recorded, capture_upper, finish_times, hash_file
from shipway.build.dpkg_database import DebPart
from shipway.build.merged_root import MergedRoot
from shipway.build.normalise import ROOT_SHADOW, normalise
from shipway.build.sandboxed import Job, needs_merged_root, recorded_by, run_over
from shipway.build.system_plan import ENV, Step, plan_steps, render_script
from shipway.build.system_world import World
from shipway.core.errors import BuildError
from shipway.core.events import Emit, Event, silent
from shipway.core.manifest import DIRECTORY, SYMLINK, Entry, Manifest, disk_mode
from shipway.core.text import shown
from shipway.host import files
from shipway.sandbox.model import CHROOT, PROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.sandbox.launch import Captured
    from shipway.store.tree import Tree

_LAST = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemSettings:
    """What besides the packages decides the delta."""

    architecture: str
    epoch: int
    """For the dates that shadow(5) writes."""


def read_part(deb_path: str, tree: Tree) -> DebPart:
    """The package in the file `deb_path`, whose tree is `tree`.

    Raises:
        HostileInput: it is no well-formed .deb.
    """
    fd = os.open(deb_path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        deb = open_deb(fd, os.path.basename(deb_path))
        control = {name: file.content for name, file in deb.control.items()}
        return make_part(deb.paragraph, deb.fields, control, tree.root, tree.manifest())
    finally:
        os.close(fd)


def make_part(
    paragraph: str, fields: dict[str, str], control: dict[str, bytes], root: str, manifest: Manifest
) -> DebPart:
    """A package from its control files (of which `conffiles`, `triggers` and `preinst` are read) and its tree."""
    text = {name: content.decode("utf-8", "surrogateescape") for name, content in control.items()}
    names = [line.rstrip() for line in text.get("conffiles", "").split("\n") if line.startswith("/")]
    return DebPart(
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        fields=fields,
        paragraph=paragraph,
        root=root,
        manifest=manifest,
        conffiles=tuple((name, digest) for name in names if (digest := _md5(root, name))),
        triggers=text.get("triggers", ""),
        preinst=text.get("preinst", ""),
    )


def make_system(
    parts: Sequence[DebPart],
    settings: SystemSettings,
    root: str,
    work: str,
    *,
    emit: Emit = silent,
    mode: str = "auto",
) -> Manifest:
    """Run the maintainer scripts of `parts` and leave the delta below the empty directory `root`; say what it holds.

    `work` is a directory beside `root` (same file system) for what must vanish. `mode` is one of the sandbox's; the result is the
    same in each.

    Raises:
        BuildError: a script failed; with its package and last lines.
        SandboxError: the host refuses the sandbox.
        NoSpace: the disk is full.
    """
    is_merged = needs_merged_root() if mode == "auto" else mode in (CHROOT, PROOT)
    scratch = os.path.join(work, "step")
    with files.translating_disk_errors("configure the OS packages"):
        os.makedirs(work, exist_ok=True)
        world = _make_world(parts, settings, root, work, is_merged=is_merged)
        dpkg = next((part.version for part in parts if part.name == "dpkg"), "")
        said: set[str] = set()
        for step in plan_steps(parts):
            world.unpack(step.unpack, is_first=step.is_first)
            world.activate(step.triggers)
            if step.preinst or step.configure:
                for part in step.preinst:
                    world.stage_control(part)
                env = {**ENV, "SOURCE_DATE_EPOCH": str(settings.epoch)}
                job = Job(argv=("/bin/sh", "-s"), env=env, data=render_script(step, dpkg))
                trees = [(part.root, part.manifest) for part in world.visible]
                merged = world.root if is_merged else None
                done = run_over(
                    trees, world.root, scratch, job, merged=merged, mode=mode, emit=_once(emit, said)
                )
                if done.result.code != 0:
                    raise _script_failed(done, step)
                world.recorded = world.recorded.merged(recorded_by(done))
        normalise(world.root, world.lower)
        if world.merged is not None:
            world.merged.split(world.lower, root)
            world.root = root
        return _capture(world)


def _make_world(
    parts: Sequence[DebPart], settings: SystemSettings, root: str, work: str, *, is_merged: bool
) -> World:
    if not is_merged:
        return World(root, parts, settings.architecture)
    place = os.path.join(work, "merged")
    os.makedirs(place)
    return World(place, parts, settings.architecture, merged=MergedRoot(place))


def _capture(world: World) -> Manifest:
    entries = capture_upper(world.root, world.lower, _with_fixed_owners(world))
    _settle_clashes(world, entries)
    _settle_directories(world, entries)
    finish_times(world.root, entries.values())
    return Manifest(entries.values())


def _once(emit: Emit, said: set[str]) -> Emit:
    """Say each note once, however many steps there are."""

    def filtered(event: Event) -> None:
        text = getattr(event, "text", "")
        if text not in said:
            said.add(text)
            emit(event)

    return filtered


def _script_failed(done: Captured, step: Step) -> BuildError:
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    named = [
        line
        for line in output.splitlines()
        if "error processing package" in line or line.startswith("shipway:")
    ]
    what = named[0].removeprefix("shipway: ") if named else step.describe()
    return BuildError(
        f"a maintainer script failed: {shown(what)}",
        hints=("look at its last lines above", "leave the package out, or report it with the lock file"),
        detail="\n".join(shown(line, 300) for line in output[-_LAST:].splitlines()),
    )


def _with_fixed_owners(world: World) -> Recorded:
    """What was recorded, corrected where a tool copies an owner that the sandbox cannot show it."""
    gid = world.ids("etc/group").get("shadow", 0)
    owners = dict.fromkeys(ROOT_SHADOW, (0, gid))
    return world.recorded.merged(Recorded(owners=owners))


def _settle_clashes(world: World, entries: dict[str, Entry]) -> None:
    """Where two packages fill one path differently, the delta has the one that dpkg would leave: layers may lie in any order."""
    first: dict[str, Entry] = {}
    for part in world.visible:
        for entry in part.manifest.entries:
            other = first.setdefault(entry.path, entry)
            winner = world.lower.get(entry.path)
            if (
                winner is not None
                and other._replace(mtime=0) != entry._replace(mtime=0)
                and entry.path not in entries
            ):
                _place(world, entries, winner)


def _settle_directories(world: World, entries: dict[str, Entry]) -> None:
    """Every directory on the way to an entry is an entry, with the attributes it has below."""
    for path in list(entries):
        parent = os.path.dirname(path)
        while parent and parent not in entries:
            known = world.lower.get(parent)
            entries[parent] = known if known is not None else Entry(parent, DIRECTORY, 0o755)
            parent = os.path.dirname(parent)


def _place(world: World, entries: dict[str, Entry], entry: Entry) -> None:
    """Put a lower entry, perhaps with other attributes, into the delta."""
    full = os.path.join(world.root, entry.path)
    if entry.kind == DIRECTORY:
        world.make_parents(entry.path)
        os.makedirs(full, exist_ok=True)
        os.chmod(full, disk_mode(DIRECTORY, entry.mode))
        entries[entry.path] = entry
        return
    if entry.path not in entries:
        owner = world.owner[entry.path]
        source = entry
        if entry.kind == "h":
            source = next(one for one in owner.manifest.entries if one.path == entry.target)
        world.materialise(source, owner, entry.path)
        entry = source._replace(path=entry.path, mode=entry.mode, uid=entry.uid, gid=entry.gid)
    if entry.kind != SYMLINK:
        digest, size = hash_file(full)
        os.chmod(full, disk_mode(entry.kind, entry.mode))
        entry = entry._replace(kind="f", digest=digest, size=size, target="")
    entries[entry.path] = entry


def _md5(root: str, path: str) -> str:
    """The md5 that dpkg knows a conffile by; empty if the package does not ship it."""
    full = os.path.join(root, path.lstrip("/"))
    if not os.path.isfile(full) and not path.startswith("/usr/"):
        full = os.path.join(root, "usr", path.lstrip("/"))
    try:
        with open(full, "rb") as stream:
            return hashlib.md5(stream.read(), usedforsecurity=False).hexdigest()
    except FileNotFoundError:
        return ""
