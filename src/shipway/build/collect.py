"""Artifacts into a folder by digest, or into one bundle: what a build without network takes them from.

Each file is written beside its place and renamed when it is proved, so whatever bears a digest's name has it, and a collection
that was interrupted goes on where it was. The index is written last and is for people: only its first line is ever read.
"""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
import os
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from shipway.archive.bundle import MEMBER_LIMIT, bundle_entry
from shipway.archive.tarwriter import OpenContent, write_layer
from shipway.build.artifacts import digest_of_artifact, name_of_artifact, vanished
from shipway.build.needs import missing_offline
from shipway.build.vendor import INDEX_HEAD, TREE_LIMIT, member_of
from shipway.build.wheel_build import bring_git
from shipway.core.digest import key_of
from shipway.core.errors import HostileInput, OfflineError, ToolError
from shipway.core.events import Began, Did, Ended
from shipway.core.ignore import VENDOR_INDEX
from shipway.core.text import shown
from shipway.core.units import render_size
from shipway.host import files
from shipway.host.http import NotOffered
from shipway.host.location import Location
from shipway.host.lock import FileLock, lock_timeout
from shipway.lock.model import BaseLayer, DataFile, Deb, PythonLock, Source
from shipway.plan.data import CONTENT, file_inputs
from shipway.sources.trees import pack_files, read_packed, tree_digest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from shipway.build.context import Artifact, Locate
    from shipway.core.events import Emit
    from shipway.core.manifest import Entry
    from shipway.host.http import Fetcher
    from shipway.store.store import Store

PHASE = "fetch"
_WORKERS = 8
_LONGEST = 3600.0
"""Seconds to wait while another collects into the same folder, unless `SHIPWAY_LOCK_TIMEOUT` says otherwise."""
_PARTIAL = ".partial"
_LOCK = ".lock"
_OURS = frozenset({VENDOR_INDEX, _PARTIAL, _LOCK, "sha256", "tree"})


class Supply(NamedTuple):
    """Where artifacts are taken from."""

    store: Store
    fetcher: Fetcher
    locate: Locate
    emit: Emit
    borrow: bool = False
    """What the store has is used where it is, and not copied."""


class Collected(NamedTuple):
    """One artifact that is there."""

    member: str
    """Its path below the folder, and its name in a bundle."""
    kind: str
    """`base`, `data`, `deb`, `wheel`, `sdist`, `git`, `python`."""
    name: str
    path: str
    """Where its bytes are."""
    size: int
    fetched: bool
    """Whether it was written now."""


def kind_of(artifact: Artifact) -> str:
    """What `artifact` is, in one word."""
    if isinstance(artifact, Deb):
        return "deb"
    if isinstance(artifact, BaseLayer):
        return "base"
    if isinstance(artifact, PythonLock):
        return "python"
    if isinstance(artifact, DataFile):
        return "data"
    return artifact.kind if isinstance(artifact, Source) else "wheel"


def collect_artifacts(artifacts: Sequence[Artifact], folder: str, supply: Supply) -> tuple[Collected, ...]:
    """Have every one of `artifacts` in `folder`, in the order of kind and name.

    What is there already is read and kept if it has the digest of its name. Everything that can be had is, before an error
    names what cannot.

    Raises:
        Vanished, OfflineError: some can be had nowhere, or not without network; names all of them.
        FetchError, HashMismatch, HostileInput, NoSpace: as `Fetcher.fetch`.
        StoreError: another collects into the folder for too long.
        ToolError: the folder holds something else.
    """
    with files.translating_disk_errors(f"write `{folder}`", error=ToolError):
        _require_ours(folder)
        with FileLock(
            os.path.join(folder, _LOCK), timeout=lock_timeout(_LONGEST), emit=supply.emit, remove=True
        ):
            for name in ("sha256", "tree", _PARTIAL):
                os.makedirs(os.path.join(folder, name), exist_ok=True)
            supply.emit(Began(PHASE, items=len(artifacts), size=sum(one.size for one in artifacts)))
            done = _collect_all(artifacts, folder, supply)
            _sync(folder)
            files.remove_tree(os.path.join(folder, _PARTIAL))
    supply.emit(Ended(PHASE))
    return tuple(sorted(done, key=lambda one: (one.kind, one.name, one.member)))


def _sync(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        files.sync_filesystem(fd)
    finally:
        os.close(fd)


def _require_ours(folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    strange = sorted(set(os.listdir(folder)) - _OURS)
    if strange:
        raise ToolError(
            f"`{shown(folder)}` holds `{shown(strange[0])}`, which is nothing that `shipway vendor` makes",
            hints=["name a new folder, or an empty one"],
        )


def _collect_all(artifacts: Sequence[Artifact], folder: str, supply: Supply) -> list[Collected]:
    done: list[Collected] = []
    gone: list[str] = []
    forbidden: list[str] = []
    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="vendor")
    try:
        largest_first = sorted(artifacts, key=lambda one: -one.size)
        running = {pool.submit(_collect_one, one, folder, supply): one for one in largest_first}
        for future in as_completed(running):
            try:
                done.append(future.result())
                if not done[-1].fetched:
                    supply.emit(Did(PHASE, done[-1].name))
            except NotOffered:
                gone.append(name_of_artifact(running[future]))
            except OfflineError:
                forbidden.append(name_of_artifact(running[future]))
    except BaseException:
        supply.fetcher.stop()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    if gone:
        raise vanished(gone)
    if forbidden:
        raise missing_offline(forbidden)
    return done


def _collect_one(artifact: Artifact, folder: str, supply: Supply) -> Collected:
    member, name = member_of(artifact), name_of_artifact(artifact)
    path = os.path.join(folder, member)
    is_git = isinstance(artifact, Source) and artifact.kind == "git"
    known = None if is_git else find_known(artifact, supply.store)
    if known is not None and supply.borrow:
        return Collected(member, kind_of(artifact), name, known, os.path.getsize(known), fetched=False)
    write = not _is_whole(path, artifact)
    if write:
        with tempfile.TemporaryDirectory(dir=os.path.join(folder, _PARTIAL)) as scratch:
            new = os.path.join(scratch, "new")
            if isinstance(artifact, Source) and artifact.kind == "git":
                _pack_git(artifact, new, scratch, supply)
            else:
                here = [Location("file://" + quote(known))] if known else []
                places = itertools.chain(here, supply.locate(artifact))
                digest, size = digest_of_artifact(artifact), artifact.size or None
                large = isinstance(artifact, DataFile)
                if large:  # the next collection goes on with it
                    new = os.path.join(folder, _PARTIAL, digest.hex)
                supply.fetcher.fetch(places, new, digest, size, phase=PHASE, name=name, keep=large)
            os.chmod(new, 0o644)
            os.rename(new, path)
    return Collected(member, kind_of(artifact), name, path, os.path.getsize(path), fetched=write)


def find_known(artifact: Artifact, store: Store) -> str | None:
    """Where the store has the bytes of `artifact`; of data, in their tree."""
    if isinstance(artifact, DataFile):
        tree = store.find_tree(key_of(file_inputs(artifact)))
        return None if tree is None else f"{tree.root}/{CONTENT}"
    return store.find_blob(digest_of_artifact(artifact))


def _pack_git(source: Source, new: str, scratch: str, supply: Supply) -> None:
    tree = bring_git(source, scratch, fetcher=supply.fetcher, locate=supply.locate)
    with open(new, "wb") as sink:
        if pack_files(tree, sink) > TREE_LIMIT:
            raise ToolError(
                f"the sources of `{source.name}` are larger than {render_size(TREE_LIMIT)}",
                hints=["name a released version instead of a commit"],
            )


def _is_whole(path: str, artifact: Artifact) -> bool:
    """Whether the file at `path` is what its name says. A link never is."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    with open(fd, "rb") as file:
        if isinstance(artifact, Source) and artifact.kind == "git":
            return _is_tree(path, artifact)
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or (artifact.size and found.st_size != artifact.size):
            return False
        return hashlib.file_digest(file, "sha256").hexdigest() == digest_of_artifact(artifact).hex


def _is_tree(path: str, source: Source) -> bool:
    try:
        return (
            os.path.getsize(path) <= TREE_LIMIT and tree_digest(read_packed(path, source.id)) == source.sha256
        )
    except HostileInput:
        return False


def render_index(project: str, collected: Sequence[Collected]) -> bytes:
    """The index: one line each, the same for the same lock."""
    size = sum(one.size for one in collected)
    lines = [INDEX_HEAD, f"# {project}: {len(collected)} artifacts, {size} bytes"]
    lines += [f"{one.kind:6}  {one.member}  {one.size:>11}  {one.name}" for one in collected]
    return "".join(f"{shown(line, 500)}\n" for line in lines).encode()


def write_bundle(path: str, index: bytes, collected: Sequence[Collected]) -> None:
    """Write the bundle of `collected`, in place of what is at `path`. Every byte is compared with its digest on the way.

    Raises:
        StoreError: a file is not what it was.
        NoSpace, ToolError: it cannot be written.
    """
    members: list[tuple[Entry, OpenContent]] = [
        (bundle_entry(VENDOR_INDEX, len(index), hashlib.sha256(index).hexdigest()), lambda: io.BytesIO(index))
    ]
    members += [(_entry(one), functools.partial(_open, one.path)) for one in collected]
    members.sort(key=lambda member: member[0].path)
    folder, name = os.path.split(os.path.abspath(path))
    with files.translating_disk_errors(f"write `{shown(path)}`", error=ToolError):
        fd, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
        try:
            with open(fd, "wb") as sink:
                write_layer(members, sink, verify=True)
                os.fchmod(fd, 0o644)
                sink.flush()
                os.fsync(fd)
            os.rename(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        files.fsync_directory(folder)


def _open(path: str) -> BinaryIO:
    return open(path, "rb")


def require_room(artifacts: Sequence[Artifact]) -> None:
    """Make sure that a bundle can hold all of `artifacts`, before any is fetched.

    Raises:
        ToolError: it cannot.
    """
    for one in artifacts:
        if one.size > MEMBER_LIMIT:
            raise _too_large(name_of_artifact(one), one.size)


def _too_large(name: str, size: int) -> ToolError:
    return ToolError(
        f"`{shown(name)}` has {render_size(size)}, which is too large for a bundle",
        hints=["use a folder: `shipway vendor DIR`"],
    )


def _entry(one: Collected) -> Entry:
    if one.size > MEMBER_LIMIT:
        raise _too_large(one.name, one.size)
    if one.member.startswith("tree/"):
        with open(one.path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    else:
        digest = one.member.removeprefix("sha256/")
    return bundle_entry(one.member, one.size, digest)
