"""The `[data]` of a spec on this host: where each is, and whether a container can have it."""

from __future__ import annotations

import hashlib
import os
import shlex
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from shipway.core.errors import EngineError
from shipway.core.text import shown
from shipway.host.dirs import state_dir
from shipway.run.model import Data, Mount
from shipway.run.places import data_folder, volume_folder
from shipway.verbs.run_options import absolute_source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipway.spec.model import DataRule
    from shipway.verbs.context import Task
    from shipway.verbs.project import Project

FOLDER, VOLUME, URL = "folder", "volume", "url"


def read_data(project: Project) -> tuple[Data, ...]:
    """What the spec declares, with host paths made absolute. Looks at nothing."""
    state = state_dir()
    return tuple(_place(rule, project.folder, state) for rule in project.spec.data)


def _place(rule: DataRule, folder: str, state: str) -> Data:
    if rule.folder:
        return Data(rule.name, rule.target, absolute_source(rule.folder, folder), FOLDER, rule.read_only)
    if rule.volume:
        return Data(rule.name, rule.target, volume_folder(state, rule.volume), VOLUME, rule.read_only)
    # Equal bytes are kept once, unless they are seen under another name or unpacked.
    text = f"{rule.sha256}\n{'' if rule.unpack else file_name(rule.url)}\n{rule.unpack}"
    key = f"{rule.sha256[:16]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    source = data_folder(state, key)
    return Data(
        rule.name,
        rule.target,
        source,
        URL,
        read_only=True,
        url=rule.url,
        sha256=rule.sha256,
        unpack=rule.unpack,
    )


def file_name(url: str) -> str:
    """What the file at `url` is called."""
    return unquote(urlsplit(url).path).rpartition("/")[2] or "data"


def data_mounts(data: Iterable[Data]) -> tuple[Mount, ...]:
    """How containers see it."""
    return tuple(Mount(one.source, one.target, one.read_only, owned=one.kind == VOLUME) for one in data)


def require_data(data: Iterable[Data], state: str, task: Task, *, dry_run: bool = False) -> None:
    """Have all of it here, fetched if need be. A dry run fetches nothing.

    Raises:
        EngineError: a folder is missing, or the caller may not use it.
        FetchError, HashMismatch, OfflineError: it cannot be fetched.
    """
    for one in data:
        if one.kind == FOLDER:
            require_access(one)
        elif one.kind == URL and not dry_run and not os.path.isdir(one.source):
            from shipway.verbs.data_fetch import fetch_data

            fetch_data(one, state, task)


def require_access(one: Data) -> None:
    """Make sure that the caller can use a folder as the spec wants it; what to type is told, never done.

    Raises:
        EngineError: the folder is missing, or the caller may not read or write it.
    """
    folder = one.source
    if not os.path.isdir(folder):
        raise EngineError(
            f"`{shown(folder)}`, the folder of `[data.{one.name}]`, does not exist",
            hints=(f"make it: `mkdir -p {shlex.quote(folder)}`", "or correct `folder` in the spec"),
        )
    wanted = os.R_OK | os.X_OK | (0 if one.read_only else os.W_OK)
    if os.access(folder, wanted):
        return
    what = "read" if one.read_only or not os.access(folder, os.R_OK | os.X_OK) else "write to"
    line = access_line(folder, read_only=one.read_only)
    raise EngineError(
        f"You may not {what} `{shown(folder)}`, the folder of `[data.{one.name}]`",
        hints=(
            f"whoever may change it can type: `{line}`",
            *(() if one.read_only or what == "read" else ("write `read-only = true` if reading is enough",)),
        ),
    )


def access_line(folder: str, *, read_only: bool) -> str:
    """The command after which the caller may use `folder`: the smallest change that does it."""
    status, name = os.stat(folder), shlex.quote(folder)
    mode = "rX" if read_only else "rwX"
    if status.st_uid == os.geteuid():
        return f"chmod -R u+{mode} {name}"
    if status.st_gid in (os.getegid(), *os.getgroups()):
        return f"sudo chmod -R g+{mode} {name}"
    if read_only:
        return f"sudo chmod -R o+{mode} {name}"
    return f"sudo chown -R {os.geteuid()}:{os.getegid()} {name}"
