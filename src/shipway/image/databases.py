"""Which files belong to which package, as the package databases inside an image say. Pure.

Formats: dpkg's `status` and `info/*.list` (deb822, dpkg(1)); `status.d`, as images without dpkg have it; the `RECORD` of
installed Python packages (PyPA "Recording installed projects"); apk-tools' `installed`; conda's `conda-meta/*.json`. What such
a file says is data from outside: a damaged one claims nothing.
"""

from __future__ import annotations

import csv
import json
import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from shipway.archive.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

STATUS = "var/lib/dpkg/status"
_DATABASE = re.compile(
    r"(?P<status>var/lib/dpkg/status(?:\.d/[^/.][^/]*)?)"
    r"|(?P<list>var/lib/dpkg/info/[^/]+\.list)"
    r"|(?P<apk>(?:usr/)?lib/apk/db/installed)"
    r"|(?P<record>.+/[^/]+\.dist-info/RECORD)"
    r"|(?P<conda>.+/conda-meta/[^/]+\.json)"
)
_LONGEST = 255
"""Characters of a name or version; what is longer is none."""
_MISSING = frozenset({"not-installed", "config-files"})
"""dpkg's states of a package that is not there."""


class Owner(NamedTuple):
    """A package as a database calls it."""

    kind: str
    """`deb`, `wheel`, `apk` or `conda`."""
    name: str
    version: str
    """Empty where no database says it."""


class Claim(NamedTuple):
    """What one database says belongs to one package."""

    owner: Owner
    paths: tuple[str, ...]
    """Relative to the image's root; links on the way are not followed."""
    folder: str = ""
    """Where a Python or conda package is installed, for there may be several; empty for the system's."""


def find_database(path: str) -> str:
    """The kind of database that the file at `path` is: `status`, `list`, `apk`, `record`, `conda`, or nothing."""
    if path.endswith(".md5sums") and path.startswith(f"{STATUS}.d/"):
        return "sums"
    match = _DATABASE.fullmatch(path)
    return match.lastgroup or "" if match else ""


def parse_claims(kind: str, path: str, text: bytes, version_of: Callable[[str], str]) -> Iterator[Claim]:
    """What the database `text` at `path` claims. `version_of`: of an OS package whose list of files has no version.

    A status claims no path, but says which packages there are.
    """
    for claim in _PARSERS[kind](path, text.decode("utf-8", "surrogateescape"), version_of):
        if claim.owner.name and all(len(word) <= _LONGEST for word in claim.owner):
            yield claim


def _status(_path: str, text: str, _version_of: Callable[[str], str]) -> Iterator[Claim]:
    for stanza in text.split("\n\n"):
        fields = dict(
            line.split(":", 1) for line in stanza.split("\n") if ":" in line and not line[:1].isspace()
        )
        name, version = fields.get("Package", "").strip(), fields.get("Version", "").strip()
        state = fields.get("Status", "").split()[-1:]
        if name and version and not _MISSING.intersection(state):
            yield Claim(Owner("deb", name, version), ())


def _list(path: str, text: str, version_of: Callable[[str], str]) -> Iterator[Claim]:
    name = posixpath.basename(path).removesuffix(".list").partition(":")[0]
    paths = _relative(text.split("\n"))
    yield Claim(Owner("deb", name, version_of(name)), tuple(paths))


def _sums(path: str, text: str, version_of: Callable[[str], str]) -> Iterator[Claim]:
    name = posixpath.basename(path).removesuffix(".md5sums")
    paths = _relative(line.partition("  ")[2] for line in text.split("\n"))
    yield Claim(Owner("deb", name, version_of(name)), tuple(paths))


def _apk(_path: str, text: str, _version_of: Callable[[str], str]) -> Iterator[Claim]:
    for stanza in text.split("\n\n"):
        fields: dict[str, str] = {}
        folder, paths = "", []
        for line in stanza.split("\n"):
            key, _, value = line.partition(":")
            if key == "F":
                folder = value
            elif key == "R":
                paths.append(f"{folder}/{value}" if folder else value)
            else:
                fields[key] = value
        if fields.get("P"):
            yield Claim(Owner("apk", fields["P"], fields.get("V", "")), tuple(_relative(paths)))


def _record(path: str, text: str, _version_of: Callable[[str], str]) -> Iterator[Claim]:
    site, _, info = posixpath.dirname(path).rpartition("/")
    name, _, version = info.removesuffix(".dist-info").partition("-")
    try:
        rows = [row[0] for row in csv.reader(text.splitlines()) if row]
    except csv.Error:
        return
    paths = _relative(row if row.startswith("/") else f"{site}/{row}" for row in rows)
    yield Claim(Owner("wheel", re.sub(r"[-_.]+", "-", name).lower(), version), tuple(paths), site)


def _conda(path: str, text: str, _version_of: Callable[[str], str]) -> Iterator[Claim]:
    prefix = posixpath.dirname(posixpath.dirname(path))
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    if not isinstance(value, dict):
        return
    name, version, files = value.get("name"), value.get("version"), value.get("files")
    if isinstance(name, str) and isinstance(version, str) and isinstance(files, list):
        paths = _relative(f"{prefix}/{one}" for one in files if isinstance(one, str))
        yield Claim(Owner("conda", name, version), tuple(paths), prefix)


def _relative(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        plain = posixpath.normpath(f"/{path}").lstrip("/")
        if plain and plain.count("/") < LIMITS.depth:  # no layer holds anything deeper
            yield plain


_PARSERS: dict[str, Callable[[str, str, Callable[[str], str]], Iterator[Claim]]] = {
    "status": _status,
    "list": _list,
    "sums": _sums,
    "apk": _apk,
    "record": _record,
    "conda": _conda,
}
