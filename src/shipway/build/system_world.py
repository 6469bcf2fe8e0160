"""The root that maintainer scripts see, while it grows: lower trees of what is unpacked, and one upper directory above them.

Unpacking a package here means: its tree becomes visible, and what the upper directory has at its paths gives way, as when dpkg
unpacks over it. Diversions send files elsewhere, conffiles that a script wrote before stay.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from shipway.build.capture import Recorded, make_whiteout, walk_files
from shipway.build.dpkg_database import (
    ADMIN,
    add_triggers,
    parse_diversions,
    parse_statoverrides,
    render_stanza,
    unaliased,
)
from shipway.build.system_plan import staged_control
from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry, Manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.build.dpkg_database import DebPart, Diversion
    from shipway.build.merged_root import MergedRoot

_ALIASES = ("bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin")


class World:
    """State between two entries into the sandbox. `root` is the upper directory, of which we are the only user."""

    def __init__(
        self, root: str, parts: Sequence[DebPart], architecture: str, *, merged: MergedRoot | None = None
    ):
        """Write what must be there before anything runs. With `merged`, `root` holds the trees themselves too."""
        self.root = root
        self.merged = merged
        self.visible: list[DebPart] = []
        self.lower: dict[str, Entry] = {}
        """What the visible trees show, by path: the last file, the first directory, as dpkg leaves them."""
        self.owner: dict[str, DebPart] = {}
        self.recorded = Recorded()
        self._triggers: dict[str, bytes] = {}
        self._write_skeleton(parts, architecture)

    def unpack(self, parts: Sequence[DebPart], *, is_first: bool) -> None:
        """Make `parts` visible in this order and tell dpkg's database.

        Conffiles wait under another name until their package is configured, but for the first set.
        """
        if not parts:
            return
        diversions = self.diversions()
        present = set(walk_files(self.root))
        for part in parts:
            self._unpack_one(part, diversions, present)
            if not is_first:
                self._hold_back_conffiles(part, present)
            self._override_modes(part)
        with open(
            os.path.join(self.root, ADMIN, "status"), "a", encoding="utf-8", errors="surrogateescape"
        ) as stream:
            stream.write("".join(render_stanza(part, conffiles_installed=is_first) for part in parts))
        folder = os.path.join(self.root, ADMIN, "triggers")
        self._triggers = add_triggers(self._triggers, parts)
        for name, content in self._triggers.items():
            _write(os.path.join(folder, name), content, 0o644)

    def activate(self, triggers: Sequence[str]) -> None:
        """Leave `triggers` for dpkg to incorporate, as unpacking does for packages that do not wait."""
        if triggers:
            content = "".join(f"{name} -\n" for name in triggers).encode()
            _write(os.path.join(self.root, ADMIN, "triggers/Unincorp"), content, 0o644)

    def stage_control(self, part: DebPart) -> None:
        """Put the control files of `part`, whose preinst runs next, where dpkg has them then."""
        folder = os.path.join(self.root, staged_control(part))
        os.makedirs(folder)
        _write(os.path.join(folder, "control"), part.paragraph.encode("utf-8", "surrogateescape"), 0o644)
        info = os.path.join(part.root, ADMIN, "info")
        prefix = part.info + "."
        for name in os.listdir(info):
            if name.startswith(prefix) and not name.endswith((".list", ".md5sums")):
                shutil.copyfile(os.path.join(info, name), os.path.join(folder, name.removeprefix(prefix)))
        os.chmod(os.path.join(folder, "preinst"), 0o755)  # noqa: S103 - a script inside

    def diversions(self) -> tuple[Diversion, ...]:
        """What is diverted now."""
        return parse_diversions(self.read(f"{ADMIN}/diversions"))

    def read(self, path: str) -> str:
        """The text of a file that scripts would see; empty if it is not there."""
        owner = self.owner.get(path)
        for root in (self.root, owner.root if owner else None):
            full = os.path.join(root, path) if root else ""
            if os.path.isfile(full):
                with open(full, encoding="utf-8", errors="surrogateescape") as stream:
                    return stream.read()
        return ""

    def materialise(self, source: Entry, owner: DebPart, target: str) -> None:
        """Copy the file or link `source` of the tree of `owner` to the path `target` of the upper directory."""
        full = os.path.join(self.root, target)
        self.make_parents(target)
        if os.path.lexists(full):
            os.unlink(full)
        if source.kind == SYMLINK:
            os.symlink(source.target, full)
        else:
            shutil.copyfile(os.path.join(owner.root, source.path), full)
            os.chmod(full, source.mode)
        self.recorded = self.recorded.merged(
            Recorded(
                owners={target: (source.uid, source.gid)},
                xattrs={target: source.xattrs} if source.xattrs else {},
            )
        )

    def make_parents(self, path: str) -> None:
        """Make the directories above `path` in the upper directory, with the modes that overlayfs shows below."""
        parent = os.path.dirname(path)
        full = os.path.join(self.root, parent)
        if parent and not os.path.isdir(full):
            self.make_parents(parent)
            os.mkdir(full)
            known = self.lower.get(parent)
            os.chmod(full, (known.mode if known else 0o755) | 0o700)

    def _unpack_one(self, part: DebPart, diversions: tuple[Diversion, ...], present: set[str]) -> None:
        diverted = {one.source: one.target for one in diversions if one.package != part.name}
        conffiles = {unaliased(path) for path, _ in part.conffiles}
        for entry in part.manifest.entries:
            path = entry.path
            if entry.kind == DIRECTORY:
                self.lower.setdefault(path, entry)
                continue
            if path in diverted:
                self._unpack_diverted(entry, part, diverted[path])
                continue
            if path in present and path not in conffiles and self.merged is None:
                os.unlink(os.path.join(self.root, path))
            self.lower[path] = entry
            self.owner[path] = part
        self.visible.append(part)
        if self.merged is not None:
            shown = [entry for entry in part.manifest.entries if entry.path not in diverted]
            self.merged.add(part.root, Manifest(shown), kept=conffiles & present)

    def ids(self, path: str) -> dict[str, int]:
        """Name -> number of the users or groups in the file `path`."""
        rows = (line.split(":") for line in self.read(path).splitlines())
        return {row[0]: int(row[2]) for row in rows if len(row) > 2 and row[2].isdigit()}  # noqa: PLR2004 - name, x, id

    def _override_modes(self, part: DebPart) -> None:
        """Unpack with owner and mode of the statoverride database, as far as it was there before."""
        overrides = parse_statoverrides(self.read(f"{ADMIN}/statoverride"))
        for one in overrides:
            entry = self.lower.get(one.path)
            uid, gid = _id_of(one.user, self.ids("etc/passwd")), _id_of(one.group, self.ids("etc/group"))
            if entry is None or self.owner.get(one.path) is not part or uid is None or gid is None:
                continue
            if entry.kind != SYMLINK:
                changed = _content_of(entry, part)._replace(mode=one.mode, uid=uid, gid=gid)
                self.materialise(changed, part, one.path)

    def _hold_back_conffiles(self, part: DebPart, present: set[str]) -> None:
        """Unpack conffiles beside their place, as dpkg does, so that other packages' scripts see none too early."""
        for path in (unaliased(name) for name, _ in part.conffiles):
            entry = self.lower.get(path)
            if entry is None or entry.kind not in (FILE, HARDLINK) or self.owner[path] is not part:
                continue
            self.materialise(_content_of(entry, part), part, path + ".dpkg-new")
            full = os.path.join(self.root, path)
            if path in present:
                continue
            if self.merged is not None:
                os.unlink(full)
            else:
                make_whiteout(full)

    def _unpack_diverted(self, entry: Entry, part: DebPart, target: str) -> None:
        """The file goes to `target`; its own path keeps showing what it showed, though the tree now lies above."""
        self.materialise(_content_of(entry, part), part, target)
        full = os.path.join(self.root, entry.path)
        if os.path.lexists(full) or self.merged is not None:
            return
        before = self.lower.get(entry.path)
        if before is not None:
            owner = self.owner[entry.path]
            self.materialise(_content_of(before, owner), owner, entry.path)
        else:
            self.make_parents(entry.path)
            make_whiteout(full)
        self.lower[entry.path] = entry
        self.owner[entry.path] = part

    def _write_skeleton(self, parts: Sequence[DebPart], architecture: str) -> None:
        shipped = {entry.path for part in parts for entry in part.manifest.entries}
        for name in _ALIASES:
            if name not in shipped and (f"usr/{name}" in shipped or name in ("bin", "lib", "sbin")):
                os.symlink(f"usr/{name}", os.path.join(self.root, name))
        for folder in ("info", "triggers", "updates", "alternatives"):
            os.makedirs(os.path.join(self.root, ADMIN, folder), exist_ok=True)
        _write(os.path.join(self.root, ADMIN, "arch"), f"{architecture}\n".encode(), 0o644)
        for name in ("status", "diversions"):
            _write(os.path.join(self.root, ADMIN, name), b"", 0o644)
        _write(os.path.join(self.root, ADMIN, "info/format"), b"1\n", 0o644)
        os.makedirs(os.path.join(self.root, "usr/sbin"), exist_ok=True)
        _write(os.path.join(self.root, "usr/sbin/policy-rc.d"), b"#!/bin/sh\nexit 101\n", 0o755)
        for folder, _names, _files in os.walk(self.root):
            os.chmod(folder, 0o755)  # noqa: S103 - what everybody sees inside


def _id_of(name: str, known: dict[str, int]) -> int | None:
    return int(name[1:]) if name.startswith("#") and name[1:].isdigit() else known.get(name)


def _content_of(entry: Entry, part: DebPart) -> Entry:
    """`entry`, or the file that it is a hard link to."""
    if entry.kind != HARDLINK:
        return entry
    target = next(one for one in part.manifest.entries if one.path == entry.target)
    return target._replace(kind=FILE)


def _write(path: str, content: bytes, mode: int) -> None:
    with open(path, "wb") as stream:
        stream.write(content)
    os.chmod(path, mode)
