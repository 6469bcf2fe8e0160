"""Where this host has a locked wheel or sdist: alias and file name -> addresses, best first, each looked up only when needed.

A remembered address comes first (it costs nothing, and a wrong one costs one 404); then the page of the project in each place of
the alias; then the host's other indexes, which may hold the same bytes. The caller checks every byte against the lock.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any, Protocol
from urllib.parse import quote, urljoin

from shipway.core.errors import FetchError, NotFound
from shipway.host.http import Fetcher, NotOffered
from shipway.host.indexes import DEFAULT, Index, IndexTable
from shipway.host.location import Location, origin_of
from shipway.lock.model import Source, Wheel
from shipway.resolve.simple_api import ACCEPT, file_location, parse_project, project_url

_KIND = "wheel-location"


class Memory(Protocol):
    """A cache of small facts, as the store has one."""

    def record(self, kind: str, key: str) -> dict[str, Any] | None:
        """What is remembered, or None."""
        ...

    def put_record(self, kind: str, key: str, value: dict[str, Any]) -> None:
        """Remember."""
        ...


class Forgetful:
    """A `Memory` that has none."""

    def record(self, kind: str, key: str) -> dict[str, Any] | None:
        """Nothing."""
        del kind, key
        return None

    def put_record(self, kind: str, key: str, value: dict[str, Any]) -> None:
        """Nothing is kept."""


class WheelLocator:
    """Finds files in indexes. Safe to use from several threads; it writes to `memory` under a lock."""

    def __init__(self, table: IndexTable, fetcher: Fetcher, memory: Memory | None = None) -> None:
        self._table, self._fetcher = table, fetcher
        self._memory = Forgetful() if memory is None else memory
        self._writing = threading.Lock()

    def locate(self, artifact: Wheel | Source) -> Iterator[Location]:
        """Where `artifact` may be had. Empty for what is built here or comes from git.

        Raises:
            NotFound: this host does not know its index.
            FetchError: an index does not answer, and nobody else has the file.
        """
        if not artifact.index:
            return
        index = self._table.require(artifact.index)
        known = self._memory.record(_KIND, _key(artifact))
        remembered = str(known["url"]) if known and isinstance(known.get("url"), str) else ""
        if remembered:
            yield _with_auth_of(index, remembered)
        trouble: FetchError | None = None
        found = bool(remembered)
        for root in index.locations:
            try:
                url = self._look_up(root, artifact, flat=index.flat)
            except NotOffered:
                continue
            except FetchError as error:
                trouble = trouble or error
                continue
            if url and url != remembered:
                self.remember(artifact, url)
                found = True
                yield file_location(root, url)
        for place in self._elsewhere(artifact):
            found = True
            yield place
        if trouble is not None and not found:
            raise trouble

    def remember(self, artifact: Wheel | Source, url: str) -> None:
        """Keep an address for the next time. Credentials never get in: they are apart from every address."""
        with self._writing:
            self._memory.put_record(_KIND, _key(artifact), {"url": url})

    def _elsewhere(self, artifact: Wheel | Source) -> Iterator[Location]:
        for root in (*self._table.extras, *self._default_for(artifact)):
            try:
                url = self._look_up(root, artifact, flat=False)
            except FetchError:
                continue  # nobody said that it is there
            if url:
                yield file_location(root, url)

    def _default_for(self, artifact: Wheel | Source) -> tuple[Location, ...]:
        if artifact.index == DEFAULT:
            return ()
        try:
            return self._table.require(DEFAULT).locations
        except NotFound:
            return ()

    def _look_up(self, root: Location, artifact: Wheel | Source, *, flat: bool) -> str:
        """The address of the file below `root`, or empty."""
        if flat:
            return f"{root.url.rstrip('/')}/{quote(artifact.filename)}"
        page = Location(project_url(root.url, artifact.name), auth=root.auth, proxy=root.proxy)
        response = self._fetcher.get(page, accept=ACCEPT, name=f"index page of {artifact.name}")
        if response.content_type.endswith("json"):
            url = _quick_find(response.body, artifact.filename)
            if url:
                return urljoin(response.url, url)
        for file in parse_project(response):
            if file.filename == artifact.filename:
                return file.url
        return ""


def _quick_find(body: bytes, filename: str) -> str:
    """The address in a JSON page without parsing it: pages of large projects have thousands of files. Empty: parse it."""
    tail = re.escape(quote(filename).encode())
    match = re.search(rb'"url":\s?"(https?://[^"\\\s]{1,400}/' + tail + rb')"', body)
    return match[1].decode("ascii", "replace") if match else ""


def _with_auth_of(index: Index, url: str) -> Location:
    for root in index.locations:
        if origin_of(root.url) == origin_of(url):
            return file_location(root, url)
    return Location(url, proxy=index.locations[0].proxy)


def _key(artifact: Wheel | Source) -> str:
    return f"{artifact.sha256}/{artifact.filename}"
