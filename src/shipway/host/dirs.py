"""Where things live on this host, by the XDG base directory rules and `SHIPWAY_*`.

Every function reads the environment each time it is called, creates nothing, and returns an absolute path.
"""

from __future__ import annotations

import os

from shipway.core.errors import ToolError

_NAME = "shipway"


def home_dir() -> str:
    """The caller's home folder.

    Raises:
        ToolError: neither `HOME` nor the user database names one.
    """
    home = os.path.expanduser("~")
    if not os.path.isabs(home):
        raise ToolError("cannot tell the home folder of this user", hints=["set HOME to an absolute path"])
    return home


def store_dir() -> str:
    """The store that this user writes: `SHIPWAY_STORE`, else `shipway/store` in the data folder."""
    named = os.environ.get("SHIPWAY_STORE")
    if named:
        return os.path.abspath(os.path.expanduser(named))
    return os.path.join(_xdg("XDG_DATA_HOME", ".local/share"), _NAME, "store")


def lower_store_dirs() -> tuple[str, ...]:
    """Stores of others that are read below the own one, in the order of `SHIPWAY_STORE_LOWER` (separated by `:`)."""
    named = os.environ.get("SHIPWAY_STORE_LOWER", "")
    return tuple(os.path.abspath(os.path.expanduser(path)) for path in named.split(":") if path)


def state_dir() -> str:
    """What outlives a run but can be lost: homes of projects, kept containers, logs."""
    return os.path.join(_xdg("XDG_STATE_HOME", ".local/state"), _NAME)


def config_dir() -> str:
    """The user's own settings."""
    return os.path.join(_xdg("XDG_CONFIG_HOME", ".config"), _NAME)


def cache_dir() -> str:
    """What can be deleted at any time and is made again: the resolver's cache of metadata."""
    return os.path.join(_xdg("XDG_CACHE_HOME", ".cache"), _NAME)


def runtime_dir() -> str:
    """What lives no longer than this boot: sockets, leases, probe results.

    `XDG_RUNTIME_DIR` is absent on batch nodes and logins without a session manager, and after `su` it may be
    another user's; then a folder below the state folder stands in, for it is ours by construction.
    """
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(given) and _is_own_directory(given):
        return os.path.join(given, _NAME)
    return os.path.join(state_dir(), "runtime")


def _xdg(variable: str, below_home: str) -> str:
    """The folder `variable` names; a relative value is ignored, as the XDG rules say."""
    given = os.environ.get(variable, "")
    return given if os.path.isabs(given) else os.path.join(home_dir(), below_home)


def _is_own_directory(path: str) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return status.st_uid == os.geteuid() and os.access(path, os.W_OK | os.X_OK)
