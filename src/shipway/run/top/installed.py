"""What somebody installed in a container behind our back: Python distributions and OS packages, told from what was written.

Sources of the formats: PyPA "Recording installed projects" (`*.dist-info`: METADATA, RECORD, REQUESTED, `direct_url.json`),
dpkg(1) for its status, apt's `extended_states`. Pure, but for two functions that read files: above, as the container has them,
and below, as its trees have them.
"""

from __future__ import annotations

import email.parser
import json
import posixpath
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_INFO = re.compile(
    r"(?P<site>.*(?:site|dist)-packages)/(?P<dir>[^/]+\.(?:dist|egg)-info)(?:/(?P<rest>.*))?\Z"
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_STATUS = "var/lib/dpkg/status"
_EXTENDED = "var/lib/apt/extended_states"
_INSTALLED = "install ok installed"
DPKG = ("var/lib/dpkg/", "var/lib/apt/", "var/cache/apt/", "var/cache/debconf/", "var/log/")
"""Where the package manager of the OS keeps its own things."""
_CACHES = ("var/cache/ldconfig/", "etc/ld.so.cache")


class Written(NamedTuple):
    """One path that the container has written."""

    path: str
    """Relative to the root inside."""
    what: str
    """`A` added, `C` changed, `D` removed."""
    is_folder: bool = False


class Top(NamedTuple):
    """What a container has written over its trees."""

    written: tuple[Written, ...]
    read: Callable[[str], bytes | None]
    """A file as the container has it; None where it has none."""
    read_below: Callable[[str], bytes | None]
    """A file as the trees have it."""
    same: frozenset[str] = frozenset()
    """Paths that were written, too, and say what the trees say."""

    @property
    def gone(self) -> frozenset[str]:
        """What was taken out of the trees; of a whole folder perhaps only its own path."""
        return frozenset(one.path for one in self.written if one.what == "D")

    def without(self, lost: Iterable[Written]) -> Top:
        """The same with paths missing that the trees have and nothing of the top says so."""
        gone = tuple(lost)
        paths = {one.path for one in gone}

        def read(path: str) -> bytes | None:
            return None if path in paths else self.read(path)

        return self._replace(written=(*self.written, *gone), read=read)


class Distribution(NamedTuple):
    """A Python distribution that differs from the trees."""

    name: str
    """Normalised."""
    before: str
    """Version in the trees; empty: none."""
    after: str
    """Version in the container; empty: it was taken out."""
    site: str
    """The folder that it is in."""
    source: str = ""
    """Where it came from, if not from an index: `git+https://…@COMMIT`, or the address of a file or folder."""
    editable: bool = False
    requested: bool = False
    """The installer was asked for it by name."""
    requires: frozenset[str] = frozenset()
    """Normalised names of what it requires on some platform."""
    paths: frozenset[str] = frozenset()
    """What of it the container has written, whiteouts included."""


class OsPackage(NamedTuple):
    """An OS package that differs from the trees."""

    name: str
    before: str
    after: str
    requested: bool
    """Not only because another one needs it."""
    paths: frozenset[str]


class Installed(NamedTuple):
    """Everything found."""

    python: tuple[Distribution, ...]
    os: tuple[OsPackage, ...]
    bookkeeping: frozenset[str]
    """Paths of the OS package manager's own files."""
    others: tuple[str, ...]
    """Paths that belong to none of these, but for caches."""


def normal(name: str) -> str:
    """`name` as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def find_installed(top: Top) -> Installed:
    """What `top` holds."""
    python = _find_python(top)
    packages = _find_os(top)
    taken = frozenset[str]().union(*(one.paths for one in python), *(one.paths for one in packages))
    bookkeeping = {path for path in _all_written(top) if _is_bookkeeping(path)} if packages else set[str]()
    files = [one.path for one in top.written if not one.is_folder]
    rest = [path for path in files if path not in taken and path not in bookkeeping]
    others = [path for path in rest if not _is_cache(path)]
    return Installed(python, packages, frozenset(bookkeeping), tuple(others))


def _parents(path: str) -> Iterable[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _is_bookkeeping(path: str) -> bool:
    return path.startswith((*DPKG, *_CACHES)) or f"{path}/" in DPKG


def _is_cache(path: str) -> bool:
    return "/__pycache__" in path or path.startswith(_CACHES)


def _find_python(top: Top) -> tuple[Distribution, ...]:
    infos: dict[tuple[str, str], dict[str, str]] = {}
    for one in top.written:
        match = _INFO.match(one.path)
        if match:
            infos.setdefault((match["site"], match["dir"]), {})[match["rest"] or ""] = one.what
    found: dict[tuple[str, str], list[Distribution]] = {}
    for (site, folder), files in infos.items():
        read = _read_info(top, site, folder, files)
        if read is not None:
            found.setdefault((site, read.name), []).append(read)
    merged = [_merged(group) for group in found.values()]
    written = _all_written(top)
    return tuple(
        one._replace(paths=one.paths | _compiled(one.paths, written))
        for one in sorted(merged)
        if one.before != one.after or one.source
    )


def _all_written(top: Top) -> set[str]:
    return {*(one.path for one in top.written), *top.same}


def _merged(group: Sequence[Distribution]) -> Distribution:
    """One version taken out and another one put in, told as one change."""
    new = next((one for one in group if one.after), group[0])
    before = next((one.before for one in group if one.before), "")
    return new._replace(before=before, paths=frozenset().union(*(one.paths for one in group)))


def _read_info(top: Top, site: str, folder: str, files: Mapping[str, str]) -> Distribution | None:
    """The distribution of one `dist-info` folder; None where nothing of it tells."""
    base = f"{site}/{folder}"
    above, below = _metadata(top.read, base), _metadata(top.read_below, base)
    gone = files.get("") == "D" or any(files.get(name) == "D" for name in ("METADATA", "PKG-INFO"))
    if gone:
        above = None
    known = above or below
    if known is None:
        return None
    source, editable = _origin(top.read(f"{base}/direct_url.json")) if above else ("", False)
    lines = [_record(read(f"{base}/RECORD"), site) for read in (top.read, top.read_below)]
    owned = {path for listed in lines for path in listed}
    written = _all_written(top)
    folders = {one for path in owned for one in _parents(path) if one.startswith(site + "/")}
    return Distribution(
        name=normal(known[0]),
        before=below[1] if below else "",
        after=above[1] if above else "",
        site=site,
        source=source,
        editable=editable,
        requested=top.read(f"{base}/REQUESTED") is not None,
        requires=known[2],
        paths=frozenset(
            path
            for path in written
            if path in owned or path in folders or path == base or path.startswith(base + "/")
        ),
    )


def _metadata(read: Callable[[str], bytes | None], base: str) -> tuple[str, str, frozenset[str]] | None:
    """Name, version and requirements; None where the folder has no readable metadata."""
    data = read(f"{base}/METADATA") or read(f"{base}/PKG-INFO")
    if data is None:
        return None
    fields = email.parser.HeaderParser().parsestr(data.decode("utf-8", "replace"))
    name, version = str(fields.get("Name", "")).strip(), str(fields.get("Version", "")).strip()
    if not name or not version:
        return None
    needed = [text for text in fields.get_all("Requires-Dist", []) if "extra ==" not in text]
    names = [match[0] for text in needed if (match := _NAME.match(text.strip()))]
    return name, version, frozenset(map(normal, names))


def _origin(data: bytes | None) -> tuple[str, bool]:
    """Where a distribution came from by its `direct_url.json` (PEP 610), and whether it is editable."""
    try:
        value: Any = json.loads(data or b"null")
        url = str(value["url"])
        vcs = value.get("vcs_info")
        if vcs:
            return f"{vcs['vcs']}+{url}@{vcs['commit_id']}", False
        return url, bool(value.get("dir_info", {}).get("editable"))
    except (ValueError, TypeError, KeyError, AttributeError):
        return "", False


def _record(data: bytes | None, site: str) -> list[str]:
    """The paths that a RECORD names, relative to the root inside."""
    paths = []
    for line in (data or b"").decode("utf-8", "replace").splitlines():
        name = line.rsplit(",", 2)[0].strip('"')
        if name:
            paths.append(posixpath.normpath(posixpath.join("/" + site, name)).lstrip("/"))
    return paths


def _compiled(paths: frozenset[str], written: set[str]) -> frozenset[str]:
    """Compiled modules in `written` of the modules `paths`, and the folders that these are in."""
    modules = {path[:-3] for path in paths if path.endswith(".py")}
    found = set()
    for path in written:
        folder, _, name = path.rpartition("/")
        module = f"{folder.removesuffix('__pycache__')}{name.partition('.')[0]}"
        if folder.endswith("/__pycache__") and module in modules:
            found |= {path, folder}
    return frozenset(found & written)


def _find_os(top: Top) -> tuple[OsPackage, ...]:
    if not any(one.path == _STATUS for one in top.written):
        return ()
    after, before = _read_status(top.read(_STATUS)), _read_status(top.read_below(_STATUS))
    automatic = _automatic(top.read(_EXTENDED))
    written = _all_written(top)
    found = []
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key, ""), after.get(key, "")
        if was != now:
            paths = _listed(top, key) & written
            found.append(OsPackage(key[0], was, now, key[0] not in automatic, frozenset(paths)))
    return tuple(found)


def _read_status(data: bytes | None) -> dict[tuple[str, str], str]:
    """(name, architecture) -> version of what is installed."""
    found = {}
    for paragraph in (data or b"").decode("utf-8", "replace").split("\n\n"):
        fields = dict(
            re.findall(r"^(Package|Status|Version|Architecture): *(.*?) *$", paragraph, re.MULTILINE)
        )
        if fields.get("Status") == _INSTALLED:
            found[fields.get("Package", ""), fields.get("Architecture", "")] = fields.get("Version", "")
    return found


def _automatic(data: bytes | None) -> set[str]:
    """Names of packages that are there for others only."""
    text = (data or b"").decode("utf-8", "replace")
    return {
        match[1]
        for paragraph in text.split("\n\n")
        if "Auto-Installed: 1" in paragraph
        and (match := re.search(r"^Package: *(\S+)", paragraph, re.MULTILINE))
    }


def _listed(top: Top, key: tuple[str, str]) -> set[str]:
    """The paths that dpkg lists for a package, on both sides, and on merged-/usr systems where they really are."""
    paths: set[str] = set()
    for name in (key[0], f"{key[0]}:{key[1]}"):
        for read in (top.read, top.read_below):
            data = read(f"var/lib/dpkg/info/{name}.list") or b""
            paths |= {line.strip("/") for line in data.decode("utf-8", "replace").splitlines()}
    merged = {f"usr/{path}" for path in paths if path.startswith(("bin/", "sbin/", "lib"))}
    return paths | merged
