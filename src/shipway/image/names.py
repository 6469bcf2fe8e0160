"""Which name means which stored image. What has a name is kept from collection.

Every name has a folder in the store, and in it the record of its image. The folder is the project of the pin that keeps
trees and blobs, so removing it frees them. A name moves by one rename, between the new pin and the end of the old one:
at every moment what the record names is pinned.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.digest import LockDigest
from shipway.core.errors import StoreError
from shipway.host import files
from shipway.image.stored import StoredImage, parse_stored, render_stored
from shipway.store import layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipway.store.store import Store

_RECORD = "record"


class Named(NamedTuple):
    """An image under one of its names."""

    name: str
    image: StoredImage
    moved: float
    """When the name got its image, seconds since 1970."""


def put_name(store: Store, name: str, image: StoredImage) -> None:
    """Let `name` mean `image`, whose trees and blobs are in the store, in place of what it meant before. Durable.

    Raises:
        NoSpace, StoreError: it cannot be written.
    """
    folder = _folder(store, name)
    record = render_stored(name, image)
    with files.translating_disk_errors(f"name an image in the store `{store.path}`"):
        files.make_directory(os.path.dirname(folder), 0o700)
        files.make_directory(folder, 0o700)
        store.pin(
            folder,
            [key for layer in image.layers for key in layer.trees],
            LockDigest.of(record),
            target=image.digest,
            blobs=[layer.blob for layer in image.layers if layer.blob],
            image=name,
        )
        files.write_atomic(f"{folder}/{_RECORD}", record, 0o600)
        store.unpin(folder, keep=image.digest)


def remove_name(store: Store, name: str) -> bool:
    """Forget `name`; what no other name and no project needs may then be collected. False: there was none."""
    folder = _folder(store, name)
    with files.translating_disk_errors(f"forget an image in the store `{store.path}`"):
        try:
            os.unlink(f"{folder}/{_RECORD}")
        except FileNotFoundError:
            return False
        store.unpin(folder)
        files.remove_tree(folder)
    return True


def find_name(store: Store, name: str) -> StoredImage | None:
    """The image that `name` means.

    Raises:
        StoreError: the record is damaged.
    """
    with (
        files.translating_disk_errors(f"read an image in the store `{store.path}`"),
        contextlib.suppress(FileNotFoundError),
    ):
        return _read(f"{_folder(store, name)}/{_RECORD}").image
    return None


def record_of(store: Store, name: str) -> str:
    """The path of the file that says what `name` means; it changes when the name moves."""
    return f"{_folder(store, name)}/{_RECORD}"


def list_names(store: Store) -> list[Named]:
    """Every name with its image, sorted by name.

    Raises:
        StoreError: a record is damaged.
    """
    with files.translating_disk_errors(f"list the images in the store `{store.path}`"):
        return sorted(_all(f"{store.path}/{layout.IMAGES}"), key=lambda one: one.name)


def _all(folder: str) -> Iterator[Named]:
    with contextlib.suppress(FileNotFoundError):
        for entry in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                yield _read(f"{folder}/{entry}/{_RECORD}")


def _read(path: str) -> Named:
    with open(path, "rb") as file:
        text = file.read()
        moved = os.fstat(file.fileno()).st_mtime
    try:
        name, image = parse_stored(text)
    except ValueError as problem:
        raise StoreError(
            f"the record of an image `{path}` cannot be read: {problem}",
            hints=["remove its folder, and load or pull the image again"],
        ) from problem
    return Named(name, image, moved)


def _folder(store: Store, name: str) -> str:
    return f"{store.path}/{layout.IMAGES}/{hashlib.sha256(name.encode()).hexdigest()}"
