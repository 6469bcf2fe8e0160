"""The store's front door: finding, using, pinning. What writes, collects or verifies is loaded when it is asked for.

The way of a run (open, `use`, read a ready mark) must stay within a few milliseconds, so this module and what it
imports stay small.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from shipway.core.digest import BlobDigest, TreeKey
from shipway.core.events import silent
from shipway.host import clock, dirs, files
from shipway.store import layout
from shipway.store.tree import Tree, read_record_head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from shipway.core.digest import LockDigest
    from shipway.core.events import Emit
    from shipway.host.clock import Clock
    from shipway.store.collect import Collected
    from shipway.store.pins import Pin
    from shipway.store.transaction import Transaction
    from shipway.store.usage import Usage
    from shipway.store.uses import Use
    from shipway.store.verify import Damaged, Finding

_TOUCH_AFTER = 3600.0
"""Seconds: a time of last use is not written more often."""


class Store:
    """One user's store, with the read-only stores of others below it. Safe to use from several threads."""

    __slots__ = ("_clock", "emit", "lowers", "path")

    def __init__(self, path: str, lowers: tuple[str, ...], emit: Emit, clock_: Clock):
        """Use `Store.open`."""
        self.path = path
        self.lowers = lowers
        self.emit = emit
        self._clock = clock_

    @classmethod
    def open(
        cls,
        path: str | None = None,
        *,
        lowers: Sequence[str] = (),
        emit: Emit = silent,
        create: bool = True,
        now: Clock = clock.now,
    ) -> Store:
        """The store at `path` (default: the user's own, with the lowers that the environment names).

        Raises:
            StoreError: missing and not to be made, of a newer format, on a network file system, or a lower
                one that others could change.
            NoSpace: no room to make it.
        """
        if path is None:
            path, lowers = dirs.store_dir(), lowers or dirs.lower_store_dirs()
        layout.open_layout(path, create=create)
        layout.check_own(path)
        for lower in lowers:
            layout.check_lower(lower)
        return cls(path, tuple(lowers), emit, now)

    def find_tree(self, key: TreeKey) -> Tree | None:
        """The tree made from what `key` names, in this store or below; None when nobody has it.

        It may be collected at any later moment unless a transaction or a `use` is open.

        Raises:
            StoreError: the disk does not answer.
        """
        name = key.hex
        try:
            for place in (self.path, *self.lowers):
                record = f"{place}/{layout.KEYS}/{name}"
                head = read_record_head(record)
                if head is None:
                    continue
                path = f"{place}/{layout.TREES}/{head[0]}"
                if os.path.exists(path):
                    return Tree(key, head[0], path, record)
        except OSError as problem:
            raise files.disk_error(problem, f"look into the store `{self.path}`") from problem
        return None

    def find_unfinished(self, digest: BlobDigest) -> int:
        """How many bytes of `digest` an earlier command has brought, without having come to the end."""
        try:
            return os.stat(f"{self.path}/{layout.UNFINISHED}/{digest.hex}").st_size
        except FileNotFoundError:
            return 0

    def find_blob(self, digest: BlobDigest) -> str | None:
        """The path of the artifact `digest`, in this store or below; finding it counts as use."""
        for place in (self.path, *self.lowers):
            path = f"{place}/{layout.BLOBS}/{digest.hex}"
            try:
                used = os.stat(path).st_mtime
            except FileNotFoundError:
                continue
            except OSError as problem:
                raise files.disk_error(problem, f"look into the store `{self.path}`") from problem
            if place == self.path and not 0 <= self._clock() - used < _TOUCH_AFTER:
                self.touch(path)
            return path
        return None

    def record(self, kind: str, key: str) -> dict[str, Any] | None:
        """The derived fact of `kind` about `key`, from this store or below; None when nobody remembers it.

        Raises:
            StoreError: the disk does not answer.
            ValueError: `kind` is no word.
        """
        from shipway.store.facts import read_fact  # noqa: PLC0415 - a run may need no fact

        with files.translating_disk_errors(f"read from the store `{self.path}`"):
            for place in (self.path, *self.lowers):
                found = read_fact(place, kind, key)
                if found is not None:
                    return found
        return None

    def put_record(self, kind: str, key: str, value: dict[str, Any]) -> None:
        """Remember a derived fact (JSON values). It may vanish; it is never read torn.

        Raises:
            NoSpace, StoreError: it cannot be written.
        """
        from shipway.store.facts import write_fact  # noqa: PLC0415 - a run may need no fact

        with files.translating_disk_errors(f"write to the store `{self.path}`"):
            write_fact(self.path, kind, key, value)

    def transaction(self) -> Transaction:
        """Work that adds to the store; a context manager. Nothing is collected while it is open."""
        from shipway.store.transaction import Transaction  # noqa: PLC0415 - a run writes nothing

        return Transaction(self)

    def use(self, keys: Sequence[TreeKey]) -> Use:
        """Keep the trees of `keys` from collection as long as the result is open; it also says which are missing.

        A context manager. `fds` of the result hold the locks; they survive an exec when passed on.

        Raises:
            StoreError: a collection holds the store for too long, or the disk does not answer.
            NoSpace: no room for the mark.
        """
        from shipway.store.uses import open_use  # noqa: PLC0415 - whoever builds does not use

        return open_use(self, keys)

    def pin(
        self,
        project: str,
        keys: Iterable[TreeKey],
        lock: LockDigest,
        *,
        target: str = "",
        blobs: Iterable[BlobDigest] = (),
        image: str = "",
    ) -> None:
        """Keep what `target` of the folder `project` needs as long as the folder exists; replaces its earlier pin.

        `image`: the name of a stored image, where the folder is only its record.

        Raises:
            NoSpace, StoreError: it cannot be written.
        """
        from shipway.store.pins import write_pin  # noqa: PLC0415 - a run pins nothing

        write_pin(self, project, lock, target, keys=keys, blobs=blobs, image=image)

    def unpin(self, project: str, *, keep: str | None = None) -> int:
        """Forget what the folder `project` needs, but not for the target `keep`; returns how many pins that were."""
        from shipway.store.pins import remove_pins  # noqa: PLC0415 - a run pins nothing

        return remove_pins(self, project, keep)

    def pins(self) -> list[Pin]:
        """What projects need, sorted by project and target."""
        from shipway.store.pins import read_pins  # noqa: PLC0415 - a run pins nothing

        with files.translating_disk_errors(f"read from the store `{self.path}`"):
            return read_pins(self.path)[0]

    def collect(
        self,
        *,
        older_than: int | None = None,
        max_bytes: int | None = None,
        dry_run: bool = False,
        grace: int = 3600,
    ) -> Collected:
        """Delete what no pin and no use needs, but nothing used within the last `grace` seconds.

        `older_than`: only what was not used for so many seconds. `max_bytes`: only until the store is no larger, the least
        recently used first. With both, either reason is enough; with neither, everything that nobody needs goes.

        Raises:
            StoreError: a build holds the store for too long, or the disk does not answer.
        """
        from shipway.store.collect import collect  # noqa: PLC0415 - a run deletes nothing

        return collect(self, older_than=older_than, max_bytes=max_bytes, dry_run=dry_run, grace=grace)

    def verify(self, repair: Callable[[Damaged], bool] | None = None) -> Iterator[Finding]:
        """Check everything against its digest and yield what is wrong.

        With `repair`, what is damaged is taken out of the store first; then `repair` is to make it again and to say
        whether it did. Without, nothing is changed.
        """
        from shipway.store.verify import verify  # noqa: PLC0415 - a run verifies nothing

        return verify(self, repair)

    def usage(self) -> list[Usage]:
        """Every tree and blob with size, last use and why it must stay; the largest first."""
        from shipway.store.usage import read_usage  # noqa: PLC0415 - a run counts nothing

        return read_usage(self)

    def touch(self, path: str) -> None:
        """Count a use of the file `path` now. Losing it does no harm."""
        try:
            moment = self._clock()
            os.utime(path, (moment, moment))
        except OSError:
            return

    def now(self) -> float:
        """Seconds since 1970 by the store's clock."""
        return self._clock()
