"""Everything in a store with its size, last use and the reasons to keep it: what collection and `usage` decide from.

Linear in the number of records: each is opened once, only its first line is read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shipway.core.digest import BlobDigest, TreeKey
from shipway.core.events import Note
from shipway.core.manifest import parse_manifest
from shipway.host import files
from shipway.host.lock import is_locked
from shipway.store import layout
from shipway.store.pins import read_pins
from shipway.store.tree import disk_size, read_record_head
from shipway.store.uses import parse_use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipway.store.store import Store

_SKEW = 60.0
"""Seconds by which a time may lie ahead before the clock is taken to have jumped."""


@dataclass(slots=True, kw_only=True)
class Holding:
    """One tree or blob."""

    kind: str
    """`tree` or `blob`."""
    name: str
    """The digits of its TreeId or sha256."""
    size: int
    """Bytes on disk."""
    used: float
    """Last use, seconds since 1970."""
    keys: list[str] = field(default_factory=list)
    """The digits of the keys whose records name this tree; none for what a crash left."""
    needed: list[str] = field(default_factory=list)
    """Why it must stay: `in use now`, `needed by …`."""


@dataclass(slots=True, kw_only=True)
class Inventory:
    """The content of a store at one moment."""

    trees: dict[str, Holding]
    blobs: dict[str, Holding]
    broken: list[str]
    """Records (key digits) that are damaged or whose tree is missing."""
    idle_uses: list[tuple[str, float, tuple[TreeKey, ...]]]
    """Files of uses that nobody holds: path, last use, keys."""


def take_inventory(store: Store) -> Inventory:
    """Look at everything. Exact only while the store's lock is held."""
    now = store.now()
    inventory = Inventory(trees={}, blobs={}, broken=[], idle_uses=[])
    for path, name in _named(store, layout.TREES):
        inventory.trees[name] = Holding(
            kind="tree", name=name, size=0, used=_time_of(f"{path}/manifest", now)
        )
    by_key = _read_records(store, inventory, now)
    for path, name in _named(store, layout.BLOBS):
        inventory.blobs[name] = Holding(
            kind="blob", name=name, size=_blocks_of(path), used=_time_of(path, now)
        )
    _read_uses(store, inventory, by_key, now)
    _read_pins(store, inventory, by_key, now)
    for holding in inventory.trees.values():
        if not holding.keys:
            holding.size = _manifest_size(f"{store.path}/{layout.TREES}/{holding.name}")
    return inventory


def _read_records(store: Store, inventory: Inventory, now: float) -> dict[str, Holding]:
    by_key: dict[str, Holding] = {}
    for path, key in _named(store, layout.KEYS):
        head = read_record_head(path)
        holding = inventory.trees.get(head[0]) if head else None
        if head is None or holding is None:
            inventory.broken.append(key)
            continue
        holding.size = head[1]
        holding.keys.append(key)
        holding.used = max(holding.used, _time_of(path, now))
        by_key[key] = holding
    return by_key


def _read_uses(store: Store, inventory: Inventory, by_key: dict[str, Holding], now: float) -> None:
    for path, name in _named(store, layout.USES):
        used, busy = _time_of(path, now), is_locked(path)
        with open(path, "rb") as file:
            keys = parse_use(file.read(), name)
        if not busy:
            inventory.idle_uses.append((path, used, keys))
        for key in keys:
            holding = by_key.get(key.hex)
            if holding is not None:
                holding.used = max(holding.used, used)
                if busy and "in use now" not in holding.needed:
                    holding.needed.append("in use now")


def _read_pins(store: Store, inventory: Inventory, by_key: dict[str, Holding], now: float) -> None:
    pins, damaged = read_pins(store.path)
    for path in damaged:
        store.emit(
            Note(
                f"the pin `{path}` is damaged: what its project needs may be collected until it is built again",
                "warning",
            )
        )
    for pin in pins:
        reason = f"needed by {pin.holder}"
        held = [by_key.get(key.hex) for key in pin.keys] + [
            inventory.blobs.get(BlobDigest(blob).hex) for blob in pin.blobs
        ]
        for holding in held:
            if holding is None:
                continue
            holding.used = max(holding.used, min(pin.used, now))
            if pin.alive and reason not in holding.needed:
                holding.needed.append(reason)


def _named(store: Store, bucket: str) -> Iterator[tuple[str, str]]:
    """Path and name of everything in `bucket` that is finished."""
    folder = f"{store.path}/{bucket}"
    for name in os.listdir(folder):
        if not name.startswith(files.TEMPORARY_PREFIX):
            yield f"{folder}/{name}", name


def _time_of(path: str, now: float) -> float:
    """The modification time of `path`; one in the future is brought back, or it would never age."""
    try:
        time = os.stat(path, follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return 0.0
    if time > now + _SKEW:
        os.utime(path, (now, now), follow_symlinks=False)
    return min(time, now)


def _blocks_of(path: str) -> int:
    try:
        return os.stat(path, follow_symlinks=False).st_blocks * 512
    except FileNotFoundError:
        return 0


def _manifest_size(path: str) -> int:
    """Bytes on disk of a tree that has no record to say so, from the sizes in its manifest."""
    try:
        with open(f"{path}/manifest", "rb") as file:
            return disk_size(parse_manifest(file.read()))
    except (FileNotFoundError, ValueError):
        return 0
