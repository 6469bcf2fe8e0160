"""Data that is fetched: resumed where it broke, verified, unpacked, and there as a whole or not at all."""

from __future__ import annotations

import bz2
import os
from typing import TYPE_CHECKING, cast

from shipway.archive.extract import Extractor
from shipway.archive.limits import Limits
from shipway.archive.names import refuse
from shipway.archive.stream import Bytes, decompress
from shipway.archive.tar import SPECIAL, read_tar
from shipway.archive.zip import ZipReader
from shipway.core.digest import BlobDigest
from shipway.core.events import Began, Ended, Note
from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK
from shipway.core.units import render_size
from shipway.host.files import make_directory, remove_tree, translating_disk_errors
from shipway.host.http import Fetcher
from shipway.host.location import parse_location, redacted
from shipway.host.lock import FileLock
from shipway.run.homes import folder_size
from shipway.run.places import data_folder
from shipway.verbs.data_places import file_name

if TYPE_CHECKING:
    from typing import BinaryIO

    from shipway.archive.stream import Reader
    from shipway.run.model import Data
    from shipway.verbs.context import Task

_PHASE = "data"
_CHUNK = 1 << 20
_LIMITS = Limits(entries=10_000_000, total=64 << 40, ratio=1100)
"""Data sets are larger than packages, and their labels pack better."""
_ZIP = (b"PK\3\4", b"PK\5\6")
_BZIP2 = b"BZh"
_PACKED = {b"\x1f\x8b": ".gz", b"\xfd7zXZ\0": ".xz", b"\x28\xb5\x2f\xfd": ".zst"}


def fetch_data(one: Data, state: str, task: Task) -> None:
    """Have `one` at its place; whoever else fetches the same is waited for.

    Raises:
        FetchError, HashMismatch, OfflineError: it cannot be had; what has come of it stays for the next try.
        HostileInput: it is no archive that can be unpacked.
        StoreError: it cannot be written.
    """
    with translating_disk_errors(f"making the folder `{data_folder(state)}`"):
        make_directory(data_folder(state))
    with FileLock(f"{one.source}.lock", emit=task.emit):
        if os.path.isdir(one.source):
            return
        task.emit(Note(f"data: fetching `{one.name}` from `{redacted(one.url)}`"))
        file = f"{one.source}.part"
        fetcher = Fetcher(offline=task.offline, emit=task.emit)
        task.emit(Began(_PHASE, 1))
        try:
            digest = BlobDigest.from_hex(one.sha256)
            fetcher.fetch(
                [parse_location(one.url)], file, digest, None, phase=_PHASE, name=one.name, resume=True
            )
        finally:
            fetcher.close()
            task.emit(Ended(_PHASE))
        _put_in_place(one, file)
    size = folder_size(one.source)
    task.emit(Note(f"data: `{one.name}` is here, {render_size(size)}"))


def _put_in_place(one: Data, file: str) -> None:
    made = f"{one.source}.new"
    with translating_disk_errors(f"writing below `{made}`"):
        remove_tree(made)
        os.mkdir(made, 0o755)
        if one.unpack:
            _unpack(one, file, made)
            os.unlink(file)
        else:
            os.chmod(file, 0o444)
            os.rename(file, f"{made}/{file_name(one.url)}")
        os.rename(made, one.source)


def _unpack(one: Data, file: str, target: str) -> None:
    with open(file, "rb") as stream:
        root = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        extractor = Extractor(root, one.name, limits=_LIMITS)
        try:
            if stream.read(4) in _ZIP:
                _unpack_zip(one.name, stream.fileno(), extractor)
            else:
                stream.seek(0)
                _unpack_tar(one.name, _plain(one.name, stream), extractor)
            extractor.finish()
        finally:
            extractor.close()
            os.close(root)


def _unpack_zip(name: str, fd: int, extractor: Extractor) -> None:
    reader = ZipReader(fd, name, _LIMITS)
    for member in reader.members:
        extractor.file(member.path, reader.read(member), member.mode or 0o644, 0)


def _unpack_tar(name: str, stream: Reader, extractor: Extractor) -> None:
    for member in read_tar(stream, name, _LIMITS):
        if member.kind == DIRECTORY and member.path != ".":
            extractor.directory(member.path, member.mode | 0o700, member.mtime)
        elif member.kind == FILE:
            extractor.file(member.path, member.content, member.mode | 0o400, member.mtime)
        elif member.kind == SYMLINK:
            extractor.symlink(member.path, member.target, member.mtime)
        elif member.kind == HARDLINK:
            extractor.hardlink(member.path, member.target)
        elif member.kind == SPECIAL:
            raise refuse(name, member.raw, "is a device, a FIFO or a socket")


def _plain(name: str, stream: BinaryIO) -> Reader:
    """The tar within, by the first bytes of the file."""
    begin = stream.read(6)
    stream.seek(0)
    if begin.startswith(_BZIP2):
        return cast("Reader", bz2.open(stream))
    suffix = next((suffix for magic, suffix in _PACKED.items() if begin.startswith(magic)), "")
    size = os.fstat(stream.fileno()).st_size
    chunks = iter(lambda: stream.read(_CHUNK), b"")
    return Bytes(decompress(f"tar{suffix}", chunks, size, name, _LIMITS, several=True))
