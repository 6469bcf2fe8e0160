"""One repository of one registry: manifests, blobs, tags, referrers (distribution-spec 1.1)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urljoin, urlsplit

from shipway.core.digest import Digest
from shipway.core.errors import FetchError, HashMismatch, HostileInput, NotFound, OfflineError
from shipway.core.events import Emit, Note, silent
from shipway.core.reference import Reference
from shipway.core.text import shown
from shipway.host.credentials import Credentials
from shipway.host.http import CredentialsRefused, Fetcher, NotOffered
from shipway.host.http_transport import Limits, Transport
from shipway.host.location import Location, redacted
from shipway.host.registries import RegistrySettings
from shipway.image.registry.challenge import Scope
from shipway.image.registry.model import Descriptor, Found, RemoteManifest
from shipway.image.registry.referrers import parse_referrers, referrers_tag
from shipway.image.registry.search import search
from shipway.image.registry.session import Endpoint, Reply
from shipway.image.registry.upload import Uploads

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    INDEX_TYPE,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFEST_MOST = 4 << 20
_OK, _CREATED, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 200, 201, 401, 403, 404
_PAGE = 1000
_PAGES = 100
_CATALOG = (Scope(kind="registry", name="catalog", actions=("*",)),)


def open_registry(
    reference: Reference,
    *,
    settings: RegistrySettings,
    push: bool,
    emit: Emit = silent,
    limits: Limits | None = None,
    credentials: Credentials | None = None,
) -> Registry:
    """The repository that `reference` names, to be used as a context manager. Nothing is asked yet.

    `push`: ask for the right to write, and ask the registry itself instead of its mirrors. `credentials`: to be used in place
    of those that the host keeps.

    Raises:
        ToolError: the reference has no registry and the host has no default one (USAGE).
        OfflineError: the network is forbidden.
    """
    whole = settings.complete(reference)
    if settings.offline:
        raise OfflineError(
            f"`{whole.name}` is in a registry, and the network is switched off",
            hints=["leave out --offline"],
        )
    return Registry(whole, settings, push=push, emit=emit, limits=limits or Limits(), credentials=credentials)


class Registry:
    """Safe to share between threads. Every method raises `FetchError` when the registry does not do its part."""

    def __init__(
        self,
        reference: Reference,
        settings: RegistrySettings,
        *,
        push: bool,
        emit: Emit,
        limits: Limits,
        credentials: Credentials | None,
    ) -> None:
        self.name = reference.registry
        self.repository = reference.repository
        self._emit = emit
        self._stopped = threading.Event()
        own = settings.certificates
        self._transport = Transport(settings.environ, limits, netrc=False, certificates=own)
        self._fetcher = Fetcher(
            emit=emit, limits=limits, environ=settings.environ, netrc=False, certificates=own
        )
        place = settings.place(self.name)
        self._endpoints = tuple(
            Endpoint(
                url, place, self.repository, settings, self._transport, limits, self._stopped, credentials
            )
            for url in (*(() if push or credentials else place.mirrors), place.base)
        )
        self._finder = Endpoint(
            place.search or place.base,
            place,
            self.repository,
            settings,
            self._transport,
            limits,
            self._stopped,
            credentials,
        )
        self._actions = ("pull", "push") if push else ("pull",)
        self._uploads = Uploads(self._own, self.repository, self._scopes(self._own), emit, limits)

    @property
    def _own(self) -> Endpoint:
        return self._endpoints[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def stop(self) -> None:
        """End what is in progress, from any thread; later calls fail."""
        self._stopped.set()
        self._fetcher.stop()

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()
        self._fetcher.close()

    def get_manifest(self, reference: Reference, accept: Sequence[str] = MANIFEST_TYPES) -> RemoteManifest:
        """The manifest or index that `reference` selects, from the first mirror that has it, else from the registry.

        Raises:
            NotFound: there is none.
            HashMismatch: it is not what the reference's digest names.
            HostileInput: it states another media type than it was sent with, or is none of `accept`.
        """
        headers = {"Accept": ", ".join(accept)}
        for endpoint in self._endpoints:
            last = endpoint is self._own
            url = endpoint.url(f"{endpoint.name_of(self.repository)}/manifests/{reference.selector}")
            try:
                reply = endpoint.ask("GET", url, self._scopes(endpoint), headers=headers, most=_MANIFEST_MOST)
                endpoint.require(reply, (_OK,), f"`{reference.text}`")
                return _checked_manifest(reply, reference, accept)
            except (FetchError, HashMismatch, HostileInput, NotFound) as error:
                if last:
                    raise
                if not isinstance(error, NotFound):
                    self._emit(
                        Note(f"the mirror `{endpoint.origin}` is passed over: {error.message}", "warning")
                    )
        raise AssertionError("the registry itself is always asked")

    def find_digest(self, reference: Reference) -> Digest | None:
        """What the registry says a tag or digest holds now; None when it holds nothing."""
        endpoint = self._own
        url = endpoint.url(f"{endpoint.name_of(self.repository)}/manifests/{reference.selector}")
        headers = {"Accept": ", ".join(MANIFEST_TYPES)}
        reply = endpoint.ask("HEAD", url, self._scopes(endpoint), headers=headers)
        if reply.status == _NOT_FOUND:
            return None
        endpoint.require(reply, (_OK,), f"`{reference.text}`")
        stated = _stated_digest(reply)
        return stated or self.get_manifest(reference).digest

    def fetch_blob(self, digest: Digest, size: int, path: str, *, name: str = "") -> None:
        """Write the blob to the file `path`, which is made or emptied, and removed on failure.

        A transfer that breaks is resumed; mirrors come first; nothing but `size` bytes of `digest` is left there.

        Raises:
            NotFound: nobody has it.
            HashMismatch: what can be had is something else.
            NoSpace: the disk is full.
        """
        label = name or digest
        try:
            try:
                self._fetcher.fetch(self._blob_places(digest), path, digest, size, phase="pull", name=label)
            except (
                CredentialsRefused,
                NotOffered,
            ):  # one place may lack it, and the other wait for credentials
                for endpoint in self._endpoints:
                    self._head_blob(endpoint, digest)
                self._fetcher.fetch(self._blob_places(digest), path, digest, size, phase="pull", name=label)
        except CredentialsRefused as refused:
            raise self._own.access_refused_for(f"blob `{digest}`", refused.message) from refused
        except NotOffered as missing:
            raise NotFound(
                f"the registry `{self.name}` has no blob `{digest}`, which the image needs",
                hints=["push the image again from where it was made"],
                detail=self._own.auth.hidden(missing.message),
            ) from missing
        except HashMismatch as wrong:
            raise HashMismatch(
                f"the registry `{self.name}` sends other bytes than blob `{digest}` has",
                hints=["look whether the registry, a mirror or a proxy alters files"],
                detail=self._own.auth.hidden(wrong.message),
            ) from wrong

    def has_blob(self, digest: Digest) -> bool:
        """Whether this repository holds the blob."""
        reply = self._head_blob(self._own, digest)
        if reply.status == _NOT_FOUND:
            return False
        self._own.require(reply, (_OK,), f"blob `{digest}`")
        return True

    def mount_blob(self, digest: Digest, from_repository: str) -> bool:
        """Have the registry take the blob from another repository of its own; whether it did."""
        return self._uploads.mount(digest, from_repository)

    def push_blob(
        self,
        digest: Digest,
        size: int,
        opened: Callable[[], Iterator[bytes]],
        *,
        name: str = "",
    ) -> None:
        """Send a blob. What `opened` yields is hashed on the way; wrong bytes never become a blob. Breaks are resumed.

        Raises:
            HashMismatch: `opened` yields other bytes than `digest` and `size` say.
        """
        self._uploads.push(digest, size, opened, name=name or digest)

    def put_manifest(self, reference: Reference, body: bytes, media_type: str) -> Digest:
        """Store a manifest or index under the tag of `reference`, or under its digest; a tag that exists is moved.

        Raises:
            HostileInput: the registry says that it stored something else.
        """
        digest = Digest.of(body)
        self._put(reference.tag or digest, body, media_type, f"the manifest of `{reference.text}`")
        return digest

    def put_referrer(self, subject: Digest, body: bytes, media_type: str) -> bool:
        """Store the manifest `body`, which attaches something to the manifest `subject`; whether the registry lists it there.

        Raises:
            HostileInput: the registry says that it stored something else.
        """
        reply = self._put(Digest.of(body), body, media_type, f"what is to be attached to `{subject}`")
        return reply.headers.get("oci-subject") == subject

    def _put(self, name: str, body: bytes, media_type: str, what: str) -> Reply:
        digest, endpoint = Digest.of(body), self._own
        url = endpoint.url(f"{endpoint.name_of(self.repository)}/manifests/{name}")
        headers = {"Content-Type": media_type, "Content-Length": str(len(body))}
        reply = endpoint.ask("PUT", url, self._scopes(endpoint), headers=headers, body=body)
        endpoint.require(reply, (_CREATED,), what)
        stated = _stated_digest(reply)
        if stated not in {None, digest}:
            raise HostileInput(
                f"the registry `{self.name}` says that it stored `{stated}` where `{digest}` was sent",
                hints=["do not trust this tag; tell the registry's administrator"],
            )
        return reply

    def list_tags(self) -> tuple[str, ...]:
        """Every tag of the repository, in the registry's order."""
        path = f"{self._own.name_of(self.repository)}/tags/list"
        return tuple(self._listed(path, "tags", self._scopes(self._own)))

    def list_repositories(self) -> tuple[str, ...]:
        """Every repository that the registry admits to (`_catalog`).

        Raises:
            NotFound: it offers no catalog.
        """
        try:
            return tuple(self._listed("_catalog", "repositories", _CATALOG))
        except NotFound as missing:
            raise NotFound(
                f"the registry `{self.name}` offers no list of its repositories",
                hints=["look for the name on the registry's own pages"],
            ) from missing

    def search(self, word: str) -> tuple[Found, ...]:
        """What the registry's own search finds for `word`, the best first.

        Raises:
            NotFound: it offers no search.
        """
        return search(self._finder, word)

    def check_login(self) -> bool:
        """Ask for nothing but an answer; whether the registry wanted to know who asks.

        Raises:
            AccessRefused: the credentials are not taken.
        """
        reply = self._own.ask("GET", self._own.url(""), ())
        self._own.require(reply, (_OK,), "the login")
        return self._own.auth.was_asked

    def referrers(self, digest: Digest) -> tuple[Descriptor, ...]:
        """What was attached to the manifest `digest` (SBOMs, signatures), by the API, else by the tag that stands for it.

        The registry only says so: whoever uses one compares its `subject`.

        Raises:
            HostileInput: it lists without end, or the tag holds something else than an index.
        """
        path = f"{self._own.name_of(self.repository)}/referrers/{digest}"
        scopes, headers = self._scopes(self._own), {"Accept": INDEX_TYPE}
        first = self._own.ask("GET", self._own.url(path), scopes, headers=headers, most=_MANIFEST_MOST)
        if first.status == _OK and first.content_type == INDEX_TYPE:
            pages = self._pages(path, scopes, "the referrers", headers, first)
            return tuple(found for page in pages for found in parse_referrers(page.body, self.name))
        if first.status in {_UNAUTHORIZED, _FORBIDDEN}:
            raise self._own.access_refused(first)
        return parse_referrers(self.referrers_index(digest), self.name)

    def referrers_index(self, digest: Digest) -> bytes:
        """The index under the tag that stands for the referrers of `digest` where a registry has no API for them.

        Raises:
            HostileInput: the tag holds something else than an index.
        """
        reference = self.referrers_tag(digest)
        try:
            return self.get_manifest(reference, (INDEX_TYPE,)).body
        except NotFound:
            return b'{"manifests":[]}'

    def referrers_tag(self, digest: Digest) -> Reference:
        """Where the list of the referrers of `digest` is, if the registry has no API for them."""
        return Reference(registry=self.name, repository=self.repository, tag=referrers_tag(digest))

    def _scopes(self, endpoint: Endpoint) -> tuple[Scope, ...]:
        return (Scope(kind="repository", name=endpoint.name_of(self.repository), actions=self._actions),)

    def _blob_url(self, endpoint: Endpoint, digest: Digest) -> str:
        return endpoint.url(f"{endpoint.name_of(self.repository)}/blobs/{digest}")

    def _blob_places(self, digest: Digest) -> Iterator[Location]:
        for endpoint in self._endpoints:
            auth = endpoint.auth.current(self._scopes(endpoint))
            yield Location(self._blob_url(endpoint, digest), auth=auth)

    def _head_blob(self, endpoint: Endpoint, digest: Digest) -> Reply:
        return endpoint.ask("HEAD", self._blob_url(endpoint, digest), self._scopes(endpoint))

    def _listed(self, path: str, key: str, scopes: tuple[Scope, ...]) -> Iterator[str]:
        """Names from every page."""
        for reply in self._pages(f"{path}?{urlencode({'n': _PAGE})}", scopes, f"the list of {key}"):
            yield from _names(reply, key, self.name)

    def _pages(
        self,
        path: str,
        scopes: tuple[Scope, ...],
        what: str,
        headers: Mapping[str, str] | None = None,
        first: Reply | None = None,
    ) -> Iterator[Reply]:
        """Every page of a list, whose `first` may be here; pages are followed within this list only, and not without end."""
        url = self._own.url(path)
        seen: set[str] = set()
        while url:
            if url in seen or len(seen) >= _PAGES:
                raise HostileInput(
                    f"the registry `{self.name}` lists without end",
                    hints=["tell the registry's administrator"],
                )
            seen.add(url)
            reply = first or self._own.ask("GET", url, scopes, headers=headers, most=_MANIFEST_MOST)
            first = None
            yield self._own.require(reply, (_OK,), what)
            url = self._next_page(reply, url)

    def _next_page(self, reply: Reply, url: str) -> str:
        link = reply.headers.get("link", "")
        target, _, rest = link.partition(">")
        if not target.startswith("<") or 'rel="next"' not in rest.replace("rel=next", 'rel="next"'):
            return ""
        following = urljoin(url, target[1:])
        before, after = urlsplit(url), urlsplit(following)
        if (after.scheme, after.netloc, after.path) != (before.scheme, before.netloc, before.path):
            raise HostileInput(
                f"the registry `{self.name}` continues its list at another place, `{redacted(following)}`",
                hints=["tell the registry's administrator"],
            )
        return following


def _checked_manifest(reply: Reply, reference: Reference, accept: Iterable[str]) -> RemoteManifest:
    digest = Digest.of(reply.body)
    for expected, who in ((reference.digest, "the reference"), (_stated_digest(reply), "the registry")):
        if expected not in {None, digest}:
            raise HashMismatch(
                f"the manifest of `{reference.text}` is `{digest}`, and {who} says `{expected}`",
                hints=["look whether the registry, a mirror or a proxy alters files"],
            )
    table = _json(reply.body)
    stated = table.get("mediaType") if isinstance(table, dict) else None
    kind = reply.content_type
    if not isinstance(table, dict) or kind not in accept or stated not in {None, kind}:
        raise HostileInput(
            f"what the registry calls the manifest of `{reference.text}` is none: "
            f"sent as `{shown(kind)}`" + (f", stated as `{shown(str(stated))}`" if stated else ""),
            hints=["look whether the reference names an image, and not a chart or another artifact"],
        )
    return RemoteManifest(body=reply.body, media_type=kind, digest=digest)


def _stated_digest(reply: Reply) -> Digest | None:
    """`Docker-Content-Digest`, if it is a sha256 digest."""
    try:
        return Digest(reply.headers.get("docker-content-digest", ""))
    except ValueError:
        return None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _names(reply: Reply, key: str, registry: str) -> Iterator[str]:
    table = _json(reply.body)
    names = table.get(key) if isinstance(table, dict) else ()
    names = [] if names is None else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise FetchError(
            f"the registry `{registry}` answered without a list of {key}",
            hints=["tell the registry's administrator"],
        )
    yield from names
