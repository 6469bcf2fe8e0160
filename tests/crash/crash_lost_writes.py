"""A disk that forgets: records what is written, then shows what a power loss may leave.

Every change is one of two kinds: bytes appended to a file, and entries of directories (a rename changes two at once). A
change is safe once a sync that covers it has returned: syncfs covers everything, fsync of a file its bytes, fsync of a
directory its entries. At the power loss, any of the changes that are not safe may be there or not, in any combination;
bytes may also have become zeros or be cut. Modes and times are taken as written at once.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass, field

from shipway.host import _libc

NEVER = 1 << 60


@dataclass
class Change:
    """One change; safe from `safe` on."""

    entries: list[tuple[int, str, int | None]] = field(default_factory=list)
    """(directory, name, what it names now)."""
    file: int = 0
    data: bytes = b""
    safe: int = NEVER


@dataclass
class Node:
    kind: str
    mode: int = 0o755
    mtime: float = 0.0
    target: str = ""


class Recorder:
    """Watches everything below `root`, which must not exist yet or be empty."""

    def __init__(self, root):
        self.root = root
        self.changes: list[Change] = []
        self.nodes = {1: Node("d")}
        self.now: dict[int, dict[str, int]] = {1: {}}
        self.open: dict[int, int] = {}
        self.marks: list[tuple[int, str]] = []
        self.ignored: set[str] = set()
        """Syncs that do nothing, to see that this is noticed."""

    def mark(self, text):
        """From here on, what `text` stands for has been promised."""
        self.marks.append((len(self.changes), text))

    # --- what is where -------------------------------------------------------

    def place(self, path, dir_fd=None):
        """Directory and name of `path`, or None when it is not ours."""
        path = os.fspath(path)
        if dir_fd is not None:
            path = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), path)
        path = os.path.normpath(path)
        if not path.startswith(self.root + "/"):
            return None
        node = 1
        *folders, name = path[len(self.root) + 1 :].split("/")
        for folder in folders:
            node = self.now[node][folder]
        return node, name

    def node(self, path, dir_fd=None):
        if os.fspath(path) == self.root:
            return 1
        place = self.place(path, dir_fd)
        return None if place is None else self.now[place[0]].get(place[1])

    def enter(self, *entries):
        self.changes.append(Change(entries=list(entries)))
        for folder, name, node in entries:
            if node is None:
                del self.now[folder][name]
            else:
                self.now[folder][name] = node

    def create(self, place, node):
        number = len(self.nodes) + 1
        self.nodes[number] = node
        if node.kind == "d":
            self.now[number] = {}
        self.enter((*place, number))
        return number

    def safe(self, covered):
        for change in self.changes:
            if change.safe == NEVER and covered(change):
                change.safe = len(self.changes)

    # --- the calls -----------------------------------------------------------

    def wrap(self):  # noqa: PLR0915 - one small function for each call
        real = {name: getattr(os, name) for name in WATCHED}

        def open_(path, flags, mode=0o777, *, dir_fd=None):
            ours = isinstance(path, str) and self.place(path, dir_fd)
            if path == self.root:
                ours = None
                node = 1
            else:
                node = self.now[ours[0]].get(ours[1]) if ours else None
            fd = real["open"](path, flags, mode, dir_fd=dir_fd)
            if ours and node is None and flags & os.O_CREAT:
                node = self.create(ours, Node("f", stat.S_IMODE(os.fstat(fd).st_mode)))
            self.open[fd] = node or 0
            return fd

        def write(fd, data):
            done = real["write"](fd, data)
            if self.open.get(fd):
                self.changes.append(Change(file=self.open[fd], data=bytes(data[:done])))
            return done

        def mkdir(path, mode=0o777, *, dir_fd=None):
            real["mkdir"](path, mode, dir_fd=dir_fd)
            if place := self.place(path, dir_fd):
                self.create(place, Node("d"))

        def symlink(target, path):
            real["symlink"](target, path)
            if place := self.place(path):
                self.create(place, Node("l", target=target))

        def rename(source, target, *, src_dir_fd=None, dst_dir_fd=None):
            real["rename"](source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            self.renamed(self.place(source, src_dir_fd), self.place(target, dst_dir_fd))

        def link(source, target, **more):
            real["link"](source, target, **more)
            if place := self.place(target):
                self.enter((*place, self.node(source)))

        def unlink(path, *, dir_fd=None):
            real["unlink"](path, dir_fd=dir_fd)
            if place := self.place(path, dir_fd):
                self.enter((*place, None))

        def rmdir(path, *, dir_fd=None):
            real["rmdir"](path, dir_fd=dir_fd)
            if place := self.place(path, dir_fd):
                self.enter((*place, None))

        def chmod(path, mode, **more):
            real["chmod"](path, mode, **more)
            if (node := self.node(path)) is not None:
                self.nodes[node].mode = mode

        def fchmod(fd, mode):
            real["fchmod"](fd, mode)
            if self.open.get(fd):
                self.nodes[self.open[fd]].mode = mode

        def utime(path, times=None, **more):
            real["utime"](path, times, **more)
            if (node := self.node(path)) is not None and times:
                self.nodes[node].mtime = times[1]

        def fsync(fd):
            node = self.open.get(fd)
            if node and "fsync" not in self.ignored:
                self.safe(
                    lambda change: change.file == node or any(entry[0] == node for entry in change.entries)
                )

        return {
            "open": open_, "write": write, "mkdir": mkdir, "symlink": symlink, "rename": rename, "link": link,
            "unlink": unlink, "rmdir": rmdir, "chmod": chmod, "fchmod": fchmod, "utime": utime, "fsync": fsync,
        }  # fmt: skip

    def renamed(self, source, target):
        if source and target:
            self.enter((*source, None), (*target, self.now[source[0]][source[1]]))

    @contextlib.contextmanager
    def installed(self):
        """Record inside."""
        saved = {name: getattr(os, name) for name in WATCHED}
        libc = (_libc.syncfs, _libc.renameat2)

        def renameat2(source, target, flags):
            done = libc[1](source, target, flags)
            if done:
                self.renamed(self.place(source), self.place(target))
            return done

        def syncfs(_fd):
            if "syncfs" not in self.ignored:
                self.safe(lambda _change: True)

        for name, wrapped in self.wrap().items():
            setattr(os, name, wrapped)
        _libc.syncfs, _libc.renameat2 = syncfs, renameat2
        try:
            yield self
        finally:
            for name, real in saved.items():
                setattr(os, name, real)
            _libc.syncfs, _libc.renameat2 = libc

    # --- the power loss ------------------------------------------------------

    def after_loss(self, when, path, choose):
        """Make at `path` what the disk may show when the power fails after `when` changes; `choose() -> float` decides."""
        folders: dict[int, dict[str, int]] = {}
        contents: dict[int, bytes] = {}
        for change in self.changes[:when]:
            kept = change.safe <= when
            if change.file:
                data = change.data if kept else _spoiled(change.data, choose())
                contents[change.file] = contents.get(change.file, b"") + data
            elif kept or choose() < 0.5:
                for folder, name, node in change.entries:
                    if node is None:
                        folders.setdefault(folder, {}).pop(name, None)
                    else:
                        folders.setdefault(folder, {})[name] = node
        self._show(1, path, folders, contents)

    def _show(self, node, path, folders, contents):
        os.mkdir(path)
        for name, inside in folders.get(node, {}).items():
            there, what = os.path.join(path, name), self.nodes[inside]
            if what.kind == "d":
                self._show(inside, there, folders, contents)
                os.chmod(there, what.mode)
            elif what.kind == "l":
                os.symlink(what.target, there)
            else:
                with open(there, "wb") as file:
                    file.write(contents.get(inside, b""))
                os.chmod(there, what.mode)
                if what.mtime:
                    os.utime(there, (what.mtime, what.mtime))


WATCHED = (
    "open", "write", "mkdir", "symlink", "rename", "link", "unlink", "rmdir", "chmod", "fchmod", "utime", "fsync",
)  # fmt: skip


def _spoiled(data, chance):
    if chance < 0.4:
        return data
    if chance < 0.6:
        return b"\0" * len(data)
    return data[: len(data) // 2] if chance < 0.7 else b""
