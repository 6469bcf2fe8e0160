"""The machine we are on, as the checks of `doctor` see it."""

from __future__ import annotations

import os
import pwd
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from shipway.core.errors import ToolError
from shipway.host import dirs, files
from shipway.host.proc import Command, find_tool, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipway.host.location import Location

_PATIENCE = 10.0
"""Seconds that a program may take to say its version."""


class ThisMachine:
    """Looks when it is asked, and only once for what takes long."""

    def __init__(self, project: str, *, offline: bool) -> None:
        self.uid = os.geteuid()
        self.user = _user_name(self.uid)
        self.offline = offline
        self._project = project
        self._features: Mapping[str, str] | None = None

    def text(self, path: str) -> str | None:
        """The file's text, or None."""
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return None

    def features(self) -> Mapping[str, str]:
        """Kernel features as probed now, not as remembered."""
        if self._features is None:
            from shipway.sandbox.probe import probe

            self._features = probe().reasons()
        return self._features

    def tool(self, name: str) -> str | None:
        """Absolute path of a program, or None."""
        return find_tool(name)

    def closed(self, path: str) -> str:
        """Why a device cannot be opened for reading and writing, or empty text."""
        from shipway.run.network.bridge import tun_trouble

        return tun_trouble(path)

    def output(self, *argv: str) -> str | None:
        """First line that a program prints, or None when it fails."""
        try:
            finished = run(Command(argv=argv), timeout=_PATIENCE)
        except ToolError:
            return None
        lines = finished.text.strip().splitlines()
        return lines[0] if finished.code == 0 and lines else None

    def free(self, path: str) -> int:
        """Free bytes where `path` is or would be."""
        return files.free_bytes(_existing(path))

    def filesystem(self, path: str) -> str:
        """Kind of the file system where `path` is or would be."""
        return files.filesystem_type(_existing(path))

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def places(self) -> Mapping[str, str]:
        """`store`, `state`, `runtime`, `project` with their folders."""
        return {
            "store": dirs.store_dir(),
            "state": dirs.state_dir(),
            "runtime": dirs.runtime_dir(),
            "project": self._project,
        }

    def mirrors(self) -> Mapping[str, tuple[Location, ...]]:
        """OS archives, each with a folder that every mirror of it has."""
        from shipway.verbs.network import read_host_mirrors

        mirrors = read_host_mirrors()
        return {alias: tuple(mirrors.locations(alias, "dists/")) for alias in mirrors.urls}

    def indexes(self) -> Mapping[str, tuple[Location, ...]]:
        """Python indexes, each with the page of a package that every public one has."""
        from shipway.verbs.network import read_host_indexes

        return {
            alias: tuple(replace(place, url=place.url.rstrip("/") + "/pip/") for place in places)
            for alias, places in read_host_indexes().items()
        }

    def reach(self, place: Location) -> str:
        """Empty text when `place` answers, else why not."""
        from shipway.verbs.network import reach

        return reach(place)

    def certificates(self) -> str:
        """Path of the certificate bundle that is used, or empty."""
        from shipway.host.http_settings import find_bundle

        bundle = find_bundle(os.environ)
        return bundle.path if bundle else ""


def _existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
