"""One project's page of a Python index: PEP 691 JSON, PEP 503 HTML as a second best. Parsing is pure; `fetch_project` asks."""

from __future__ import annotations

import html.parser
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from shipway.core.errors import FetchError
from shipway.host.http import Fetcher, Location, Response
from shipway.host.location import origin_of, redacted

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
ACCEPT = f"{JSON_TYPE}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """One file that an index offers."""

    filename: str
    url: str = field(repr=False)
    sha256: str = ""
    """Hex, or empty."""
    size: int = 0
    requires_python: str = ""
    yanked: bool = False


def project_url(root: str, name: str) -> str:
    """The page of project `name` below the simple API's `root`."""
    return f"{root.rstrip('/')}/{canonicalize_name(name)}/"


def fetch_project(fetcher: Fetcher, root: Location, name: str) -> tuple[ProjectFile, ...]:
    """What the index at `root` offers of `name`.

    Raises:
        NotOffered: the index has no such project.
        FetchError: it does not answer as an index should.
    """
    place = Location(project_url(root.url, name), auth=root.auth, proxy=root.proxy)
    return parse_project(fetcher.get(place, accept=ACCEPT, name=f"index page of {name}"))


def parse_project(response: Response) -> tuple[ProjectFile, ...]:
    """The files of a page.

    Raises:
        FetchError: the page is neither form.
    """
    local = response.url.startswith("file:")
    if response.content_type.endswith("json"):
        return tuple(file for file in _parse_json(response) if local or _is_remote(file.url))
    if response.content_type in {"text/html", "application/vnd.pypi.simple.v1+html", "application/xhtml+xml"}:
        return tuple(file for file in _parse_html(response) if local or _is_remote(file.url))
    raise FetchError(
        f"`{redacted(response.url)}` is no page of a Python index but `{response.content_type or 'nothing known'}`",
        hints=["check the address of the index"],
    )


def _is_remote(url: str) -> bool:
    """A page from the network must not point at files of this machine."""
    return urlsplit(url).scheme in {"http", "https"}


def _parse_json(response: Response) -> tuple[ProjectFile, ...]:
    try:
        document = json.loads(response.body)
        return tuple(_json_file(entry, response.url) for entry in document["files"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FetchError(
            f"`{redacted(response.url)}` sends broken JSON", hints=["run the command again"]
        ) from error


def _json_file(entry: dict[str, Any], base: str) -> ProjectFile:
    size = entry.get("size")
    return ProjectFile(
        filename=str(entry["filename"]),
        url=urljoin(base, str(entry["url"])),
        sha256=str(entry.get("hashes", {}).get("sha256", "")),
        size=size if isinstance(size, int) else 0,
        requires_python=str(entry.get("requires-python") or ""),
        yanked=bool(entry.get("yanked")),
    )


class _Anchors(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []
        self.base = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in values:
            self.found.append(values)
        elif tag == "base" and not self.base:
            self.base = values.get("href", "")


def _parse_html(response: Response) -> tuple[ProjectFile, ...]:
    parser = _Anchors()
    parser.feed(response.body.decode("utf-8", "replace"))
    base = urljoin(response.url, parser.base)
    files = []
    for anchor in parser.found:
        url, fragment = urldefrag(urljoin(base, anchor["href"]))
        algorithm, _, value = fragment.partition("=")
        files.append(
            ProjectFile(
                filename=unquote(urlsplit(url).path).rpartition("/")[2],
                url=url,
                sha256=value if algorithm == "sha256" else "",
                requires_python=anchor.get("data-requires-python", ""),
                yanked="data-yanked" in anchor,
            )
        )
    return tuple(files)


def file_location(root: Location, url: str) -> Location:
    """Where to fetch a file that the index at `root` links to: its credentials go along only to its own origin."""
    auth = root.auth if origin_of(url) == origin_of(root.url) else None
    return Location(url, auth=auth, proxy=root.proxy)


def version_of(filename: str) -> Version | None:
    """The version that a wheel's or sdist's file name states, or None."""
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[1]
        return parse_sdist_filename(filename)[1]
    except (ValueError, InvalidVersion):
        return None


def versions(files: tuple[ProjectFile, ...]) -> list[str]:
    """The versions that `files` are of, oldest first, without yanked ones."""
    found = {version for file in files if not file.yanked and (version := version_of(file.filename))}
    return [str(version) for version in sorted(found)]
