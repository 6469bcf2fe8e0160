"""Checking everything in the store against the digest in its name, in parallel; and putting right what is not.

Looking changes nothing. With a `repair` callback, what is damaged loses its records and is moved into the quarantine, then
the callback makes it again; what still runs from a damaged tree keeps its directory until the quarantine is collected.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from shipway.core.digest import TreeId, TreeKey
from shipway.core.errors import StoreError
from shipway.core.events import Began, Did, Ended
from shipway.core.manifest import WHITEOUT, Entry, disk_mode, parse_manifest
from shipway.host import files
from shipway.host.lock import FileLock
from shipway.store import layout, staging
from shipway.store.tree import parse_inputs, parse_record_head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shipway.store.store import Store

_PHASE = "verify"
_AHEAD = 64
"""Checks handed to the threads before the first result is taken."""


class Problem(StrEnum):
    """What can be wrong."""

    MISSING = "missing"
    """A path of the manifest is not there; or a record's tree."""
    CHANGED = "changed"
    """Content, type, mode, time or target differs from the manifest."""
    EXTRA = "extra"
    """A path that the manifest does not know."""
    MANIFEST = "manifest"
    """The manifest is missing or not what the tree's name is the digest of."""
    RECORD = "record"
    """The record is not what its key is the digest of."""
    BLOB = "blob"
    """An artifact's bytes are not what its name says."""
    UNREADABLE = "unreadable"
    """The disk refuses to read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference."""

    problem: Problem
    kind: str
    """`tree`, `record` or `blob`."""
    name: str
    """The digits of its TreeId, key or sha256."""
    path: str = ""
    """Inside the tree."""
    detail: str = ""
    repaired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """One thing that has to be made again; it is no longer in the store when the callback sees this."""

    kind: str
    """`tree`, `record` or `blob`."""
    name: str
    inputs: tuple[dict[str, Any], ...]
    """What each lost tree was made from; empty for blobs and for records that cannot be read."""


def verify(store: Store, repair: Callable[[Damaged], bool] | None) -> Iterator[Finding]:
    """See `Store.verify`."""
    with (
        files.translating_disk_errors(f"verify the store `{store.path}`"),
        FileLock(f"{store.path}/{layout.STORE_LOCK}", shared=True, emit=store.emit),
    ):
        keys, found = _check_records(store)
        for finding in found:
            yield _handled(store, [finding], (), repair)[0]
        for kind, name, findings in _check_everything(store):
            if findings:
                yield from _handled(
                    store, findings, tuple(keys.get(name, ())) if kind == "tree" else (), repair
                )


def _check_everything(store: Store) -> Iterator[tuple[str, str, list[Finding]]]:
    """Every tree and blob with what is wrong with it, checked by as many threads as there are processors."""
    work = [("tree", name) for name in _names(store, layout.TREES)] + [
        ("blob", name) for name in _names(store, layout.BLOBS)
    ]
    store.emit(Began(_PHASE, len(work)))
    check = {"tree": check_tree, "blob": check_blob}
    bucket = {"tree": layout.TREES, "blob": layout.BLOBS}
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="verify") as pool:
        running: deque[tuple[str, str, Any]] = deque()
        waiting = iter(work)
        try:
            while True:
                for kind, name in waiting:
                    running.append(
                        (kind, name, pool.submit(check[kind], f"{store.path}/{bucket[kind]}/{name}", name))
                    )
                    if len(running) >= _AHEAD:
                        break
                if not running:
                    break
                kind, name, future = running.popleft()
                yield kind, name, future.result()
                store.emit(Did(_PHASE, name))
        finally:
            for _, _, future in running:
                future.cancel()
    store.emit(Ended(_PHASE))


def _names(store: Store, bucket: str) -> list[str]:
    return sorted(
        name for name in os.listdir(f"{store.path}/{bucket}") if not name.startswith(files.TEMPORARY_PREFIX)
    )


def _check_records(store: Store) -> tuple[dict[str, list[str]], list[Finding]]:
    """Which keys name which tree, and what is wrong with records."""
    keys: dict[str, list[str]] = {}
    found: list[Finding] = []
    for name in _names(store, layout.KEYS):
        try:
            with open(f"{store.path}/{layout.KEYS}/{name}", "rb") as file:
                text = file.read()
            head = parse_record_head(text)
            parse_inputs(text, TreeKey.from_hex(name))
        except FileNotFoundError:
            continue
        except (StoreError, ValueError):
            head = None
        if head is None:
            found.append(
                Finding(
                    problem=Problem.RECORD,
                    kind="record",
                    name=name,
                    detail="not what its name is the digest of",
                )
            )
        elif not os.path.isdir(f"{store.path}/{layout.TREES}/{head[0]}"):
            found.append(
                Finding(
                    problem=Problem.MISSING, kind="record", name=name, detail=f"its tree {head[0]} is missing"
                )
            )
        else:
            keys.setdefault(head[0], []).append(name)
    return keys, found


def check_blob(path: str, name: str) -> list[Finding]:
    """What is wrong with the artifact at `path`, whose sha256 should be `name`."""
    try:
        digest = _digest_of(path)
    except FileNotFoundError:
        return []
    except OSError as problem:
        return [
            Finding(
                problem=Problem.UNREADABLE, kind="blob", name=name, detail=os.strerror(problem.errno or 0)
            )
        ]
    return (
        []
        if digest == name
        else [Finding(problem=Problem.BLOB, kind="blob", name=name, detail=f"its sha256 is {digest}")]
    )


def check_tree(path: str, name: str) -> list[Finding]:
    """What is wrong with the tree at `path`, whose TreeId should be `name`."""
    try:
        with open(f"{path}/manifest", "rb") as file:
            text = file.read()
        if TreeId.of(text).hex != name:
            return [
                Finding(
                    problem=Problem.MANIFEST,
                    kind="tree",
                    name=name,
                    detail="not what the tree's name is the digest of",
                )
            ]
        expected = {entry.path: entry for entry in parse_manifest(text).entries}
    except FileNotFoundError:
        return [Finding(problem=Problem.MANIFEST, kind="tree", name=name, detail="missing")]
    except ValueError as problem:
        return [Finding(problem=Problem.MANIFEST, kind="tree", name=name, detail=str(problem))]
    except OSError as problem:
        return [
            Finding(
                problem=Problem.UNREADABLE, kind="tree", name=name, detail=os.strerror(problem.errno or 0)
            )
        ]
    found: list[Finding] = []
    root = f"{path}/root"
    for inside, status in _walk(root, name, found):
        entry = expected.pop(inside, None)
        if entry is None:
            if inside != ".":
                found.append(Finding(problem=Problem.EXTRA, kind="tree", name=name, path=inside))
            continue
        found.extend(_compare(root, name, entry, status))
    found += [
        Finding(problem=Problem.MISSING, kind="tree", name=name, path=entry.path)
        for entry in expected.values()
        if entry.kind != WHITEOUT
    ]
    return sorted(found, key=lambda finding: finding.path)


def _walk(root: str, name: str, found: list[Finding]) -> Iterator[tuple[str, os.stat_result]]:
    """Every path below `root` with its status; links are not followed. What cannot be read becomes a finding."""
    try:
        yield ".", os.lstat(root)
    except FileNotFoundError:
        return
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(f"{root}/{folder}") as entries:
                here = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        except OSError as problem:
            found.append(
                Finding(
                    problem=Problem.UNREADABLE,
                    kind="tree",
                    name=name,
                    path=folder,
                    detail=os.strerror(problem.errno or 0),
                )
            )
            continue
        for base, status in here:
            inside = f"{folder}/{base}" if folder else base
            yield inside, status
            if stat.S_ISDIR(status.st_mode):
                waiting.append(inside)


def _compare(root: str, name: str, entry: Entry, status: os.stat_result) -> list[Finding]:
    try:
        difference = _difference(root, entry, status)
    except OSError as problem:
        return [
            Finding(
                problem=Problem.UNREADABLE,
                kind="tree",
                name=name,
                path=entry.path,
                detail=os.strerror(problem.errno or 0),
            )
        ]
    return (
        [Finding(problem=Problem.CHANGED, kind="tree", name=name, path=entry.path, detail=difference)]
        if difference
        else []
    )


def _difference(root: str, entry: Entry, status: os.stat_result) -> str:
    """How the path on disk differs from `entry`; empty when it does not.

    Modes on disk are those of `core.manifest.disk_mode`.
    """
    mode = stat.S_IMODE(status.st_mode)
    match entry.kind:
        case "f":
            if not stat.S_ISREG(status.st_mode):
                return "is no file"
            if status.st_size != entry.size:
                return f"{status.st_size} bytes in place of {entry.size}"
            if mode != disk_mode(entry.kind, entry.mode):
                return f"mode {mode:04o}"
            if _digest_of(f"{root}/{entry.path}") != entry.digest:
                return "content"
            return (
                ""
                if int(status.st_mtime) == entry.mtime
                else f"time {int(status.st_mtime)} in place of {entry.mtime}"
            )
        case "d":
            if not stat.S_ISDIR(status.st_mode):
                return "is no directory"
            return "" if mode & 0o777 == entry.mode & 0o777 | 0o700 else f"mode {mode:04o}"
        case "l":
            if not stat.S_ISLNK(status.st_mode):
                return "is no link"
            return "" if os.readlink(f"{root}/{entry.path}") == entry.target else "points elsewhere"
        case "h":
            target = os.lstat(f"{root}/{entry.target}")
            return "" if os.path.samestat(status, target) else f"is not the same file as {entry.target}"
        case _:
            return ""


def _digest_of(path: str) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(fd, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _handled(
    store: Store, findings: list[Finding], keys: tuple[str, ...], repair: Callable[[Damaged], bool] | None
) -> list[Finding]:
    """`findings` about one thing, after it was put right if `repair` is given and can."""
    if repair is None:
        return findings
    first = findings[0]
    damaged = Damaged(kind=first.kind, name=first.name, inputs=_take_out(store, first, keys))
    repaired = repair(damaged)
    return [replace(finding, repaired=repaired) for finding in findings]


_BUCKETS = {"tree": layout.TREES, "blob": layout.BLOBS}


def _take_out(store: Store, finding: Finding, keys: tuple[str, ...]) -> tuple[dict[str, Any], ...]:
    """Remove the records, then move the thing into the quarantine; returns the inputs that the records held."""
    files.step("quarantine:generation")
    layout.change_generation(store.path)
    inputs: list[dict[str, Any]] = []
    for key in (finding.name,) if finding.kind == "record" else keys:
        path = f"{store.path}/{layout.KEYS}/{key}"
        with contextlib.suppress(StoreError, FileNotFoundError, ValueError), open(path, "rb") as file:
            inputs.append(parse_inputs(file.read(), TreeKey.from_hex(key)))
        files.step("quarantine:record")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    files.fsync_directory(f"{store.path}/{layout.KEYS}")
    bucket = _BUCKETS.get(finding.kind)
    if bucket is not None:
        files.step("quarantine:move")
        with contextlib.suppress(FileNotFoundError):
            staging.put_away(
                f"{store.path}/{bucket}/{finding.name}",
                f"{store.path}/{layout.QUARANTINE}/{finding.kind}-{finding.name}-{files.random_name()}",
            )
        # The name must be free for good, or what replaces it would be taken for a second copy.
        files.fsync_directory(f"{store.path}/{bucket}")
    return tuple(inputs)
