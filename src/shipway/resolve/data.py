"""Data and weights of the spec -> the files that the lock names, with the digest of each."""

from __future__ import annotations

import json
import tempfile
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from shipway.core.digest import BlobDigest
from shipway.core.errors import FetchError, NotFound, ToolError
from shipway.core.ignore import IgnoreRules
from shipway.core.text import shown
from shipway.host.http import NotOffered
from shipway.host.location import Bearer, Location
from shipway.lock.check import stays_inside
from shipway.lock.model import DataFile
from shipway.resolve.data_uses import source_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipway.host.http import Fetcher
    from shipway.lock.model import Lock
    from shipway.spec.model import DataSource, Spec

ENDPOINT = "HF_ENDPOINT"
_SMALL = 64 << 20
"""Bytes of a file that is read to know its digest; a hub names the digests of larger ones."""


def resolve_data(
    spec: Spec, *, fetcher: Fetcher, environ: Mapping[str, str], previous: Lock | None
) -> tuple[DataFile, ...]:
    """Every file that data of any target consist of. What `previous` knows of the same source is not asked for again.

    Raises:
        NotFound: a repository, revision or file is not there, or no file fits the patterns.
        FetchError, OfflineError: the server does not answer, or must not be asked.
        ToolError: nobody says where the hub is.
    """
    wanted = [data for target in spec.targets for data in target.data if data.fetched]
    known: dict[str, list[DataFile]] = {}
    for file in previous.data if previous else ():
        known.setdefault(file.source, []).append(file)
    found: dict[str, DataFile] = {}
    for data in wanted:
        source = source_of(data)
        files = _known(data, known.get(source, []), previous)
        files = files or (_from_url(data, fetcher) if data.url else _from_hub(data, fetcher, environ))
        found |= {file.id: file for file in files}
    return tuple(found.values())


def data_locations(file: DataFile, environ: Mapping[str, str]) -> tuple[Location, ...]:
    """Where `file` can be had.

    Raises:
        ToolError: nobody says where the hub is.
    """
    if not file.source.startswith("hf:"):
        return (Location(file.source),)
    repository, _, revision = file.source.removeprefix("hf:").partition("@")
    return (_hub(f"/{repository}/resolve/{revision}/{quote(file.path)}", environ),)


def _hub(path: str, environ: Mapping[str, str]) -> Location:
    endpoint = environ.get(ENDPOINT, "").rstrip("/")
    if not endpoint.startswith(("https://", "http://")):
        raise ToolError(
            f"`{ENDPOINT}` does not say where the model hub is"
            if not endpoint
            else f"`{ENDPOINT}` is no address: `{shown(endpoint)}`",
            hints=[f"export {ENDPOINT}=https://… with the address of the hub or of a mirror of it"],
        )
    token = environ.get("HF_TOKEN", "")
    return Location(endpoint + path, auth=Bearer(token=token) if token else None)


def _known(data: DataSource, files: list[DataFile], previous: Lock | None) -> list[DataFile]:
    """The files of `data` in the lock before, if it was locked with just these patterns; else nothing."""
    if data.url:
        return [file for file in files if file.sha256.hex == data.sha256]
    uses = [use for target in previous.targets for use in target.data] if previous else []
    if not any((use.source, use.files) == (source_of(data), data.files) for use in uses):
        return []
    return [file for file in files if fits(file.path, data.files)]


def _from_url(data: DataSource, fetcher: Fetcher) -> list[DataFile]:
    name = unquote(urlsplit(data.url).path.rpartition("/")[2]) or "file"
    size = None if fetcher.offline else fetcher.find_size(Location(data.url), name=f"data.{data.name}")
    path = name if stays_inside(name) else "file"
    digest = BlobDigest.from_hex(data.sha256)
    return [DataFile(source=data.url, path=path, sha256=digest, size=size or 0)]


def _from_hub(data: DataSource, fetcher: Fetcher, environ: Mapping[str, str]) -> list[DataFile]:
    repository = data.hub.removeprefix("hf:")
    place = _hub(f"/api/models/{repository}/revision/{data.revision}?blobs=true", environ)
    try:
        answer = fetcher.get(place, accept="application/json", name=f"the files of {data.hub}")
    except NotOffered as error:
        raise NotFound(
            f"`data.{data.name}`: the hub has no `{data.hub}` at the commit `{data.revision}`",
            hints=["look at its page for the name and the commit", "private ones need your `HF_TOKEN`"],
            detail=error.message,
        ) from error
    files = _chosen_entries(data, _siblings(answer.body, data))
    return [_hub_file(data, entry, fetcher, environ) for entry in files]


def _siblings(body: bytes, data: DataSource) -> list[dict[str, Any]]:
    """The repository's files, each with `rfilename`, `size` and for large ones `lfs.sha256` (the hub's documented listing)."""
    try:
        entries = json.loads(body)["siblings"]
        if all(isinstance(one["rfilename"], str) for one in entries):
            return list(entries)
    except (ValueError, KeyError, TypeError):
        pass
    raise FetchError(
        f"the hub's list of the files of `{data.hub}` is not what its documentation says",
        hints=[f"look whether `{ENDPOINT}` is the address of a hub"],
    )


def _chosen_entries(data: DataSource, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for one in entries:
        if not stays_inside(one["rfilename"]):
            raise FetchError(
                f"`{data.hub}` lists a file outside its folder: `{shown(one['rfilename'])}`",
                hints=["use another repository"],
            )
    chosen = [one for one in entries if fits(one["rfilename"], data.files)]
    if not chosen:
        raise NotFound(
            f"`data.{data.name}`: no file of `{data.hub}` fits `files`",
            hints=[f"it has {', '.join(shown(one['rfilename']) for one in entries[:8]) or 'none'}"],
        )
    return sorted(chosen, key=lambda one: str(one["rfilename"]))


def fits(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether `path` is among what `patterns` choose; none choose all."""
    return not patterns or IgnoreRules(patterns).ignored(path)


def _hub_file(
    data: DataSource, entry: dict[str, Any], fetcher: Fetcher, environ: Mapping[str, str]
) -> DataFile:
    path, source = entry["rfilename"], source_of(data)
    large = entry.get("lfs")
    if isinstance(large, dict) and large.get("sha256"):
        digest = BlobDigest.from_hex(str(large["sha256"]))
        return DataFile(source=source, path=path, sha256=digest, size=int(large.get("size") or 0))
    size = entry.get("size")
    unread = DataFile(source=source, path=path, sha256=BlobDigest.from_hex("0" * 64))
    if isinstance(size, int) and size > _SMALL:
        raise FetchError(
            f"the hub names no sha256 of `{shown(path)}` in `{data.hub}`, which is large",
            hints=["leave it out by `files`, or name it by `url` and `sha256`"],
        )
    with tempfile.TemporaryDirectory(prefix="shipway-data-") as folder:
        got = fetcher.fetch(
            data_locations(unread, environ),
            f"{folder}/file",
            None,
            size if isinstance(size, int) else None,
            name=path,
        )
    return DataFile(source=source, path=path, sha256=got.sha256, size=got.size)
