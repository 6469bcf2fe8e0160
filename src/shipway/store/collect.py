"""Deleting what nobody needs.

Under the exclusive lock everything is marked, records are removed, then trees and blobs are renamed into a batch in the
trash. The deleting itself, which takes long, happens outside the lock. A record always goes before its tree, so a crash
at any point leaves trees without records (which the next collection finds), never the reverse.
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.events import Began, Did, Ended, Note
from shipway.core.units import render_age, render_size
from shipway.host import files
from shipway.host.lock import FileLock
from shipway.store import layout, staging
from shipway.store.inventory import Holding, Inventory, take_inventory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipway.store.store import Store

_FACT_AGE = 180 * 86400
_PART_AGE = 7 * 86400
"""Seconds that a download which broke off is kept after its last byte."""
_PHASE = "collect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing in the store, and why it goes or stays."""

    kind: str
    """`tree`, `blob`, `record`, `quarantine`."""
    name: str
    """The digits of its digest."""
    size: int
    """Bytes on disk."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a collection did, or would do."""

    freed: int
    """Bytes on disk, by the sizes in the manifests."""
    waiting: int
    """Of these, bytes not deleted yet: users of this shared store still run from them; a later collection deletes them."""
    items: tuple[Item, ...]
    """What went."""
    kept: tuple[Item, ...]
    """What stayed."""


def collect(
    store: Store, *, older_than: int | None, max_bytes: int | None, dry_run: bool, grace: int
) -> Collected:
    """See `Store.collect`."""
    with files.translating_disk_errors(f"collect in the store `{store.path}`"):
        with FileLock(f"{store.path}/{layout.STORE_LOCK}", emit=store.emit):
            inventory = take_inventory(store)
            going, kept = plan_collection(inventory, store.now(), older_than, max_bytes, grace)
            going += _quarantined(store, grace)
            if not dry_run:
                _take_away(store, inventory, going)
                _sweep_small(store, inventory, going, grace)
        clean = True
        if not dry_run:
            clean = _delete(store, going)
    freed = sum(item.size for item in going)
    return Collected(freed=freed, waiting=0 if clean else freed, items=tuple(going), kept=tuple(kept))


def plan_collection(
    inventory: Inventory, now: float, older_than: int | None, max_bytes: int | None, grace: int
) -> tuple[list[Item], list[Item]]:
    """What goes and what stays, each with its reason; the least recently used goes first. Pure."""
    everything = sorted(
        [*inventory.trees.values(), *inventory.blobs.values()], key=lambda one: (one.used, one.name)
    )
    excess = 0 if max_bytes is None else sum(one.size for one in everything) - max_bytes
    going = [
        Item(kind="record", name=key, size=0, reason="its tree is missing")
        for key in sorted(inventory.broken)
    ]
    kept: list[Item] = []
    for one in everything:
        age = now - one.used
        stays = _why_kept(one, age, grace)
        goes = "" if stays else _why_gone(one, age, older_than, max_bytes, excess)
        if goes:
            excess -= one.size
            going.append(Item(kind=one.kind, name=one.name, size=one.size, reason=goes))
        else:
            kept.append(
                Item(kind=one.kind, name=one.name, size=one.size, reason=stays or "neither old nor in excess")
            )
    return going, kept


def _why_kept(one: Holding, age: float, grace: int) -> str:
    if one.needed:
        return ", ".join(one.needed)
    return f"used within the last {render_age(grace).removeprefix('1 ')}" if age < grace else ""


def _why_gone(one: Holding, age: float, older_than: int | None, max_bytes: int | None, excess: int) -> str:
    if one.kind == "tree" and not one.keys:
        return "left by an interrupted build"
    if older_than is None and max_bytes is None:
        return "nobody needs it"
    if older_than is not None and age >= older_than:
        return f"not used for {int(age)} seconds"
    if max_bytes is not None and excess > 0:
        return f"the store is larger than {render_size(max_bytes)}"
    return ""


def _quarantined(store: Store, grace: int) -> list[Item]:
    found = []
    folder = f"{store.path}/{layout.QUARANTINE}"
    for name in sorted(os.listdir(folder)):
        status = os.lstat(f"{folder}/{name}")
        if store.now() - status.st_ctime >= grace:
            found.append(
                Item(
                    kind="quarantine", name=name, size=_size_below(f"{folder}/{name}"), reason="found damaged"
                )
            )
    return found


def _size_below(path: str) -> int:
    total = os.lstat(path).st_blocks * 512
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
    return total


_BUCKETS = {"tree": layout.TREES, "blob": layout.BLOBS, "quarantine": layout.QUARANTINE}


def _take_away(store: Store, inventory: Inventory, going: list[Item]) -> None:
    """Move everything in `going` into one batch in the trash, records first."""
    if not going:
        return
    files.step("collect:generation")
    layout.change_generation(store.path)
    for key in _keys_of(inventory, going):
        files.step("collect:record")
        os.unlink(f"{store.path}/{layout.KEYS}/{key}")
    files.step("collect:sync-records")
    files.fsync_directory(f"{store.path}/{layout.KEYS}")
    batch = f"{store.path}/{layout.TRASH}/{files.random_name()}"
    files.step("collect:batch")
    os.mkdir(batch, 0o700)
    _hand_over_readers(store, batch)
    for item in going:
        bucket = _BUCKETS.get(item.kind)
        if bucket is not None:
            files.step("collect:move")
            staging.put_away(f"{store.path}/{bucket}/{item.name}", f"{batch}/{item.kind}-{item.name}")
    # What is deleted below must not come back under its old name, half of it gone.
    files.step("collect:sync-moves")
    for bucket in {_BUCKETS[item.kind] for item in going if item.kind in _BUCKETS}:
        files.fsync_directory(f"{store.path}/{bucket}")
    files.step("collect:readers")
    files.write_atomic(f"{store.path}/{layout.READERS_LOCK}", b"", durable=False)


def _keys_of(inventory: Inventory, going: list[Item]) -> Iterator[str]:
    for item in going:
        if item.kind == "record":
            yield item.name
        elif item.kind == "tree":
            yield from inventory.trees[item.name].keys


def _hand_over_readers(store: Store, batch: str) -> None:
    """Put the very file that present readers hold locked beside what they may be reading."""
    readers = f"{store.path}/{layout.READERS_LOCK}"
    with contextlib.suppress(FileNotFoundError):
        try:
            os.link(readers, f"{batch}/readers")
        except OSError as problem:
            if problem.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            # A file system without hard links. Until the new file is made, nobody can begin to read: the lock is ours.
            os.rename(readers, f"{batch}/readers")


def _sweep_small(store: Store, inventory: Inventory, going: list[Item], grace: int) -> None:
    """Uses of trees that are gone, remnants of interrupted writes, facts of long ago, marks that cannot be true any more."""
    now = store.now()
    gone = set(_keys_of(inventory, going))
    for path, used, keys in inventory.idle_uses:
        if now - used >= grace and not any(key.hex not in gone for key in keys):
            _forget(path)
    for folder, kind in _small_folders(store):
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            age = now - os.lstat(path).st_mtime
            if name.startswith(files.TEMPORARY_PREFIX):
                if age >= grace:
                    _forget(path)
            elif name.startswith(staging.KEY_LOCK):
                if age >= grace:
                    _forget_key_lock(path)
            elif (
                (kind == "fact" and age >= _FACT_AGE)
                or (kind == "ready" and going)
                or (kind == "part" and age >= _PART_AGE)
            ):
                _forget(path)


def _small_folders(store: Store) -> Iterator[tuple[str, str]]:
    for name in ("", layout.LOCKS, layout.PINS, layout.USES, layout.KEYS):
        yield os.path.join(store.path, name), "plain"
    if os.path.isdir(f"{store.path}/{layout.UNFINISHED}"):
        yield f"{store.path}/{layout.UNFINISHED}", "part"
    facts = f"{store.path}/{layout.FACTS}"
    for kind in os.listdir(facts):
        yield os.path.join(facts, kind), "ready" if kind == layout.READY_MARKS else "fact"


def _forget(path: str) -> None:
    files.step("collect:forget")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _forget_key_lock(path: str) -> None:
    """Remove the lock of a key that a killed process left, while holding it."""
    lock = FileLock(path, remove=True)
    if lock.try_acquire():
        lock.release()


def _delete(store: Store, going: list[Item]) -> bool:
    size = sum(item.size for item in going)
    store.emit(Began(_PHASE, len(going), size))
    staging.sweep_abandoned(store.path)
    clean = staging.empty_trash(store.path)
    for item in going:
        store.emit(Did(_PHASE, item.name))
    if not clean:
        store.emit(Note(f"{render_size(size)} wait until containers of other users end", "info"))
    store.emit(Ended(_PHASE))
    return clean
