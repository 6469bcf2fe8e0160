"""A wheel as a tree: what an installer would have put into the environment at its prefix.

One pass: every member is inflated, hashed, checked against RECORD and written once. Bytes depend on the wheel, the prefix
and the Python version, never on the host.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Thread

from shipway.archive.extract import Extractor
from shipway.archive.limits import LIMITS, Limits
from shipway.archive.names import refuse
from shipway.archive.zip import ZipMember, ZipReader
from shipway.build.bytecode import cache_path, compiled
from shipway.build.wheel_plan import (
    Layout,
    RecordRow,
    WheelName,
    destination,
    find_dist_info,
    parse_entry_points,
    parse_record,
    parse_wheel_filename,
    render_record,
    render_script,
    require_free,
    require_metadata,
    require_wheel_version,
    rewritten_shebang,
)
from shipway.core.events import Emit, Note, silent
from shipway.core.manifest import FILE, Manifest
from shipway.core.text import shown

EPOCH = 315532800
"""1980-01-01T00:00:00Z, the time of every file that shipway makes: the earliest that zip files can state."""
INSTALLER = b"shipway\n"
_THREADED = 24 << 20
Compiler = Callable[[str, Sequence[str]], Iterable[bytes | None]]
"""(directory of the tree, paths of sources below it) -> the `.pyc` of each, None where a source does not compile."""


def compile_here(root: str, paths: Sequence[str]) -> Iterator[bytes | None]:
    """Compile with the running interpreter; right only where it is of the image's version."""
    for path in paths:
        with open(f"{root}/{path}", "rb") as file:
            yield compiled(file.read(), "/" + path)


def unpack_wheel(
    path: str,
    root: str,
    *,
    python: str,
    prefix: str = "/opt/venv",
    filename: str = "",
    compiler: Compiler | None = None,
    direct_url: bytes | None = None,
    threads: int = 2,
    emit: Emit = silent,
    limits: Limits = LIMITS,
) -> Manifest:
    """Unpack the wheel at `path` into the empty directory `root` and say what is there.

    Args:
        path: the file.
        root: the directory.
        python: `3.11`.
        prefix: where the environment is inside; absolute.
        filename: the wheel's name if `path` does not end with it.
        compiler: makes bytecode, which is left out without one.
        direct_url: the text of `direct_url.json`, for wheels that were built here.
        threads: how many unpack a large wheel; small ones are done in the calling thread.
        emit: hears of files that RECORD forgot.
        limits: caps.

    Raises:
        HostileInput: the wheel breaks a rule that honest wheels keep; names wheel and member.
        NoSpace: the disk is full.
    """
    filename = filename or os.path.basename(path)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        wheel = _Wheel(fd, filename, Layout(prefix=prefix.strip("/"), python=python), limits)
        return wheel.unpack(
            root, root_fd, compiler=compiler, direct_url=direct_url, threads=threads, emit=emit
        )
    finally:
        os.close(root_fd)
        os.close(fd)


class _Wheel:
    """One wheel on its way into a tree."""

    def __init__(self, fd: int, filename: str, layout: Layout, limits: Limits):
        self._artifact, self._layout, self._limits = filename, layout, limits
        self._name: WheelName = parse_wheel_filename(filename)
        self._zip = ZipReader(fd, filename, limits)
        by_path = {member.path: member for member in self._zip.members}
        self._info = find_dist_info(list(by_path), self._name, filename)
        require_wheel_version(self._text(by_path, "WHEEL"), filename)
        require_metadata(self._text(by_path, "METADATA"), self._name, filename)
        self._record = parse_record(self._text(by_path, "RECORD"), filename)
        entry_points = f"{self._info}/entry_points.txt"
        self._scripts = (
            parse_entry_points(self._text(by_path, "entry_points.txt"), filename)
            if entry_points in by_path
            else []
        )

    def _text(self, members: dict[str, ZipMember], name: str) -> str:
        member = members.get(f"{self._info}/{name}")
        if member is None or member.size > self._limits.control:
            raise refuse(self._artifact, f"{self._info}/{name}", "is missing or far too large")
        try:
            return b"".join(self._zip.read(member)).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise refuse(self._artifact, member.path, "is not UTF-8") from error

    def unpack(
        self,
        root: str,
        root_fd: int,
        *,
        compiler: Compiler | None,
        direct_url: bytes | None,
        threads: int,
        emit: Emit,
    ) -> Manifest:
        """Write everything below `root_fd`, which is the directory `root`."""
        extractor = Extractor(root_fd, self._artifact, limits=self._limits)
        try:
            members = self._members(compiled=compiler is not None)
            self._report(members, emit)
            self._write_members(extractor, members, threads)
            bytecode = self._write_bytecode(extractor, root, compiler) if compiler else set[str]()
            self._write_own(extractor, direct_url, bytecode)
            return extractor.finish()
        finally:
            extractor.close()

    def _members(self, *, compiled: bool) -> list[tuple[ZipMember, str, str]]:
        """Members to write with their places and schemes, without those that this code writes itself."""
        data = self._info.removesuffix(".dist-info") + ".data"
        own = {f"{self._info}/{name}" for name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")}
        sources = {member.path for member in self._zip.members if member.path.endswith(".py")}
        replaced = {cache_path(source, self._tag) for source in sources} if compiled else set[str]()
        return [
            (member, *destination(member.path, data, self._layout, self._name.distribution, self._artifact))
            for member in self._zip.members
            if member.path not in own and member.path not in replaced
        ]

    @property
    def _tag(self) -> str:
        return "cpython-" + self._layout.python.replace(".", "")

    def _report(self, members: list[tuple[ZipMember, str, str]], emit: Emit) -> None:
        """Say which files RECORD forgot or invented. Other installers let that pass, and the RECORD written here is complete."""
        paths = {member.path for member in self._zip.members}
        unsigned = (".jws", ".p7s")
        forgotten = sorted(
            m.path for m, _, _ in members if m.path not in self._record and not m.path.endswith(unsigned)
        )
        invented = sorted(path for path in self._record if path not in paths)
        for names, what in ((forgotten, "does not list"), (invented, "lists, but the wheel does not hold")):
            if names:
                more = f" and {len(names) - 1} more" if len(names) > 1 else ""
                emit(Note(f"`{shown(self._artifact)}`: RECORD {what} `{shown(names[0])}`{more}", "warning"))

    def _write_members(
        self, extractor: Extractor, members: list[tuple[ZipMember, str, str]], threads: int
    ) -> None:
        if threads < 2 or sum(member.size for member, _, _ in members) < _THREADED:  # noqa: PLR2004
            for item in members:
                self._write(extractor, *item)
            return
        # Threads create files only; two of them making one directory would race.
        for directory in sorted({place.rpartition("/")[0] for _, place, _ in members}):
            extractor.ensure_directory(directory, EPOCH)
        _in_threads(self._write, extractor, sorted(members, key=lambda item: item[0].size), threads)

    def _write(self, extractor: Extractor, member: ZipMember, place: str, scheme: str) -> None:
        content: Iterable[bytes] = self._zip.read(member)
        row = self._record.get(member.path)
        mode = 0o755 if member.mode & 0o111 else 0o644
        other = None
        if row and row.algorithm not in ("", "sha256"):
            other = hashlib.new(row.algorithm)
            content = _hashed(content, other)
        if scheme != "scripts":
            entry = extractor.file(place, content, mode, EPOCH)
            self._require_recorded(member, row, other.hexdigest() if other else entry.digest)
            return
        if member.size > self._limits.control:
            raise refuse(self._artifact, member.path, "is a script and far too large for one")
        data = b"".join(content)
        self._require_recorded(member, row, other.hexdigest() if other else hashlib.sha256(data).hexdigest())
        extractor.file(place, [rewritten_shebang(data, self._layout.interpreter)], 0o755, EPOCH)

    def _require_recorded(self, member: ZipMember, row: RecordRow | None, digest: str) -> None:
        if row and ((row.digest and row.digest != digest) or row.size not in (None, member.size)):
            raise refuse(self._artifact, member.path, "is not what the wheel's RECORD says")

    def _write_bytecode(self, extractor: Extractor, root: str, compiler: Compiler) -> set[str]:
        """Compile every module; the places written."""
        site = self._layout.site + "/"
        sources = sorted(
            p
            for p, e in extractor.entries.items()
            if e.kind == FILE and p.startswith(site) and p.endswith(".py")
        )
        written = set()
        for source, data in zip(sources, compiler(root, sources), strict=True):
            if data is not None:
                place = cache_path(source, self._tag)
                extractor.file(place, [data], 0o644, EPOCH)
                written.add(place)
        return written

    def _write_own(self, extractor: Extractor, direct_url: bytes | None, bytecode: set[str]) -> None:
        """Scripts of entry points, INSTALLER, direct_url.json, and RECORD over everything."""
        layout = self._layout
        for entry in self._scripts:
            place = require_free(f"{layout.prefix}/bin/{entry.name}", entry.name, layout, self._artifact)
            extractor.file(place, [render_script(entry, layout.interpreter)], 0o755, EPOCH)
        info = f"{layout.site}/{self._info}"
        extractor.file(f"{info}/INSTALLER", [INSTALLER], 0o644, EPOCH)
        if direct_url is not None:
            extractor.file(f"{info}/direct_url.json", [direct_url], 0o644, EPOCH)
        rows: list[tuple[str, str, int | None]] = [
            (_from_site(path, layout), "" if path in bytecode else entry.digest, entry.size)
            for path, entry in extractor.entries.items()
            if entry.kind == FILE
        ]
        record = render_record(rows, f"{self._info}/RECORD")
        extractor.file(f"{info}/RECORD", [record], 0o644, EPOCH)


def _from_site(path: str, layout: Layout) -> str:
    """`path` as RECORD writes it: relative to site-packages."""
    site = layout.site + "/"
    return (
        path.removeprefix(site)
        if path.startswith(site)
        else "../../../" + path.removeprefix(layout.prefix + "/")
    )


def _hashed(content: Iterable[bytes], sha: hashlib._Hash) -> Iterator[bytes]:
    for chunk in content:
        sha.update(chunk)
        yield chunk


def _in_threads(
    write: Callable[[Extractor, ZipMember, str, str], None],
    extractor: Extractor,
    items: list[tuple[ZipMember, str, str]],
    count: int,
) -> None:
    """Write `items`, the largest (last) first, in `count` threads; the first error of any is raised."""
    failures: list[BaseException] = []

    def work() -> None:
        own = extractor.sibling()
        try:
            # A list's pop is atomic; two threads can only meet at the last item.
            while not failures and (item := _pop(items)):
                write(own, *item)
        except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
            failures.append(error)
        finally:
            own.close()

    workers = [Thread(target=work, daemon=True) for _ in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]


def _pop(items: list[tuple[ZipMember, str, str]]) -> tuple[ZipMember, str, str] | None:
    try:
        return items.pop()
    except IndexError:
        return None
