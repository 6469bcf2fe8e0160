"""What this host knows that the steps of an exported Dockerfile need: mirrors, Python indexes, an interpreter, certificates.

Addresses with a password go into a secret, or nowhere: an engine keeps the values of build arguments in its cache.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from shipway.core.events import Note
from shipway.core.text import shown
from shipway.run.oci.build import BuildSecret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shipway.core.events import Emit
    from shipway.export.model import Contents
    from shipway.host.location import Location
    from shipway.verbs.project import Project

PIP, CERTIFICATES = "pip", "certs"
"""Ids of the secrets that an exported Dockerfile mounts."""


class Supply(NamedTuple):
    """Values of ARGs and secrets, whether a step wants them or not."""

    arguments: tuple[tuple[str, str], ...]
    secrets: tuple[BuildSecret, ...]


def read_supply(contents: Contents, project: Project, emit: Emit) -> Supply:
    """Everything that this host can say for a build of `contents`; what it must not say is a note.

    Raises:
        NotFound: a wheel is locked from an index that this host does not know.
        ToolError: the host's configuration is wrong.
    """
    from shipway.host.http_settings import find_bundle

    secrets = []
    if conf := _pip_conf(contents, project, emit):
        secrets.append(BuildSecret(id=PIP, text=conf))
    bundle = find_bundle(os.environ)
    if bundle and os.path.isfile(bundle.path):
        secrets.append(BuildSecret(id=CERTIFICATES, file=os.path.abspath(bundle.path)))
    return Supply((*_mirrors(contents, emit), *_interpreter(contents)), tuple(secrets))


def _mirrors(contents: Contents, emit: Emit) -> Iterator[tuple[str, str]]:
    from shipway.export.shell import mirror_argument
    from shipway.resolve.deb_locations import deb_locations
    from shipway.verbs.network import read_host_mirrors

    mirrors = read_host_mirrors()
    closed = set()
    for deb in {deb.archive: deb for deb in contents.debs}.values():
        places = _reachable(deb_locations(deb, contents.lock.archives, mirrors))
        open_ones = [place.url for place in places if not place.auth]
        closed |= {place.url.removesuffix(f"/{deb.path}") for place in places if place.auth}
        if open_ones:
            yield (
                mirror_argument(deb.archive),
                " ".join(url.removesuffix(f"/{deb.path}") for url in open_ones),
            )
    for root in sorted(closed):
        text = f"the mirror `{shown(root)}` wants a password, which the engine would keep"
        emit(Note(f"{text}: it is not told to the build", "warning"))


def _interpreter(contents: Contents) -> Iterator[tuple[str, str]]:
    python = contents.target.python
    if python is None or python.origin != "standalone":
        return
    from shipway.resolve.interpreter import python_locations

    for place in _reachable(python_locations(python, os.environ)):
        if not place.auth:
            yield "PYTHON_URL", place.url
            return


def _pip_conf(contents: Contents, project: Project, emit: Emit) -> str:
    """The indexes of this host as pip reads them; empty where pip's own is all there is."""
    from shipway.host.indexes import DEFAULT
    from shipway.verbs.workshop import read_project_indexes

    table = read_project_indexes(project.spec, project.folder)
    wheels = [*contents.wheels, *(wheel for built in contents.built for wheel in built.requires)]
    named = {wheel.index for wheel in wheels} | {built.source.index for built in contents.built}
    others: list[Location] = []
    for alias in sorted(named - {"", DEFAULT}):
        places = _reachable(table.require(alias).locations)
        others += places
        if not places:
            text = (
                f"the index `{shown(alias)}` is a folder of this host, which steps of the engine do not see"
            )
            emit(Note(f"{text}; its packages must be on another index", "warning"))
    default = _reachable(table.default)
    lines = [f"index-url = {_with_password(default[0])}"] if default else []
    more = dict.fromkeys([*default[1:], *others, *_reachable(table.extras)])
    if more:
        lines += ["extra-index-url =", *(f"    {_with_password(place)}" for place in more)]
    return "\n".join(["[global]", *lines]) + "\n" if lines else ""


def _reachable(places: Iterable[Location]) -> list[Location]:
    """Those that are not in files of this host, which an engine's steps do not see."""
    return [place for place in places if place.url.startswith(("http://", "https://"))]


def _with_password(place: Location) -> str:
    from shipway.host.location import Auth

    if not isinstance(place.auth, Auth):
        return place.url
    scheme, _, rest = place.url.partition("://")
    return f"{scheme}://{quote(place.auth.user, safe='')}:{quote(place.auth.password, safe='')}@{rest}"
