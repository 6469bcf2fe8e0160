"""The project's own files as a tree below the working directory.

Chosen by ignore rules (`core.ignore`), read without following any link, with normal modes, no owners and one time, so that
the same content is the same tree whoever checked it out, wherever, under whatever umask.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from shipway.archive.extract import Extractor
from shipway.archive.limits import LIMITS
from shipway.build.wheel_tree import EPOCH
from shipway.core.digest import Digest
from shipway.core.errors import BuildError, SpecError
from shipway.core.events import Emit, Note, silent
from shipway.core.ignore import VENDOR_INDEX, IgnoreRules, parse_ignore
from shipway.core.manifest import DIRECTORY, FILE, SYMLINK, Entry, Manifest
from shipway.core.text import shown

IGNORE_FILES = (".dockerignore", ".containerignore")
"""Read in this order, in front of the spec's own rules."""
ALWAYS = (
    ".git",
    ".hg",
    ".svn",
    "**/__pycache__",
    "**/.ipynb_checkpoints",
    "**/.venv",
    "**/.DS_Store",
)
"""Stay out unless a later rule takes them back: histories and caches, which differ between two copies of one project."""
_CACHE_TAG = b"Signature: 8a477f597d28d172789f06886806bc55"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1 << 20
_FRESH = 2_000_000_000
"""Nanoseconds. A file changed this shortly before a scan may change again with the same time stamp, so its stamp is not kept."""
Stamp = tuple[int, int, int, int, str]
"""Size, mtime and ctime in nanoseconds, inode, hex sha256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What was chosen of a project, and its content."""

    entries: tuple[Entry, ...]
    """Paths relative to the project."""
    notes: tuple[str, ...] = ()
    """What was left out although no rule says so."""
    stamps: dict[str, Stamp] = field(default_factory=dict, compare=False)
    """For the next scan's `known`."""

    @property
    def digest(self) -> Digest:
        """Over all paths, modes, links and bytes."""
        return Digest(Manifest(self.entries).identity())


def scan_files(
    project: str,
    include: Iterable[str] = (),
    ignore: Iterable[str] = (),
    *,
    known: dict[str, Stamp] | None = None,
    now_ns: int = 0,
    emit: Emit = silent,
) -> Files:
    """Choose and hash the files of `project`.

    Args:
        project: its directory.
        include: patterns; nothing else is chosen. Empty: everything.
        ignore: patterns in the grammar of ignore files, after those of the project's ignore files.
        known: stamps of an earlier scan; a file whose stamp is the same is not read again.
        now_ns: the time, in nanoseconds since 1970; without it no stamps are returned.
        emit: hears of what is left out.

    Raises:
        SpecError: a pattern is malformed.
        BuildError: a file cannot be read, or changes while it is read.
    """
    chosen = tuple(include)
    scan = _Scan(read_rules(project, ignore), _rules(chosen or ("**",), "include"), known or {}, now_ns)
    fd = os.open(project, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        scan.walk(fd, "", 0)
    finally:
        os.close(fd)
    for note in scan.notes:
        emit(Note(note, "warning"))
    return Files(entries=tuple(Manifest(scan.entries).entries), notes=tuple(scan.notes), stamps=scan.stamps)


def read_rules(project: str, ignore: Iterable[str]) -> IgnoreRules:
    """All rules of what stays out, compiled.

    Raises:
        SpecError: a pattern is malformed, or an ignore file is no text.
    """
    return _rules(ignore_patterns(project, ignore), "ignore")


def is_chosen(project: str, path: str, include: Iterable[str], ignore: Iterable[str]) -> bool:
    """Whether a file or folder at `path`, relative to the project, would be part of the image.

    Raises:
        SpecError: as `read_rules`.
    """
    wanted = _rules(tuple(include) or ("**",), "include")
    return not read_rules(project, ignore).ignored(path) and wanted.ignored(path)


def ignore_patterns(project: str, ignore: Iterable[str]) -> tuple[str, ...]:
    """What stays out: our patterns, the ignore files', the spec's; a later one wins.

    Raises:
        SpecError: an ignore file is no text.
    """
    patterns = list(ALWAYS)
    for name in IGNORE_FILES:
        try:
            with open(os.path.join(project, name), encoding="utf-8") as file:
                patterns += parse_ignore(file.read())
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(
                f"cannot read `{name}`: {error}", hints=(f"make `{name}` a UTF-8 text file",)
            ) from error
    return (*patterns, *ignore)


def _rules(patterns: Iterable[str], what: str) -> IgnoreRules:
    try:
        return IgnoreRules(patterns)
    except ValueError as error:
        raise SpecError(
            f"in the {what} rules: {error}", hints=("quote special characters with a backslash",)
        ) from error


class _Scan:
    """One walk over a project."""

    def __init__(self, ignore: IgnoreRules, include: IgnoreRules, known: dict[str, Stamp], now_ns: int):
        self._ignore, self._include = ignore, include
        self._known, self._newest = known, now_ns - _FRESH
        self.entries: list[Entry] = []
        self.notes: list[str] = []
        self.stamps: dict[str, Stamp] = {}

    def walk(self, fd: int, above: str, depth: int) -> None:
        """Take what is wanted of the directory `fd`."""
        if depth > LIMITS.depth:
            raise BuildError(f"`{shown(above)}` is deeper than {LIMITS.depth} directories", hints=_LEAVE_OUT)
        with os.scandir(fd) as found:
            items = sorted(found, key=lambda item: item.name)
        for item in items:
            path = above + item.name
            if item.is_dir(follow_symlinks=False):
                self._directory(fd, item.name, path, depth)
            elif not self._ignore.ignored(path) and self._include.ignored(path):
                self._take(fd, item, path)

    def _directory(self, fd: int, name: str, path: str, depth: int) -> None:
        if self._ignore.can_skip(path):
            return
        try:
            inner = os.open(name, _READ | os.O_DIRECTORY, dir_fd=fd)
        except OSError as error:
            raise _unreadable(path, error) from error
        try:
            if _is_vendored(inner):
                return
            if _is_cache(inner):
                self.notes.append(f"`{shown(path)}` is marked as a cache (CACHEDIR.TAG), and stays out")
                return
            if not self._ignore.ignored(path) and self._include.ignored(path):
                _require_expressible(name, path)
                self.entries.append(Entry(path, DIRECTORY, 0o755, mtime=EPOCH))
            self.walk(inner, path + "/", depth + 1)
        finally:
            os.close(inner)

    def _take(self, fd: int, item: os.DirEntry[str], path: str) -> None:
        _require_expressible(item.name, path)
        if item.is_symlink():
            target = os.readlink(item.name, dir_fd=fd)
            self.entries.append(Entry(path, SYMLINK, 0o777, mtime=EPOCH, target=target))
        elif item.is_file(follow_symlinks=False):
            self.entries.append(self._file(fd, item.name, path))
        else:
            self.notes.append(f"`{shown(path)}` is a device, a FIFO or a socket, and stays out")

    def _file(self, fd: int, name: str, path: str) -> Entry:
        now = os.stat(name, dir_fd=fd, follow_symlinks=False)
        stamp = self._known.get(path)
        if stamp is None or tuple(stamp[:4]) != _identity(now):
            digest = hashlib.sha256()
            now = read_steadily(fd, name, path, digest)
            stamp = (*_identity(now), digest.hexdigest())
        if max(now.st_mtime_ns, now.st_ctime_ns) < self._newest:
            self.stamps[path] = stamp
        return Entry(path, FILE, _mode(now), mtime=EPOCH, size=stamp[0], digest=stamp[4])


_LEAVE_OUT = ("add it to the ignore rules: `ignore` in the spec, or `.dockerignore`",)


def _identity(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _mode(found: os.stat_result) -> int:
    """Only whether the owner may execute it comes along, as in git."""
    return 0o755 if found.st_mode & 0o100 else 0o644


def _unreadable(path: str, error: OSError) -> BuildError:
    return BuildError(
        f"cannot read `{shown(path)}`: {error.strerror}", hints=(*_LEAVE_OUT, "or make it readable")
    )


def _require_expressible(name: str, path: str) -> None:
    if name.startswith(".wh."):
        raise BuildError(
            f"`{shown(path)}` cannot be in an image: there such names hide other files", hints=_LEAVE_OUT
        )


def _is_cache(fd: int) -> bool:
    """Whether the directory says of itself that it is a cache, by the tag file of the Cache Directory Tagging Specification."""
    try:
        tag = os.open("CACHEDIR.TAG", _READ, dir_fd=fd)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(tag).st_mode) and os.read(tag, len(_CACHE_TAG)) == _CACHE_TAG
    finally:
        os.close(tag)


def _is_vendored(fd: int) -> bool:
    """Whether the directory holds what `shipway vendor` collected: the image is the same with and without it."""
    try:
        return stat.S_ISREG(os.stat(VENDOR_INDEX, dir_fd=fd, follow_symlinks=False).st_mode)
    except OSError:
        return False


def read_steadily(fd: int, name: str, path: str, digest: hashlib._Hash) -> os.stat_result:
    """Hash the file `name` of the directory `fd`: its state, which was the same before and after.

    Raises:
        BuildError: it cannot be read, is no file any more, or changes meanwhile.
    """
    for chunk in (content := _Steady(fd, name, path)):
        digest.update(chunk)
    return content.state


class _Steady:
    """The bytes of a file that must not change under the reader."""

    state: os.stat_result

    def __init__(self, fd: int, name: str, path: str):
        self._fd, self._name, self._path = fd, name, path

    def __iter__(self) -> Iterator[bytes]:
        try:
            file = os.open(self._name, _READ, dir_fd=self._fd)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP):
                raise self._changed() from error
            raise _unreadable(self._path, error) from error
        try:
            self.state = os.fstat(file)
            if not stat.S_ISREG(self.state.st_mode):
                raise self._changed()
            size = 0
            while data := os.read(file, _CHUNK):
                size += len(data)
                yield data
            if size != self.state.st_size or _identity(os.fstat(file)) != _identity(self.state):
                raise self._changed()
        finally:
            os.close(file)

    def _changed(self) -> BuildError:
        return BuildError(
            f"`{shown(self._path)}` changes while it is read",
            hints=("run the command again when nothing writes there", *_LEAVE_OUT),
        )


def make_files(inputs: dict[str, Any], project: str, root: str, *, emit: Emit = silent) -> Manifest:
    """Choose and copy the project's files by a tree's inputs (`workdir include ignore content`) into the empty directory `root`.

    Raises:
        SpecError, BuildError: see `scan_files`; BuildError too when the content is not the one that the inputs name.
        NoSpace: the disk is full.
    """
    # What is left out was said when the inputs were made.
    del emit
    files = scan_files(project, inputs["include"], inputs["ignore"])
    if files.digest.hex != inputs["content"]:
        raise BuildError(
            "the project's files changed while the image was built", hints=("run the command again",)
        )
    return copy_files(files, project, root, workdir=inputs["workdir"])


def copy_files(files: Files, project: str, root: str, *, workdir: str) -> Manifest:
    """Copy what was scanned into the empty directory `root`, below `workdir`, and say what is there.

    Raises:
        BuildError: a file is not what it was when it was scanned.
        NoSpace: the disk is full.
    """
    lead = workdir.strip("/")
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    extractor = Extractor(root_fd, "project files")
    try:
        if lead:
            extractor.ensure_directory(lead, EPOCH)
        for entry in files.entries:
            place = f"{lead}/{entry.path}" if lead else entry.path
            if entry.kind == DIRECTORY:
                extractor.ensure_directory(place, EPOCH)
            elif entry.kind == SYMLINK:
                extractor.symlink(place, entry.target, EPOCH)
            else:
                _copy_file(entry, place, project, extractor)
        return extractor.finish()
    finally:
        extractor.close()
        os.close(root_fd)


def _copy_file(entry: Entry, place: str, project: str, extractor: Extractor) -> None:
    parent, _, name = entry.path.rpartition("/")
    fd = _open_beneath(project, parent)
    try:
        content = _Steady(fd, name, entry.path)
        written = extractor.file(place, content, entry.mode, EPOCH)
    finally:
        os.close(fd)
    if written.digest != entry.digest:
        raise BuildError(
            f"`{shown(entry.path)}` changed between being looked at and being copied",
            hints=("run the command again",),
        )


def _open_beneath(project: str, path: str) -> int:
    """A handle on a directory of the project, opened component by component so that no link is followed."""
    fd = os.open(project, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in path.split("/") if path else ():
        try:
            inner = os.open(part, _READ | os.O_DIRECTORY, dir_fd=fd)
        except OSError as error:
            raise BuildError(
                f"`{shown(path)}` changed between being looked at and being copied",
                hints=("run the command again",),
            ) from error
        finally:
            os.close(fd)
        fd = inner
    return fd
