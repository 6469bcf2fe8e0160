"""The folders of containers: records, states, locks, names.

STATE/containers/ID/container.json  the record, mode 0600: it holds the variables that were given by value
                   /state.json      the status as its supervisor last wrote it
                   /lock            held by the supervisor as long as it lives
                   /starting        held by whoever starts it, until it runs
                   /control         its socket
                   /log/…           what the commands wrote
                   /upper, /work    the native engine's writable top
STATE/containers/by-name/NAME       a link to the folder, for whoever is in a hurry (`quick.py`)
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING

from shipway.core.errors import NotFound
from shipway.core.text import shown
from shipway.host.clock import now
from shipway.host.files import FULL, make_directory, remove_tree, translating_disk_errors, write_atomic
from shipway.host.lock import FileLock, is_locked
from shipway.run.life.codec import decode, encode
from shipway.run.life.model import Container, Record, State, Status

if TYPE_CHECKING:
    from collections.abc import Callable

_RECORD, _STATE, LOCK = "container.json", "state.json", "lock"
_STARTING = "starting"
_FORMAT = 1
KILLED = 137
SUPERVISOR_KILLED = "its supervisor was killed"


def containers_folder(state: str) -> str:
    """Of all containers."""
    return f"{state}/containers"


def make_container(state: str, record: Record) -> tuple[str, FileLock]:
    """Make the folder of a new container and write its record; returns the folder, and the right to start it, to be released.

    Raises:
        NoSpace, StoreError: it cannot be written.
    """
    folder = f"{containers_folder(state)}/{record.id}"
    with translating_disk_errors(f"make the container's folder `{folder}`"):
        make_directory(containers_folder(state))
        os.mkdir(folder, 0o700)
        try:
            write_status(folder, Status())  # room for what is to be said when the disk is full
            starting = hold_start(folder)  # before anybody can see the record
            assert starting is not None
            write_record(folder, record)
        except BaseException:
            remove_tree(folder)
            raise
    return folder, starting


def sweep_halves(state: str) -> tuple[str, ...]:
    """Remove what is left of containers whose making or removal was killed; their folders."""
    base = containers_folder(state)
    if not os.path.isdir(base):
        return ()
    swept = []
    with naming(state):
        for name in os.listdir(base):
            folder = f"{base}/{name}"
            half = not name.startswith((".", "by-name")) and not os.path.exists(f"{folder}/{_RECORD}")
            if half and not is_locked(f"{folder}/{LOCK}"):
                remove_tree(folder)
                swept.append(folder)
        links = f"{base}/by-name"
        for name in os.listdir(links) if os.path.isdir(links) else ():
            if not os.path.exists(f"{links}/{name}/{_RECORD}"):
                os.unlink(f"{links}/{name}")
    return tuple(swept)


def write_record(folder: str, record: Record) -> None:
    """Write the record in place of what was there, and link its name to the folder."""
    value = {"format": _FORMAT, **encode(record)}
    write_atomic(f"{folder}/{_RECORD}", json.dumps(value).encode(), 0o600, durable=False)
    links = f"{os.path.dirname(folder)}/by-name"
    make_directory(links)
    _unlink_names(folder, but=record.name)
    link = f"{links}/{record.name}"
    if not _leads_to(link, record.id):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(link)
        os.symlink(f"../{record.id}", link)


def _leads_to(link: str, identity: str) -> bool:
    try:
        return os.readlink(link) == f"../{identity}"
    except OSError:
        return False


def _unlink_names(folder: str, *, but: str = "") -> None:
    """Take the links to a container away, except the name `but`."""
    links, identity = f"{os.path.dirname(folder)}/by-name", os.path.basename(folder)
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(links):
            if name != but and _leads_to(f"{links}/{name}", identity):
                os.unlink(f"{links}/{name}")


def is_there(folder: str) -> bool:
    """Whether the container has not been removed."""
    return os.path.exists(f"{folder}/{_RECORD}")


def read_record(folder: str) -> Record | None:
    """The record; None if there is none that can be read."""
    try:
        with open(f"{folder}/{_RECORD}", encoding="utf-8") as file:
            value = json.load(file)
        return decode(Record, value) if value.get("format") == _FORMAT else None
    except (OSError, ValueError, KeyError, AttributeError):
        return None


def write_status(folder: str, status: Status) -> None:
    """Say how the container stands; where the disk is full, in the place of what was said before.

    Raises:
        OSError: it cannot be written at all.
    """
    path, data = f"{folder}/{_STATE}", json.dumps(encode(status)).encode()
    try:
        write_atomic(path, data, 0o600, durable=False)
    except OSError as problem:
        if problem.errno not in FULL or not os.path.exists(path):
            raise
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.pwrite(fd, data, 0)
            os.ftruncate(fd, len(data))
        finally:
            os.close(fd)


def read_status(folder: str) -> Status:
    """What was written last; whether it is still so, only the lock tells (`find_status`)."""
    try:
        with open(f"{folder}/{_STATE}", encoding="utf-8") as file:
            return decode(Status, json.load(file))
    except (OSError, ValueError):
        return Status()


def find_status(folder: str) -> Status:
    """How a container that has a supervisor stands: what was written last, corrected by who lives."""
    status = read_status(folder)
    if status.state in (State.CREATED, State.EXITED) or is_locked(f"{folder}/{LOCK}"):
        return status
    again = read_status(folder)  # it may have ended in good order between the two looks
    if again.state in (State.CREATED, State.EXITED):
        return again
    return again._replace(state=State.EXITED, pid=0, ended=now(), code=KILLED, reason=SUPERVISOR_KILLED)


def list_records(state: str) -> tuple[tuple[Record, str], ...]:
    """Every record with its folder, oldest first."""
    try:
        names = os.listdir(containers_folder(state))
    except FileNotFoundError:
        return ()
    folders = [f"{containers_folder(state)}/{name}" for name in names if name != "by-name"]
    found = [(record, folder) for folder in folders if (record := read_record(folder))]
    return tuple(sorted(found, key=lambda pair: (pair[0].made, pair[0].id)))


def find_record(state: str, name: str) -> tuple[Record, str] | None:
    """The container called `name`, or whose id begins with it (three digits at least); None when there is none."""
    found = find_named(state, name)
    if found is not None:
        return found
    if len(name) < 3:  # noqa: PLR2004 - fewer say nothing
        return None
    try:
        matches = [one for one in os.listdir(containers_folder(state)) if one.startswith(name)]
    except FileNotFoundError:
        return None
    if len(matches) != 1:
        return None
    folder = f"{containers_folder(state)}/{matches[0]}"
    record = read_record(folder)
    return (record, folder) if record is not None else None


def find_named(state: str, name: str) -> tuple[Record, str] | None:
    """The container called `name`, without a look at the others; None when there is none."""
    if not name or "/" in name:
        return None
    try:
        identity = os.path.basename(os.readlink(f"{containers_folder(state)}/by-name/{name}"))
    except OSError:
        return None
    folder = f"{containers_folder(state)}/{identity}"
    record = read_record(folder)
    return (record, folder) if record is not None and record.name == name else None


def no_container(state: str, name: str) -> NotFound:
    """The error that says so."""
    names = [record.name for record, _ in list_records(state)]
    listed = ", ".join(f"`{shown(one)}`" for one in names[:10])
    hint = (
        f"there are {listed}"
        if names
        else "`shipway up` starts the project's, `shipway run -d` one for a command"
    )
    return NotFound(
        f"there is no container `{shown(name)}`{_removed(state, name)}",
        hints=(hint, "`shipway ps -a` lists all"),
    )


def _removed(state: str, name: str) -> str:
    """How one of this name, or whose id begins so, went away, if one was here."""
    from shipway.run.life.journal import read_events  # noqa: PLC0415 - only who misses one asks

    events = list(read_events(state))
    gone = [one for one in events if one.what == "remove" and name in (one.name, one.id)]
    if not gone:
        return ""
    codes = [one.code for one in events if one.what == "die" and one.id == gone[-1].id]
    ended = f"ended with code {codes[-1] or 0} and " if codes else ""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(gone[-1].when))
    lost = f", with {gone[-1].detail}" if gone[-1].detail else ""
    return f" any more: it {ended}was removed on {when}{lost}"


@contextlib.contextmanager
def naming(state: str):  # type: ignore[no-untyped-def]  # noqa: ANN201 - a context manager of nothing
    """Hold the names: nobody else makes, renames or removes a container meanwhile."""
    make_directory(containers_folder(state))
    with FileLock(f"{containers_folder(state)}/.names.lock"):
        yield


def hold_start(folder: str) -> FileLock | None:
    """The right to start the container, to be taken while holding the names; None when somebody else has it."""
    lock = FileLock(f"{folder}/{_STARTING}")
    return lock if lock.try_acquire() else None


def is_being_started(folder: str) -> bool:
    """Whether somebody starts it just now: its name is in use, though it does not run yet."""
    return is_locked(f"{folder}/{_STARTING}")


def remove_container(folder: str, before: Callable[[], None] | None = None) -> None:
    """Remove the folder of a container that does not run. `before`: what goes first, when nobody can start it any more.

    Raises:
        StoreError: it cannot be removed.
    """
    with translating_disk_errors(f"remove the container's folder `{folder}`"):
        _unlink_names(folder)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{folder}/{_RECORD}")
        if before is not None:
            before()
        remove_tree(folder)


def known(record: Record, folder: str) -> Container:
    """The container as its own files say."""
    return Container(record, find_status(folder), folder)
