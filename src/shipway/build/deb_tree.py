"""A .deb as a tree: its files, and below `var/lib/dpkg/info` what dpkg would have kept of it.

The tree is what `dpkg --unpack` leaves, without the status database, which is one file about all packages and belongs to the
system delta. Conffiles stand under their final name. Formats: deb(5), and dpkg's `doc/` on the info directory.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shipway.archive.deb import ControlFile, Deb, open_deb
from shipway.archive.extract import Extractor
from shipway.archive.limits import LIMITS, Limits
from shipway.archive.names import refuse, refuse_archive
from shipway.archive.tar import SPECIAL, TarMember
from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, Manifest

INFO = "var/lib/dpkg/info"
ALIASES: dict[bool, tuple[str, ...]] = {
    True: ("bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"),
    False: (),
}
"""Root directories that are links into `usr`, by whether the suite is usr-merged (all since bookworm and noble are)."""
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*\Z", re.ASCII)
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*\Z", re.ASCII)
_INFO_NAME = re.compile(r"[A-Za-z0-9_+-]+\Z", re.ASCII)
_OWN = frozenset({"control", "list"})
"""Control members that dpkg does not keep: the one goes into its status, the other it writes itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebControl:
    """What a .deb says about itself."""

    paragraph: str
    """The `control` file, as it is."""
    fields: dict[str, str]
    conffiles: tuple[tuple[str, str], ...]
    """Absolute path and md5 of each conffile, as the status database lists them."""
    scripts: tuple[str, ...]
    """Names of its maintainer scripts, sorted."""


def read_deb_control(path: str) -> DebControl:
    """What the .deb at `path` says about itself; conffile digests are taken from its `md5sums` or its data.

    Raises:
        HostileInput: it is no well-formed .deb.
    """
    with _Opened(path, os.path.basename(path)) as deb:
        names = _conffile_names(deb)
        digests = _listed_md5(deb)
        if any(name not in digests for name in names):
            wanted = {name.removeprefix("/") for name in names}
            digests |= {"/" + m.path: _md5(m) for m in deb.members() if m.path in wanted and m.kind == FILE}
        scripts = [
            name for name in ("config", "postinst", "postrm", "preinst", "prerm") if name in deb.control
        ]
        conffiles = tuple((name, digests[name]) for name in names if name in digests)
        return DebControl(
            paragraph=deb.paragraph, fields=deb.fields, conffiles=conffiles, scripts=tuple(scripts)
        )


def unpack_deb(
    path: str, root_fd: int, *, artifact: str = "", usrmerge: bool = True, limits: Limits = LIMITS
) -> Manifest:
    """Unpack the .deb at `path` into the empty directory `root_fd` and say what is there.

    Args:
        path: the file.
        root_fd: stays the caller's.
        artifact: its name for messages; the file's own if empty.
        usrmerge: whether `/bin`, `/lib` and so on are links into `/usr` in the suite.
        limits: caps.

    Raises:
        HostileInput: the package breaks a rule that honest packages keep; names package and member.
        NoSpace: the disk is full.
    """
    artifact = artifact or os.path.basename(path)
    with _Opened(path, artifact, limits) as deb:
        extractor = Extractor(root_fd, artifact, limits=limits)
        try:
            listing = _unpack_data(deb, extractor, artifact, ALIASES[usrmerge])
            _add_info(deb, extractor, artifact, listing)
            return extractor.finish()
        finally:
            extractor.close()


class _Opened:
    """A .deb file opened by path and closed at the end."""

    def __init__(self, path: str, artifact: str, limits: Limits = LIMITS):
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._deb = open_deb(self._fd, artifact, limits)
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Deb:
        return self._deb

    def __exit__(self, *exc: object) -> None:
        os.close(self._fd)


@dataclass(slots=True)
class _Listing:
    """What dpkg notes while it unpacks."""

    paths: list[str]
    """Absolute, as the archive has them, in its order."""
    md5: dict[str, str]
    """Of the files, kept only where the package brings no `md5sums`."""
    mtime: int = 0
    """The newest member's, for the files that dpkg itself writes."""


def _unpack_data(deb: Deb, extractor: Extractor, artifact: str, aliases: tuple[str, ...]) -> _Listing:
    listing = _Listing([], {})
    hashing = "md5sums" not in deb.control
    for member in deb.members():
        listing.paths.append("/." if member.path == "." else "/" + member.path)
        listing.mtime = max(listing.mtime, member.mtime)
        if member.path == ".":
            continue
        path = _merged(member.path, aliases, is_link=member.kind == SYMLINK)
        content = _Md5Content(member) if hashing and member.kind == FILE else member.content
        _place(member._replace(path=path), content, extractor, artifact, aliases)
        if isinstance(content, _Md5Content):
            listing.md5[member.path] = content.md5.hexdigest()
        elif member.kind == HARDLINK and member.target in listing.md5:
            listing.md5[member.path] = listing.md5[member.target]
    return listing


class _Md5Content:
    """A member's content, hashed as dpkg does while it passes."""

    def __init__(self, member: TarMember):
        self._content = member.content
        self.md5 = hashlib.md5(usedforsecurity=False)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._content:
            self.md5.update(chunk)
            yield chunk


def _place(
    member: TarMember, content: Iterable[bytes], extractor: Extractor, artifact: str, aliases: tuple[str, ...]
) -> None:
    path = member.path
    if member.kind == DIRECTORY:
        known = extractor.entries.get(path)
        # A package may have both `/lib/x` and `/usr/lib/x`; merged, they are one directory, and the first one's attributes stay.
        if known is None or known.kind != DIRECTORY:
            extractor.directory(
                path, member.mode, member.mtime, uid=member.uid, gid=member.gid, xattrs=member.xattrs
            )
    elif member.kind == FILE:
        extractor.file(
            path, content, member.mode, member.mtime, uid=member.uid, gid=member.gid, xattrs=member.xattrs
        )
    elif member.kind == SYMLINK:
        extractor.symlink(path, member.target, member.mtime, uid=member.uid, gid=member.gid)
    elif member.kind == HARDLINK:
        extractor.hardlink(path, _merged(member.target, aliases, is_link=False))
    elif member.kind == SPECIAL:
        raise refuse(artifact, member.raw, "is a device, a FIFO or a socket")


def _merged(path: str, aliases: tuple[str, ...], *, is_link: bool) -> str:
    """Where `path` lies once the alias directories are links into `usr`. The links themselves (base-files) stay."""
    top, slash, _ = path.partition("/")
    return f"usr/{path}" if top in aliases and (slash or not is_link) else path


def _add_info(deb: Deb, extractor: Extractor, artifact: str, listing: _Listing) -> None:
    prefix = f"{INFO}/{info_prefix(deb.fields, artifact)}."
    for name, file in sorted(deb.control.items()):
        if name in _OWN:
            continue
        if not _INFO_NAME.match(name):
            raise refuse(artifact, name, "is no control file that dpkg knows")
        extractor.file(prefix + name, [file.content], file.mode, file.mtime)
    listed = "".join(path + "\n" for path in listing.paths or ["/."])
    extractor.file(prefix + "list", [_encoded(listed)], 0o644, listing.mtime)
    if "md5sums" not in deb.control:
        sums = "".join(f"{digest}  {path}\n" for path, digest in listing.md5.items())
        extractor.file(prefix + "md5sums", [_encoded(sums)], 0o644, listing.mtime)


def info_prefix(fields: dict[str, str], artifact: str) -> str:
    """How dpkg names the package in its info directory: `libc6:amd64` where `Multi-Arch: same`, else `bash`.

    Raises:
        HostileInput: the name or the architecture is none that Debian policy allows.
    """
    name, architecture = fields.get("Package", ""), fields.get("Architecture", "")
    if not _PACKAGE.match(name) or not _ARCHITECTURE.match(architecture):
        raise refuse_archive(artifact, "has an invalid `Package` or `Architecture` field")
    return f"{name}:{architecture}" if fields.get("Multi-Arch") == "same" else name


def _conffile_names(deb: Deb) -> list[str]:
    listed = deb.control.get("conffiles", ControlFile(b"", 0, 0)).content.decode("utf-8", "surrogateescape")
    names = [line.rstrip() for line in listed.split("\n") if line.strip()]
    return [name for name in names if name.startswith("/")]


def _listed_md5(deb: Deb) -> dict[str, str]:
    text = deb.control.get("md5sums", ControlFile(b"", 0, 0)).content.decode("utf-8", "surrogateescape")
    pairs = (line.split(None, 1) for line in text.split("\n") if line.strip())
    return {"/" + pair[1]: pair[0] for pair in pairs if len(pair) == 2}  # noqa: PLR2004


def _md5(member: TarMember) -> str:
    md5 = hashlib.md5(usedforsecurity=False)
    for chunk in member.content:
        md5.update(chunk)
    return md5.hexdigest()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
