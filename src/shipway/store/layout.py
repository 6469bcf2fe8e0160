"""Where everything lies in a store, how one is made, and when one is refused.

    README, CACHEDIR.TAG     for people and for backup programs
    format                   one number; written last when a store is made
    generation               a random word, replaced before anything is taken away
    locks/                   `store`, `readers`, one file per key being made
    staging/BOOT-RANDOM/     work in progress of one transaction; never read by another
    trees-v1/TREEID/         `root` (the tree) and `manifest`; complete as soon as the name exists
    keys-v1/KEY              the record of a tree: its TreeId and its inputs; what makes a tree exist
    blobs-v1/SHA256          downloaded artifacts
    facts-v1/KIND/NAME       small derived facts; a cache that may vanish
    images-v1/NAME/          the image that has a name: its record, and what its pin names as its project
    pins-v1/NAME             what a project needs
    uses-v1/NAME             which trees were used together, when last, and (by a lock) whether now
    unfinished/SHA256        the beginning of a large download that broke off, for the next command; made when the first is there
    trash/                   taken away, being deleted
    quarantine/              found damaged by `verify`

A bucket's number is the version of what is in it, so that an older and a newer shipway can share a store.
"""

from __future__ import annotations

import os
import stat

from shipway.core.errors import StoreError
from shipway.host import files

FORMAT = 1
README, TAG, FORMAT_FILE, GENERATION = "README", "CACHEDIR.TAG", "format", "generation"
LOCKS, STAGING, TRASH, QUARANTINE = "locks", "staging", "trash", "quarantine"
UNFINISHED = "unfinished"
TREES, KEYS, BLOBS, FACTS, PINS, USES = "trees-v1", "keys-v1", "blobs-v1", "facts-v1", "pins-v1", "uses-v1"
IMAGES = "images-v1"
"""Made when the first image gets a name."""
READY_MARKS = "ready.marks"
"""Beside the kinds of facts; no kind may be called so."""
STORE_LOCK, READERS_LOCK = "locks/store", "locks/readers"
# Closed inside the store: what tells of the user's projects. The rest is guarded by the store's own mode, so that
# `chmod 755` on the store alone shares it.
_DIRECTORIES = {
    LOCKS: 0o755, STAGING: 0o700, TREES: 0o755, KEYS: 0o755, BLOBS: 0o755, FACTS: 0o755,
    PINS: 0o700, USES: 0o700, TRASH: 0o700, QUARANTINE: 0o700,
}  # fmt: skip
_NETWORK_KINDS = frozenset({"nfs", "cifs", "smb2", "smbfs", "9p", "afs"})
_README_TEXT = b"""This folder is a shipway store: unpacked packages and downloads, each named by its digest.

Everything here can be made again. Delete the whole folder if you like (`chmod -R u+w` first), or let
`shipway gc` remove what no project uses. Do not change single files: `shipway verify` would find it.
"""
# The first line is fixed by the Cache Directory Tagging Specification.
_TAG_TEXT = (
    b"Signature: 8a477f597d28d172789f06886806bc55\n# Written by shipway; backups may leave this folder out.\n"
)


def open_layout(path: str, *, create: bool) -> None:
    """Check that `path` is a store this code can use; make it when missing and `create` is set.

    Raises:
        StoreError: missing, not a store, damaged, or of a newer format.
        NoSpace: no room to make it.
    """
    with files.translating_disk_errors(f"open the store `{path}`"):
        found = _read_format(path)
        if found is None:
            if not create:
                raise StoreError(
                    f"there is no store at `{path}`", hints=["build something first, or set SHIPWAY_STORE"]
                )
            with files.translating_disk_errors(f"make the store `{path}`"):
                _make(path)
        elif found != FORMAT:
            raise StoreError(
                f"the store `{path}` has format {found}, this shipway knows {FORMAT}",
                hints=["update shipway", "set SHIPWAY_STORE to another folder to start a fresh store"],
            )


def _read_format(path: str) -> int | None:
    try:
        with open(os.path.join(path, FORMAT_FILE), "rb") as file:
            text = file.read(32)
    except FileNotFoundError:
        return None
    number = text.strip()
    if not number.isdigit():
        raise StoreError(
            f"the format number of the store `{path}` is damaged",
            hints=[
                "move the folder away and build again",
                f"write `{FORMAT}` into its file `{FORMAT_FILE}` if you trust the rest",
            ],
        )
    return int(number)


def _make(path: str) -> None:
    _refuse_other_folder(path)
    if not os.path.isdir(path):
        files.make_directory(path, 0o700)
    require_local(path)
    for name, mode in _DIRECTORIES.items():
        files.make_directory(os.path.join(path, name), mode)
    files.write_atomic(os.path.join(path, README), _README_TEXT, durable=False)
    files.write_atomic(os.path.join(path, TAG), _TAG_TEXT, durable=False)
    files.write_atomic(os.path.join(path, GENERATION), files.random_name().encode(), durable=False)
    for name in (STORE_LOCK, READERS_LOCK):
        os.close(os.open(os.path.join(path, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644))
    # The format number says that all the rest is there, so the rest is made durable first.
    files.step("layout:sync")
    files.fsync_directory(path)
    files.write_atomic(os.path.join(path, FORMAT_FILE), b"%d\n" % FORMAT)


def _refuse_other_folder(path: str) -> None:
    """A folder with anything but the beginnings of a store is somebody's data."""
    try:
        names = os.listdir(path)
    except FileNotFoundError:
        return
    ours = {README, TAG, GENERATION, *_DIRECTORIES}
    foreign = sorted(
        name for name in names if name not in ours and not name.startswith(files.TEMPORARY_PREFIX)
    )
    if foreign:
        raise StoreError(
            f"`{path}` is not a store and not empty",
            hints=["set SHIPWAY_STORE to a new or empty folder on a local disk"],
        )


def require_local(path: str) -> None:
    """Refuse a network file system: its locks and syncs do not promise what the store promises.

    Raises:
        StoreError: `path` lies on one.
    """
    kind = files.filesystem_type(path)
    if kind in _NETWORK_KINDS:
        raise StoreError(
            f"the store `{path}` lies on a network file system (`{kind}`), where locks and syncs are not dependable",
            hints=["set SHIPWAY_STORE to a folder on a disk of this machine"],
        )


def check_own(path: str) -> None:
    """Check that the store belongs to the caller: a file of ours in another's folder, or the reverse, helps nobody.

    Raises:
        StoreError: it belongs to another user, or everybody may write it.
    """
    with files.translating_disk_errors(f"open the store `{path}`"):
        status = os.stat(path)
    if status.st_uid != os.geteuid():
        raise StoreError(
            f"the store `{path}` belongs to the user with id {status.st_uid}, not to you ({os.geteuid()})",
            hints=[
                "set SHIPWAY_STORE to a folder of your own",
                "name it in SHIPWAY_STORE_LOWER to read from it",
            ],
        )
    if status.st_mode & 0o002:
        raise StoreError(f"the store `{path}` can be written by everybody", hints=[f"run: chmod o-w {path}"])


def check_lower(path: str) -> None:
    """Check that the shared store `path` can be trusted: only its owner or root can change what it holds.

    Raises:
        StoreError: it is no store, or others may write it or a folder above it.
    """
    open_layout(path, create=False)
    real = os.path.realpath(path)
    with files.translating_disk_errors(f"check the shared store `{path}`"):
        owner = os.stat(real).st_uid
        for name in ("", TREES, KEYS, BLOBS, FACTS, LOCKS):
            _refuse_writable(os.path.join(real, name) if name else real, path, (owner,))
        above = os.path.dirname(real)
        while True:
            _refuse_writable(above, path, (0, owner, os.geteuid()), sticky=True)
            if above == os.path.dirname(above):
                break
            above = os.path.dirname(above)


def _refuse_writable(path: str, store: str, owners: tuple[int, ...], *, sticky: bool = False) -> None:
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in owners:
        problem = "does not belong to the owner of the store"
    elif status.st_mode & 0o022 and not (sticky and status.st_mode & stat.S_ISVTX):
        problem = "can be written by others"
    else:
        return
    raise StoreError(
        f"the shared store `{store}` is not safe to use: `{path}` {problem}",
        hints=[f"its owner runs: chmod go-w {path}", "leave it out of SHIPWAY_STORE_LOWER"],
    )


def read_generation(path: str) -> bytes:
    """The word that changes before anything is taken away from the store; empty when it is lost."""
    try:
        fd = os.open(f"{path}/{GENERATION}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        return os.read(fd, 64)
    finally:
        os.close(fd)


def change_generation(path: str) -> None:
    """Make every answer that was remembered about the store invalid. Durable before it returns."""
    files.write_atomic(os.path.join(path, GENERATION), files.random_name().encode())
