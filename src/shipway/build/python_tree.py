"""A stand-alone interpreter's archive as a tree below `/opt/python`.

Layouts, as published with stand-alone builds of CPython: `python/...` (install only) or `python/install/...` beside build
records (full), as tar packed by gzip, zstd or xz.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from shipway.archive.extract import Extractor
from shipway.archive.limits import LIMITS, Limits
from shipway.archive.names import refuse, refuse_archive
from shipway.archive.stream import Bytes, decompress
from shipway.archive.tar import SPECIAL, TarMember, read_tar
from shipway.build.wheel_tree import EPOCH
from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, Manifest

PREFIX = "opt/python"
_TOP, _INSTALL = "python/", "python/install/"
_MAGIC = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"\xfd7zXZ\0": ".xz"}


def unpack_python(
    path: str, root: str, *, python: str = "", artifact: str = "", limits: Limits = LIMITS
) -> Manifest:
    """Unpack the archive at `path` into the empty directory `root` and say what is there.

    Args:
        path: the file.
        root: the directory.
        python: `3.12`, and the archive must hold `bin/python3.12`; empty: any Python 3.
        artifact: its name for messages; the file's own if empty.
        limits: caps.

    Raises:
        HostileInput: the archive breaks a rule that honest archives keep, or is of another layout or version.
        NoSpace: the disk is full.
    """
    artifact = artifact or os.path.basename(path)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    extractor = Extractor(root_fd, artifact, limits=limits)
    try:
        full = any(member.path.startswith(_INSTALL) for member in _members(fd, artifact, limits))
        lead = _INSTALL if full else _TOP
        for member in _members(fd, artifact, limits):
            if member.path.startswith(lead):
                _place(member, lead, extractor, artifact)
            elif not full and member.path != _TOP[:-1]:
                raise refuse(
                    artifact, member.raw, "is not below `python/`, where a stand-alone interpreter is"
                )
        wanted = f"bin/python{python or '3'}"
        if f"{PREFIX}/{wanted}" not in extractor.entries:
            raise refuse_archive(artifact, f"holds no `{wanted}`")
        return extractor.finish()
    finally:
        extractor.close()
        os.close(root_fd)
        os.close(fd)


def _members(fd: int, artifact: str, limits: Limits) -> Iterator[TarMember]:
    start = os.pread(fd, 8, 0)
    suffix = next((suffix for magic, suffix in _MAGIC.items() if start.startswith(magic)), "")
    size = os.fstat(fd).st_size
    return read_tar(
        Bytes(decompress("python.tar" + suffix, _chunks(fd, size), size, artifact, limits)), artifact, limits
    )


def _chunks(fd: int, size: int, step: int = 1 << 18) -> Iterator[bytes]:
    for at in range(0, size, step):
        yield os.pread(fd, step, at)


def _place(member: TarMember, lead: str, extractor: Extractor, artifact: str) -> None:
    """Put one member in place; owners, times and unusual modes of whoever packed it do not come along."""
    path = f"{PREFIX}/{member.path.removeprefix(lead)}"
    mode = 0o755 if member.kind == DIRECTORY or member.mode & 0o111 else 0o644
    if member.kind == DIRECTORY:
        extractor.directory(path, mode, EPOCH)
    elif member.kind == FILE:
        extractor.file(path, member.content, mode, EPOCH)
    elif member.kind == SYMLINK:
        extractor.symlink(path, member.target, EPOCH)
    elif member.kind == HARDLINK and member.target.startswith(lead):
        extractor.hardlink(path, f"{PREFIX}/{member.target.removeprefix(lead)}")
    elif member.kind in (SPECIAL, HARDLINK):
        raise refuse(
            artifact, member.raw, "is a device, a FIFO, a socket, or a hard link to another directory tree"
        )
