"""Fetching: bytes named by sha256, from whichever location delivers them; and small documents.

`Fetcher` is safe to share between threads. What a server sends is believed only as far as the digest proves it. Every failed
attempt is kept, so that the error can name each location and its reason.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from types import TracebackType

from shipway.core.digest import BlobDigest, Digest
from shipway.core.errors import FetchError, HashMismatch, OfflineError
from shipway.core.events import Did, Emit, Moved, silent
from shipway.core.text import shown
from shipway.host.http_transport import Answer, FindCertificates, Limits, TransferFailed, Transport
from shipway.host.location import Auth, Bearer, Location, parse_location
from shipway.host.transfer import CHUNK, Meter, Partial, check_status, copy_file, read_local_document

__all__ = [
    "Auth",
    "Bearer",
    "CredentialsRefused",
    "FetchJob",
    "Fetched",
    "Fetcher",
    "Limits",
    "Location",
    "NotOffered",
    "Response",
    "TooLarge",
    "parse_location",
]

_AGENT = {"User-Agent": "shipway"}
_MANY = 8


class NotOffered(FetchError):
    """Nobody delivers it, and at least one location says clearly that it is gone: 404 or 410, or no such file.

    A mirror that dropped a file beside a snapshot service that is out of reach is the same as two mirrors that dropped it.
    """


class TooLarge(FetchError):
    """It is there, and larger than was asked for."""


class CredentialsRefused(FetchError):
    """It wants credentials, or others than it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A small document."""

    body: bytes
    url: str
    """Where it came from in the end; relative links start here."""
    content_type: str
    headers: Mapping[str, str]
    """Names in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file that is complete on disk (written, not yet synced)."""

    path: str
    sha256: BlobDigest
    size: int
    url: str
    """The location that delivered its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchJob:
    """One file to fetch: see `Fetcher.fetch`."""

    sources: Iterable[Location]
    path: str
    sha256: Digest | None
    size: int | None
    name: str = ""


@dataclass(slots=True)
class _Candidate:
    location: Location
    reason: str = ""
    tries: int = 0
    dead: bool = False
    missing: bool = False
    large: bool = False
    refused: bool = False
    mismatches: int = 0
    slow: bool = False
    wait: float = 0.0

    def __enter__(self) -> None:
        self.tries += 1

    def __exit__(
        self, kind: type[BaseException] | None, failed: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Keep a failed transfer as the reason, for the report; let anything else through."""
        if not isinstance(failed, TransferFailed):
            return False
        self.reason, self.dead, self.wait = failed.reason, failed.final, failed.wait
        self.missing, self.slow, self.large = failed.missing, failed.slow, failed.large
        self.refused = failed.refused
        return True


class Fetcher:
    """The way to the network. `offline` refuses everything but `file:` locations."""

    def __init__(
        self,
        *,
        offline: bool = False,
        emit: Emit = silent,
        limits: Limits | None = None,
        environ: Mapping[str, str] | None = None,
        sleep: Callable[[float], object] | None = None,
        netrc: bool = True,
        certificates: FindCertificates | None = None,
    ) -> None:
        """`certificates`: see `Transport`."""
        self.offline = offline
        self._emit = emit
        self._emitting = threading.Lock()
        self._limits = limits or Limits()
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self.environ = os.environ if environ is None else environ
        """What the host says about proxies, certificates and credentials."""
        self._transport = Transport(self.environ, self._limits, netrc=netrc, certificates=certificates)

    def fetch(
        self,
        sources: Iterable[Location],
        path: str,
        sha256: Digest | None,
        size: int | None,
        *,
        phase: str = "fetch",
        name: str = "",
        keep: bool = False,
    ) -> Fetched:
        """Stream the bytes of digest `sha256` (None: unknown, any are taken) and `size` (None: unknown) to the file `path`.

        `path` is made or emptied, and removed on failure; with `keep`, which needs a digest, what is there is gone on with, and
        what has come stays for another call. Locations are tried in order, each taken from
        `sources` only when the ones before it failed; a transfer that broke is resumed; wrong
        bytes are fetched once more past every cache.

        Raises:
            NotOffered: nobody delivers it, and some location says it has no such thing.
            HashMismatch: what can be had is something else, twice.
            FetchError: anything else, with each location and reason.
            OfflineError: the network is forbidden and no `file:` location has it.
            NoSpace: the disk is full.
        """
        label = name or os.path.basename(path)
        waiting = self._allowed(sources, label)
        candidates: list[_Candidate] = []
        partial = Partial(path, lambda count: self._say(Moved(phase, label, count)), keep=keep)
        done = keep
        try:
            url = _whole(partial, sha256, size) or self._from_any(candidates, waiting, partial, sha256, size)
            if not url:
                raise _failure(candidates, label, sha256)
            done = True
        finally:
            partial.close()
            if not done:
                os.unlink(path)
        self._say(Did(phase, label))
        return Fetched(
            path=path, sha256=BlobDigest.from_hex(partial.hasher.hexdigest()), size=partial.size, url=url
        )

    def fetch_many(
        self, jobs: Iterable[FetchJob], *, workers: int = _MANY, phase: str = "fetch"
    ) -> Iterator[tuple[FetchJob, Fetched]]:
        """Fetch `jobs` in parallel and yield each as it completes. The first failure stops the rest and is raised."""
        with ThreadPoolExecutor(workers, thread_name_prefix="fetch") as pool:
            running: dict[Future[Fetched], FetchJob] = {
                pool.submit(
                    self.fetch, job.sources, job.path, job.sha256, job.size, phase=phase, name=job.name
                ): job
                for job in jobs
            }
            try:
                for future in as_completed(running):
                    yield running[future], future.result()
            except BaseException:
                self._stopped.set()
                pool.shutdown(wait=True, cancel_futures=True)
                self._stopped.clear()  # nothing of this call runs any more
                raise

    def get(
        self,
        source: Location | str,
        *,
        accept: str = "*/*",
        max_size: int = 64 << 20,
        headers: Mapping[str, str] | None = None,
        name: str = "",
    ) -> Response:
        """A document of at most `max_size` bytes. HTML is refused unless `accept` names it. A `file:` folder is its `index.html`.

        Raises:
            NotOffered: 404 or 410.
            FetchError: anything else.
            OfflineError: the network is forbidden.
        """
        location = parse_location(source) if isinstance(source, str) else source
        label = name or str(location)
        candidates = [_Candidate(location) for location in self._allowed([location], label)]
        asked = {**_AGENT, "Accept": accept, "Accept-Encoding": "gzip", **(headers or {})}
        for _ in self._rounds(candidates):
            with candidates[0]:
                return self._document(candidates[0].location, asked, max_size)
        raise _failure(candidates, label, None)

    def find_size(self, source: Location, *, name: str = "") -> int | None:
        """How many bytes the file at `source` has, as its server says before it sends them; None where it does not say.

        Raises:
            NotOffered: 404 or 410.
            FetchError: anything else.
            OfflineError: the network is forbidden.
        """
        label = name or str(source)
        candidates = [_Candidate(location) for location in self._allowed([source], label)]
        asked = {**_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        for _ in self._rounds(candidates):
            with candidates[0], self._transport.open(candidates[0].location, asked) as answer:
                check_status(answer, None, None)
                return answer.length
        raise _failure(candidates, label, None)

    def stop(self) -> None:
        """End every transfer in progress at its next chunk, and every wait at once; for a caller that is interrupted.

        May be called from any thread. The fetches fail with `FetchError`; later ones do too.
        """
        self._stopped.set()

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()

    def _allowed(self, sources: Iterable[Location], label: str) -> Iterator[Location]:
        """Those of `sources` that may be asked, one by one.

        Raises:
            NotOffered, OfflineError: at the end, when there was none.
        """
        given = refused = 0
        for location in sources:
            given += 1
            if self.offline and not location.url.startswith("file:"):
                refused += 1
            else:
                yield location
        if not given:
            raise NotOffered(f"nobody offers `{shown(label)}`", hints=["add a mirror or index that has it"])
        if refused == given:
            raise OfflineError(
                f"`{shown(label)}` has to be fetched, and the network is switched off",
                hints=["leave out --offline"],
            )

    def _say(self, event: Moved | Did) -> None:
        with self._emitting:
            self._emit(event)

    def _rounds(self, candidates: list[_Candidate]) -> Iterator[int]:
        """Round numbers while any candidate is alive; waits between rounds, as long as the servers ask within bounds."""
        pause = self._limits.pause
        for number in range(self._limits.rounds):
            if number:
                asked = max((c.wait for c in candidates if not c.dead), default=0.0)
                self._sleep(min(max(pause, asked), self._limits.pause_most))
                pause *= 2
            yield number
            if all(candidate.dead for candidate in candidates) or self._stopped.is_set():
                return

    def _from_any(
        self,
        candidates: list[_Candidate],
        waiting: Iterator[Location],
        partial: Partial,
        sha256: Digest | None,
        size: int | None,
    ) -> str:
        """The URL that delivered, or empty; then `candidates` say why."""
        for _ in self._rounds(candidates):
            for candidate in itertools.chain(tuple(candidates), _joining(candidates, waiting)):
                url = "" if candidate.dead else self._while_it_moves(candidate, partial, sha256, size)
                if url:
                    return url
        return ""

    def _while_it_moves(
        self, candidate: _Candidate, partial: Partial, sha256: Digest | None, size: int | None
    ) -> str:
        """Ask one location, again at once while attempts bring bytes or after wrong ones; empty if it failed."""
        fresh = False
        for _ in range(self._limits.resumes):
            before = partial.size
            with candidate:
                url = self._attempt(candidate.location, partial, size, keep=sha256 is not None, fresh=fresh)
                if sha256 is None or partial.hasher.hexdigest() == sha256.hex:
                    return url
                candidate.mismatches += 1
                found = f"sends other bytes (sha256 {partial.hasher.hexdigest()[:12]}…, {partial.size} bytes)"
                partial.restart()
                raise TransferFailed(found, final=candidate.mismatches > 1)
            given_up = candidate.dead or candidate.slow or self._stopped.is_set()
            if given_up or not (candidate.mismatches or partial.size > before):
                break
            fresh = candidate.mismatches > 0
        return ""

    def _attempt(
        self, location: Location, partial: Partial, size: int | None, *, keep: bool, fresh: bool
    ) -> str:
        """Move bytes from `location` to the end of `partial`; the URL they came from."""
        if location.url.startswith("file:"):
            partial.restart()
            copy_file(location, partial)
            return location.url
        if not keep or fresh:
            partial.restart()
        headers = {**_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        if fresh:
            headers.update({"Cache-Control": "no-cache", "Pragma": "no-cache"})
        if partial.size:
            headers["Range"] = f"bytes={partial.size}-"
        with self._transport.open(location, headers) as answer:
            check_status(answer, partial, size)
            self._pump(answer, partial, size)
            return answer.url

    def _pump(self, answer: Answer, partial: Partial, size: int | None) -> None:
        promised = None if answer.length is None else partial.size + answer.length
        meter = Meter(self._limits)
        while chunk := answer.read_some(CHUNK):
            if size is not None and partial.size + len(chunk) > size:
                partial.restart()
                raise TransferFailed(f"sends more than the {size} bytes that were expected", final=True)
            partial.write(chunk)
            meter.count(len(chunk))
            if self._stopped.is_set():
                raise TransferFailed("stopped", final=True)
        wanted = size if size is not None else promised
        if wanted is not None and partial.size < wanted:
            raise TransferFailed(f"ended after {partial.size} of {wanted} bytes")

    def _document(self, location: Location, headers: Mapping[str, str], max_size: int) -> Response:
        if location.url.startswith("file:"):
            body, url, kind = read_local_document(location.url, max_size)
            return Response(body=body, url=url, content_type=kind, headers={})
        with self._transport.open(location, headers) as answer:
            check_status(answer, None, None)
            if (
                answer.content_type == "text/html"
                and "html" not in headers["Accept"]
                and headers["Accept"] != "*/*"
            ):
                raise TransferFailed("answered with an HTML page", final=True)
            parts, total, meter = [], 0, Meter(self._limits)
            while chunk := answer.read_some(CHUNK, decode=True):
                total += len(chunk)
                if total > max_size:
                    raise TransferFailed(f"sends more than {max_size} bytes", final=True, large=True)
                parts.append(chunk)
                meter.count(len(chunk))
            lowered = {name.lower(): value for name, value in answer.headers.items()}
            return Response(
                body=b"".join(parts), url=answer.url, content_type=answer.content_type, headers=lowered
            )


def _whole(partial: Partial, sha256: Digest | None, size: int | None) -> str:
    """The URL of what an earlier call has brought, if that is all; what cannot be the beginning is forgotten."""
    if sha256 is not None and partial.size and partial.hasher.hexdigest() == sha256.hex:
        return f"file://{partial.path}"
    if size is not None and partial.size >= size:
        partial.restart()
    return ""


def _joining(candidates: list[_Candidate], waiting: Iterator[Location]) -> Iterator[_Candidate]:
    """Take locations from `waiting` one by one, as long as the loop goes on."""
    for location in waiting:
        candidates.append(_Candidate(location))
        yield candidates[-1]


def _failure(candidates: list[_Candidate], label: str, sha256: Digest | None) -> FetchError | HashMismatch:
    lines = [
        f"  {c.location}: {c.reason or 'not asked'}" + (f" ({c.tries} times)" if c.tries > 1 else "")
        for c in candidates
    ]
    tried = "\n" + "\n".join(lines)
    name = f"`{shown(label)}`"
    if any(c.mismatches > 1 for c in candidates) and sha256 is not None:
        return HashMismatch(
            f"{name} is not what the lock names (sha256 {sha256.hex[:12]}…), fetched twice{tried}",
            hints=[
                "look whether the mirror or a proxy alters files",
                "run `shipway lock --repair` if the file was replaced there",
            ],
        )
    if any(c.large for c in candidates):
        return TooLarge(f"{name} is larger than expected{tried}", hints=["look what the server sends"])
    if any(c.missing for c in candidates):
        return NotOffered(f"{name} is not there{tried}", hints=["add a mirror or index that has it"])
    if any(c.refused for c in candidates):
        return CredentialsRefused(
            f"{name} is not given to everybody{tried}",
            hints=["put user and password of that host into `~/.netrc`"],
        )
    return FetchError(
        f"{name} could not be fetched{tried}",
        hints=["run the command again", "run `shipway doctor` to check mirrors, proxies and certificates"],
    )
