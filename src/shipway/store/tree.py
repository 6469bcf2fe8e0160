"""A tree in the store, and the record that names it.

A record is one small text file: `tree 1 TREEID BYTES PATHS`, then the canonical JSON of the inputs. Its name is the
digest of that JSON, so the record can be checked against its own name.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from shipway.core.digest import TreeId, TreeKey
from shipway.core.errors import StoreError
from shipway.host import files

if TYPE_CHECKING:
    from shipway.core.manifest import Manifest

_HEAD = b"tree 1 "
_HEAD_SIZE = 160
_BLOCK = 4096
_REPAIR = ("run `shipway verify --repair`",)


class Tree:
    """One immutable tree: what it was made from, what it is, where it lies.

    `root` is the directory to mount. For a tree added by a running transaction it lies in the staging area until
    `commit`, which changes it; do not keep a copy of the path across a commit.
    """

    __slots__ = ("_id_hex", "key", "path", "record")

    def __init__(self, key: TreeKey, id_hex: str, path: str, record: str):
        """`path`: the folder with `root` and `manifest`. `record`: the file with the inputs."""
        self.key = key
        self._id_hex = id_hex
        self.path = path
        self.record = record

    @property
    def id(self) -> TreeId:
        """What the tree is: the digest of its manifest."""
        return TreeId.from_hex(self._id_hex)

    @property
    def root(self) -> str:
        """The directory to mount."""
        return self.path + "/root"

    def manifest(self) -> Manifest:
        """Every path of the tree.

        Raises:
            StoreError: the manifest is missing or damaged.
        """
        from shipway.core.manifest import parse_manifest  # noqa: PLC0415 - a run needs no manifest

        text = self.manifest_text()
        try:
            return parse_manifest(text)
        except ValueError as problem:
            raise _damaged(self.path) from problem

    def manifest_text(self) -> bytes:
        """The canonical text of the manifest, checked against the tree's name.

        Raises:
            StoreError: it is missing or damaged.
        """
        with files.translating_disk_errors(f"read the tree `{self.path}`"):
            text = _read(self.path + "/manifest")
        if TreeId.of(text).hex != self._id_hex:
            raise _damaged(self.path)
        return text

    def inputs(self) -> dict[str, Any]:
        """What the tree was made from.

        Raises:
            StoreError: the record is missing or damaged.
        """
        with files.translating_disk_errors(f"read the record `{self.record}`"):
            return parse_inputs(_read(self.record), self.key)

    def moved(self, path: str, record: str) -> None:
        """Say that the tree lies elsewhere now. For the transaction that moves it."""
        self.path = path
        self.record = record

    def __repr__(self) -> str:
        return f"Tree(key={self.key.hex[:12]}…, id={self._id_hex[:12]}…, path={self.path!r})"


def render_record(id_hex: str, size: int, paths: int, inputs: bytes) -> bytes:
    """The text of a record. `size`: bytes on disk; `inputs`: canonical JSON."""
    return _HEAD + f"{id_hex} {size} {paths}\n".encode() + inputs + b"\n"


def parse_record_head(text: bytes) -> tuple[str, int, int] | None:
    """TreeId digits, bytes on disk and number of paths from the beginning of a record; None when it is damaged."""
    line, found, _ = text.partition(b"\n")
    words = line[len(_HEAD) :].split(b" ")
    if not found or not line.startswith(_HEAD) or len(words) != 3:  # noqa: PLR2004 - the three fields
        return None
    digits, size, paths = words
    if len(digits) != 64 or digits.strip(b"0123456789abcdef") or not size.isdigit() or not paths.isdigit():  # noqa: PLR2004 - sha256
        return None
    return digits.decode(), int(size), int(paths)


def parse_inputs(text: bytes, key: TreeKey) -> dict[str, Any]:
    """The inputs in the record `text`.

    Raises:
        StoreError: they are not what `key` is the digest of.
    """
    inputs = text.partition(b"\n")[2].removesuffix(b"\n")
    if TreeKey.of(inputs) != key:
        raise StoreError(f"the record `{key.hex}` is damaged", hints=_REPAIR)
    import json  # noqa: PLC0415 - loaded long before by core.digest

    value = json.loads(inputs)
    if not isinstance(value, dict):
        raise StoreError(f"the record `{key.hex}` holds no inputs", hints=_REPAIR)
    return value


def disk_size(manifest: Manifest) -> int:
    """Bytes that the tree takes on disk, files rounded up to whole blocks."""
    blocks = sum(-(-entry.size // _BLOCK) for entry in manifest.entries)
    return (blocks + sum(entry.kind == "d" for entry in manifest.entries)) * _BLOCK


def read_record_head(path: str) -> tuple[str, int, int] | None:
    """The parsed first line of the record file `path`; None when it is missing or damaged."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        return parse_record_head(os.read(fd, _HEAD_SIZE))
    finally:
        os.close(fd)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _damaged(path: str) -> StoreError:
    return StoreError(f"the manifest of the tree `{path}` is damaged", hints=_REPAIR)
