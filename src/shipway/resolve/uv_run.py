"""uv at work: a stand-in project in a private folder is locked; nothing of any project runs on the host."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence

from shipway.core.errors import FetchError, OfflineError, ToolError
from shipway.host import clock
from shipway.host.dirs import cache_dir
from shipway.host.indexes import DEFAULT, Index
from shipway.host.location import Auth, Location
from shipway.host.proc import Command, run
from shipway.host.scratch import scratch_folder
from shipway.host.uv_tool import uv_environment, uv_program
from shipway.resolve.uv_project import UvProject, render_project, render_settings

_ASKED = "shipway-asked"
"""A file beside uv's buckets: its time is when index pages were last read anew."""
_FRESH = 600.0
"""Seconds."""
_NETWORK_SIGNS = (
    "Failed to fetch",
    "error sending request",
    "Request failed",
    "Failed to download",
    "operation timed out",
)
_BROKEN_SIGNS = (
    "Failed to deserialize",
    "invalid JSON",
    "Unsupported `Content-Type`",
    "Failed to read metadata",
    "Received some unexpected",
)


def forget_index_pages(cache: str) -> None:
    """Make uv read every index page anew. Its own `--refresh` yields to the age that our settings allow pages to have.

    The rename takes them away at once, so that a uv that runs beside us finds none, never half of one.
    """
    for name in os.listdir(cache):
        if name.startswith("simple-"):
            with tempfile.TemporaryDirectory(prefix="old-", dir=cache, ignore_cleanup_errors=True) as away:
                os.rename(os.path.join(cache, name), os.path.join(away, name))
    _write(os.path.join(cache, _ASKED), "")


def index_pages_are_old() -> bool:
    """Whether the index pages at hand were asked for longer ago than a registry itself lets a client keep them."""
    try:
        return clock.now() - os.stat(os.path.join(uv_cache(), _ASKED)).st_mtime > _FRESH
    except FileNotFoundError:
        return True


class NoSolution(Exception):
    """uv found no set of versions; `text` is its reasoning."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def uv_cache() -> str:
    """Our own cache of what uv downloads; never the one that the caller's uv links environments to."""
    path = os.path.join(cache_dir(), "uv")
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path


def run_uv_lock(
    project: UvProject,
    preferences: str,
    *,
    default: Location,
    indexes: Sequence[Index] = (),
    searched: Sequence[str] = (),
    folder: str = "",
    offline: bool = False,
    refresh: bool = False,
    environ: Mapping[str, str] | None = None,
) -> tuple[str, tuple[str, ...]]:
    """The `uv.lock` for `project`, and what uv warned of.

    `indexes`: all but the default one; `searched`: aliases of those that any package may come from, strongest first; `folder`:
    wheels that were built here; `refresh`: ask for every index page anew, instead of taking one of today.

    Raises:
        NoSolution: the requirements cannot be satisfied.
        FetchError: an index did not answer as it should.
        OfflineError: the network is forbidden and the cache has too little.
    """
    environ = os.environ if environ is None else environ
    cache = uv_cache()
    if refresh:
        forget_index_pages(cache)
    env = uv_environment(environ, cache)
    env.update(_variables(default, indexes, folder))
    argv = [
        uv_program(),
        "lock",
        "--no-build",
        "--python",
        sys.executable,
        "--config-file",
        "uv.toml",
        *(["--offline"] if offline else []),
    ]
    by_alias = {index.alias: index for index in indexes}
    with scratch_folder("lock-") as place:
        _write(os.path.join(place, "pyproject.toml"), render_project(project))
        _write(
            os.path.join(place, "uv.toml"), render_settings(default, [by_alias[alias] for alias in searched])
        )
        if preferences:
            _write(os.path.join(place, "uv.lock"), preferences)
        finished = run(Command(argv=tuple(argv), env=env, cwd=place))
        if finished.code:
            raise _failure(_words(finished.stderr), offline=offline)
        with open(os.path.join(place, "uv.lock"), encoding="utf-8") as file:
            return file.read(), _warnings(finished.stderr.decode("utf-8", "replace"))


def _words(stderr: bytes) -> str:
    """What uv says to somebody who does not know that it is uv: without its Python, and without our own `--no-build`."""
    lines = stderr.decode("utf-8", "replace").splitlines()
    return "\n".join(line for line in lines if not line.startswith("Using CPython"))


def _warnings(text: str) -> tuple[str, ...]:
    return tuple(line.removeprefix("warning: ") for line in text.splitlines() if line.startswith("warning: "))


def _variables(default: Location, indexes: Sequence[Index], folder: str) -> dict[str, str]:
    """Credentials travel in the environment: that is in no command line, no file and no lock."""
    variables = _credentials(DEFAULT, default)
    for index in indexes:
        variables.update(_credentials(index.alias, index.locations[0]))
    return {**variables, "UV_FIND_LINKS": folder} if folder else variables


def _credentials(name: str, place: Location) -> dict[str, str]:
    if not isinstance(place.auth, Auth):
        return {}
    upper = re.sub(r"[^A-Z0-9]", "_", name.upper())
    return {f"UV_INDEX_{upper}_USERNAME": place.auth.user, f"UV_INDEX_{upper}_PASSWORD": place.auth.password}


def _failure(text: str, *, offline: bool) -> Exception:
    """What went wrong, by the recorded forms of uv 0.13's messages (tests/unit/resolve/test_wheels_uv_messages.py)."""
    if offline and ("network connectivity is disabled" in text or "network was disabled" in text):
        return OfflineError(
            "the Python packages have to be looked up, and the network is switched off",
            hints=["leave out --offline"],
        )
    if "lack of valid authentication credentials" in text:
        return FetchError(
            "a Python index asks for credentials, and has none or refuses them",
            hints=["put them into ~/.netrc, or into the address that the host's uv or pip configuration has"],
            detail=text,
        )
    if "No solution found" in text:
        return NoSolution(text)
    if any(sign in text for sign in (*_NETWORK_SIGNS, *_BROKEN_SIGNS)):
        place = re.search(r"https?://[^\s`)]+", text)
        where = f" at `{place[0]}`" if place else ""
        return FetchError(
            f"a Python index{where} does not answer as an index should",
            hints=[
                "run the command again",
                "run `shipway doctor` to check indexes, proxies and certificates",
            ],
            detail=text,
        )
    return ToolError(
        "uv could not resolve the Python packages", hints=["the lines below are uv's own"], detail=text
    )


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
