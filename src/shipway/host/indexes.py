"""Where Python packages come from on this host: alias -> addresses, with credentials apart.

A lock names indexes by alias only. This table says what an alias is *here*: `SHIPWAY_INDEX_<ALIAS>` first, then what the spec
writes, then the host's uv, then its pip. The alias `default` is the host's default index; where nobody configured one, uv is
asked for the one it was built with, so that no address of a registry stands in our files. Find-links folders, constraints
and unnamed extra indexes of the host never take part in a resolution; the extra indexes may still deliver a file whose
sha256 is locked.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from shipway.core.errors import NotFound, ToolError
from shipway.host.dirs import cache_dir
from shipway.host.files import make_directory, write_atomic
from shipway.host.location import Auth, Location, parse_location
from shipway.host.pip_config import read_pip_config
from shipway.host.proc import Command, run_checked
from shipway.host.uv_config import ConfiguredIndex, read_uv_indexes
from shipway.host.uv_tool import uv_environment, uv_program

DEFAULT = "default"
_ASKING = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """One index as this host knows it."""

    alias: str
    locations: tuple[Location, ...]
    """Roots of the simple API, the first used for resolving, all for fetching; or one folder of wheels."""
    flat: bool = False
    """A folder of files (find-links) that the spec names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTable:
    """Every alias that this host can resolve."""

    named: Mapping[str, Index]
    default: tuple[Location, ...]
    """Empty: nobody configured one, uv's own is used."""
    extras: tuple[Location, ...] = ()
    """Unnamed indexes of the host: asked last for a file of known sha256, never for choosing."""

    def require(self, alias: str) -> Index:
        """What `alias` is here.

        Raises:
            NotFound: this host does not know it.
        """
        if alias == DEFAULT:
            return Index(alias=DEFAULT, locations=self.default or (_built_in(),))
        found = self.named.get(alias)
        if found is None:
            raise NotFound(
                f"this host does not know the Python index `{alias}`",
                hints=[
                    f"set {variable_of(alias)} to its address",
                    f"or give `[indexes.{alias}]` a `url` in the spec",
                ],
            )
        return found


def read_indexes(
    environ: Mapping[str, str],
    *,
    urls: Mapping[str, str] | None = None,
    folders: Mapping[str, str] | None = None,
) -> IndexTable:
    """The table of this host. `urls`: alias -> address in the spec; `folders`: alias -> absolute path of a find-links folder.

    Raises:
        ToolError: a configured address is no URL.
    """
    configured = read_uv_indexes(environ)
    named: dict[str, Index] = {}
    for alias, url in _named_urls(environ, urls or {}, configured).items():
        named[alias] = Index(
            alias=alias, locations=tuple(_place(word, alias, environ) for word in url.split())
        )
    for alias, path in (folders or {}).items():
        place = Location("file://" + quote(os.path.abspath(path)))
        named[alias] = Index(alias=alias, locations=(place,), flat=True)
    return IndexTable(named=named, default=_default(environ, configured), extras=_extras(environ, configured))


def variable_of(alias: str) -> str:
    """`SHIPWAY_INDEX_MY_CORP` for `my-corp`."""
    return "SHIPWAY_INDEX_" + _upper(alias)


def _upper(alias: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", alias.upper())


def _named_urls(
    environ: Mapping[str, str], urls: Mapping[str, str], configured: tuple[ConfiguredIndex, ...]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for index in configured:
        if index.name:
            found.setdefault(index.name, index.url)
    found.update({alias: url for alias, url in urls.items() if url})
    for alias in {*found, *urls}:
        given = environ.get(variable_of(alias))
        if given:
            found[alias] = given
    for name, value in environ.items():
        if name.startswith("SHIPWAY_INDEX_") and value and all(variable_of(alias) != name for alias in found):
            found[name.removeprefix("SHIPWAY_INDEX_").lower().replace("_", "-")] = value
    found.pop(DEFAULT, None)
    return found


def _default(environ: Mapping[str, str], configured: tuple[ConfiguredIndex, ...]) -> tuple[Location, ...]:
    given = environ.get(variable_of(DEFAULT))
    if given:
        return tuple(_place(word, DEFAULT, environ) for word in given.split())
    for index in configured:
        if index.default:
            return (_place(index.url, index.name, environ),)
    url = read_pip_config(environ).get("index-url")
    return (_place(url, "", environ),) if url else ()


def _extras(environ: Mapping[str, str], configured: tuple[ConfiguredIndex, ...]) -> tuple[Location, ...]:
    found = [_place(index.url, index.name, environ) for index in configured if not index.default]
    found += [_place(url, "", environ) for url in read_pip_config(environ).get("extra-index-url", "").split()]
    return tuple(dict.fromkeys(found))


def _place(url: str, name: str, environ: Mapping[str, str]) -> Location:
    """The location of an index, with the credentials that uv's variables or the address itself hold.

    Raises:
        ToolError: no URL. The address is not shown, for it may hold a password.
    """
    if "://" not in url and os.path.isabs(url):
        return Location("file://" + quote(url))
    try:
        place = parse_location(url)
    except ValueError as error:
        raise ToolError(
            f"the address of the Python index `{name or DEFAULT}` is no URL: {error}", hints=["correct it"]
        ) from error
    user = environ.get(f"UV_INDEX_{_upper(name)}_USERNAME", "") if name else ""
    password = environ.get(f"UV_INDEX_{_upper(name)}_PASSWORD", "") if name else ""
    if place.auth is None and (user or password):
        return Location(place.url, auth=Auth(user=user, password=password))
    return place


def _built_in() -> Location:
    """The index that uv was built with, asked for once among all threads."""
    with _ASKING:
        return _ask_uv()


@functools.cache
def _ask_uv() -> Location:
    """The index that uv was built with, as remembered for this very program, else as it says now."""
    program = uv_program()
    status = os.stat(program)
    about = [program, status.st_mtime_ns, status.st_size]
    file = os.path.join(cache_dir(), "uv-default-index.json")
    with (
        contextlib.suppress(OSError, ValueError, KeyError, TypeError),
        open(file, encoding="utf-8") as stream,
    ):
        known = json.load(stream)
        if known["about"] == about:
            return parse_location(known["url"])
    url = _default_of(program)
    with contextlib.suppress(OSError):  # asked again the next time
        make_directory(cache_dir())
        write_atomic(file, json.dumps({"about": about, "url": url}).encode(), 0o600, durable=False)
    return parse_location(url)


def _default_of(program: str) -> str:
    """What uv writes on top of what it compiles, here of nothing; it looks at an interpreter first, which takes time."""
    env = uv_environment({}, os.devnull)
    del env["UV_CACHE_DIR"]
    env["UV_NO_CONFIG"] = "1"
    argv = (program, "pip", "compile", "--quiet", "--no-cache", "--emit-index-url", os.devnull)
    finished = run_checked(Command(argv=argv, env=env), what="uv could not be asked for its default index")
    for line in finished.text.splitlines():
        option, _, url = line.partition(" ")
        if option == "--index-url":
            return url.strip()
    raise ToolError(
        "uv does not say what its default index is",
        hints=[f"set {variable_of(DEFAULT)} to the address of an index"],
    )
