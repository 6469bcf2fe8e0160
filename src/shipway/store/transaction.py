"""Adding to the store. The order of writes, and what a crash between two of them leaves, is docs/architecture/store.md.

stage       everything is written below `staging/BOOT-RANDOM/`, which only this transaction reads
sync        one syncfs makes contents, manifests and records durable, still under their staging names
publish     blobs and trees are renamed to the names of their digests, then those folders are synced
commit      each record is renamed to its key: the one moment at which a tree begins to exist
seal        the folder of records is synced
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from typing import TYPE_CHECKING, Any, Self

from shipway.core.digest import BlobDigest, TreeId, TreeKey, canonical_json
from shipway.core.errors import StoreError, ToolError
from shipway.core.events import Note
from shipway.core.text import shown
from shipway.host import files
from shipway.host.lock import FileLock, lock_timeout
from shipway.store import layout, staging
from shipway.store.facts import fact_path, write_fact
from shipway.store.tree import Tree, disk_size, render_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from shipway.core.manifest import Manifest
    from shipway.store.store import Store


_LONGEST_MAKING = 3600.0
"""Seconds to wait while another makes a tree, unless `SHIPWAY_LOCK_TIMEOUT` says otherwise; a dead process holds no lock."""


class Staged:
    """A private place for one tree in the making, on the store's file system. Its content goes below `root`."""

    __slots__ = ("_fd", "label", "path", "root")

    def __init__(self, path: str, label: str):
        """Made by `Transaction.stage`."""
        self.path = path
        self.label = label
        """For messages."""
        self.root = path + "/root"
        self._fd = -1

    @property
    def fd(self) -> int:
        """A descriptor of `root`, opened on first use; closed when the tree is added or dropped."""
        if self._fd < 0:
            self._fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        return self._fd

    def drop_scratch(self) -> None:
        """Remove what lies beside `root`: whoever makes a tree may use the place for what must vanish."""
        for name in os.listdir(self.path):
            if name != "root":
                files.remove_tree(f"{self.path}/{name}")

    def close(self) -> None:
        """Close the descriptor, if one was opened."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class Transaction:
    """Work in progress: everything it adds appears in the store at `commit`, or never. Methods may be called by any thread."""

    def __init__(self, store: Store):
        """Made by `Store.transaction`."""
        self._store = store
        self._shared = FileLock(os.path.join(store.path, layout.STORE_LOCK), shared=True, emit=store.emit)
        self._area: staging.Area | None = None
        self._numbers = itertools.count(1)
        self._mutex = threading.RLock()
        self._trees: dict[TreeKey, Tree] = {}
        self._blobs: dict[BlobDigest, str] = {}
        self._facts: list[tuple[str, str, dict[str, Any]]] = []
        self._flights: dict[TreeKey, FileLock] = {}
        self._broken = False

    def __enter__(self) -> Self:
        with files.translating_disk_errors(f"write to the store `{self._store.path}`"):
            layout.require_local(self._store.path)
            self._shared.acquire()
            try:
                staging.sweep(self._store.path)
                self._area = staging.Area(self._store.path)
            except BaseException:
                self._shared.release()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        area, self._area = self._area, None
        try:
            if area is not None:
                try:
                    with files.translating_disk_errors(f"clean up in the store `{self._store.path}`"):
                        area.close()
                except ToolError:
                    # What failed first is what the user must hear; the next transaction sweeps what stayed.
                    if value is None:
                        raise
        finally:
            self._release_flights()
            self._shared.release()
        if isinstance(value, OSError) and value.errno in files.FULL:
            # Recipes write into their staged trees themselves; a full disk has one error wherever it shows.
            raise files.disk_error(value, f"write to the store `{self._store.path}`") from value

    @property
    def path(self) -> str:
        """The private folder of this transaction.

        Raises:
            StoreError: it is over, or a write failed earlier.
        """
        if self._area is None:
            raise StoreError("the store's transaction is over", hints=["begin a new one"])
        if self._broken:
            raise StoreError("an earlier write of this transaction failed", hints=["run the command again"])
        return self._area.path

    def stage(self, label: str) -> Staged:
        """A fresh private place for a tree that messages call `label`.

        Raises:
            NoSpace, StoreError: it cannot be made.
        """
        staged = Staged(f"{self.path}/{next(self._numbers)}", label)
        with files.translating_disk_errors(f"stage `{shown(label)}` in the store"):
            files.step("stage:mkdir")
            files.make_directory(staged.path, 0o755)
            files.make_directory(staged.root, 0o700)
        return staged

    def discard(self, staged: Staged) -> None:
        """Drop what was staged. `commit` and the end of the transaction leave nothing behind anyway."""
        staged.close()
        with files.translating_disk_errors(f"drop `{shown(staged.label)}` from the store"):
            files.remove_tree(staged.path)

    def find_tree(self, key: TreeKey) -> Tree | None:
        """Like `Store.find_tree`, and finds what this transaction has added but not committed."""
        with self._mutex:
            return self._trees.get(key) or self._store.find_tree(key)

    def add_tree(self, inputs: dict[str, Any], staged: Staged, manifest: Manifest) -> Tree:
        """Add what was staged as the tree made from `inputs`, described by `manifest`; it exists after `commit`.

        When the key is there already, ours is dropped and the other one returned.

        Raises:
            NoSpace, StoreError: it cannot be written.
        """
        text, inputs_text = manifest.render(), canonical_json(inputs)
        key, name = TreeKey.of(inputs_text), TreeId.of(text).hex
        staged.close()
        with files.translating_disk_errors(f"add `{shown(staged.label)}` to the store"), self._mutex:
            found = self.find_tree(key)
            if found is None:
                return self._add(
                    key,
                    name,
                    staged,
                    text,
                    render_record(name, disk_size(manifest), len(manifest.entries), inputs_text),
                )
        if found.id.hex != name:
            warning = f"`{shown(staged.label)}` was made twice from the same inputs, with different results; the first is kept"
            self._store.emit(Note(warning, "warning"))
        self.discard(staged)
        return found

    def _add(self, key: TreeKey, name: str, staged: Staged, manifest: bytes, record_text: bytes) -> Tree:
        staged.drop_scratch()
        record = f"{self.path}/record-{key.hex}"
        files.step("add-tree:manifest")
        files.write_file(staged.path + "/manifest", manifest, 0o444)
        files.step("add-tree:record")
        files.write_file(record, record_text)
        tree = self._trees[key] = Tree(key, name, staged.path, record)
        return tree

    @contextlib.contextmanager
    def single_flight(self, key: TreeKey) -> Iterator[Tree | None]:
        """Make the tree of `key` once among all processes and threads: yields it when another was first, else None.

        The key stays ours until `commit`, because only then do others see the tree. So that two transactions never
        wait for each other, what this one has added is committed while it waits.

        Raises:
            StoreError: another process held the key for too long.
        """
        lock = FileLock(
            f"{self._store.path}/{layout.LOCKS}/{staging.KEY_LOCK}{key.hex}",
            timeout=lock_timeout(_LONGEST_MAKING),
            emit=self._store.emit,
            remove=True,
        )

        def meanwhile() -> bool:
            if self.find_tree(key) is not None:
                return True
            if self._trees:
                self.commit()
            return False

        with files.translating_disk_errors(f"lock a key in the store `{self._store.path}`"):
            taken = lock.acquire(meanwhile)
        try:
            yield self.find_tree(key)
            with self._mutex:
                if taken and key in self._trees:
                    self._flights[key] = lock
                    taken = False
        finally:
            if taken:
                lock.release()

    def unfinished_path(self, digest: BlobDigest) -> str:
        """Where to write the bytes of `digest` so that they outlive this transaction. Only within the flight of a key of theirs.

        What is complete is moved away by the caller; with what is not, another transaction goes on.
        """
        folder = f"{self._store.path}/{layout.UNFINISHED}"
        with files.translating_disk_errors(f"make `{folder}`"):
            files.make_directory(folder, 0o700)
        return f"{folder}/{digest.hex}"

    def blob_staging_path(self, digest: BlobDigest) -> str:
        """Where to write the artifact `digest` before `add_blob`."""
        return f"{self.path}/blob-{digest.hex}"

    def find_blob(self, digest: BlobDigest) -> str | None:
        """Like `Store.find_blob`, and finds what this transaction has added but not committed."""
        with self._mutex:
            return self._blobs.get(digest) or self._store.find_blob(digest)

    def add_blob(self, path: str, digest: BlobDigest) -> str:
        """Add the file `path` of this transaction, whose bytes the caller has checked against `digest`.

        Returns where it lies now; after `commit`, ask `Store.find_blob`.
        """
        with files.translating_disk_errors(f"add the artifact `{digest.hex}` to the store"), self._mutex:
            found = self._blobs.get(digest) or self._store.find_blob(digest)
            if found is not None:
                if found != path:
                    os.unlink(path)
                return found
            os.chmod(path, 0o444)
            self._blobs[digest] = path
            return path

    def put_record(self, kind: str, key: str, value: dict[str, Any]) -> None:
        """Remember a derived fact at `commit`, after the trees it speaks of exist."""
        fact_path(self.path, kind, key)
        with self._mutex:
            self._facts.append((kind, key, value))

    def commit(self) -> None:
        """Make everything added so far exist, durably. May be called again after more was added.

        Raises:
            NoSpace, StoreError: the disk refused; what is not committed will never exist.
        """
        with self._mutex:
            path = self.path
            if not (self._trees or self._blobs or self._facts):
                return
            self._broken = True  # until all is done: after a failed sync nobody knows what reached the disk
            with files.translating_disk_errors(f"commit to the store `{self._store.path}`"):
                if self._trees or self._blobs:
                    self._sync(path)
                    self._publish()
                    self._commit_records()
                self._write_facts()
            self._broken = False
            self._release_flights()

    def _sync(self, path: str) -> None:
        assert self._area is not None
        files.step("commit:sync")
        files.sync_filesystem(self._area.fd)
        if not files.sync_reports_errors():
            files.fsync_tree(path)

    def _publish(self) -> None:
        """Give blobs and trees the names of their digests. What is there already is the same thing."""
        store = self._store.path
        for digest, path in self._blobs.items():
            files.step("commit:blob")
            with contextlib.suppress(FileExistsError):
                files.rename_noreplace(path, f"{store}/{layout.BLOBS}/{digest.hex}")
        for tree in self._trees.values():
            files.step("commit:tree")
            _publish_tree(tree.path, f"{store}/{layout.TREES}/{tree.id.hex}")
        files.step("commit:sync-blobs")
        if self._blobs:
            files.fsync_directory(f"{store}/{layout.BLOBS}")
        files.step("commit:sync-trees")
        if self._trees:
            files.fsync_directory(f"{store}/{layout.TREES}")
        self._blobs.clear()

    def _commit_records(self) -> None:
        store = self._store.path
        keys = f"{store}/{layout.KEYS}"
        for key, tree in self._trees.items():
            record = f"{keys}/{key.hex}"
            files.step("commit:record")
            os.rename(tree.record, record)
            tree.moved(f"{store}/{layout.TREES}/{tree.id.hex}", record)
        files.step("commit:sync-records")
        if self._trees:
            files.fsync_directory(keys)
        self._trees.clear()

    def _write_facts(self) -> None:
        for kind, key, value in self._facts:
            files.step("commit:fact")
            write_fact(self._store.path, kind, key, value)
        self._facts.clear()

    def _release_flights(self) -> None:
        with self._mutex:
            flights, self._flights = self._flights, {}
        for lock in flights.values():
            lock.release()


def _publish_tree(source: str, target: str) -> None:
    """Give the tree its final name, unless the same tree has it already."""
    try:
        files.rename_noreplace(source, target)
    except FileExistsError:
        if os.path.exists(f"{target}/manifest"):
            return
        # What has no manifest is being deleted; see `staging.put_away`.
        files.remove_tree(target)
        files.rename_noreplace(source, target)
