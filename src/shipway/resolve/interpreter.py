"""The interpreter of a target: the base's own `python3`, the archive's `python3.X`, or a stand-alone build that uv knows.

Which Python a released suite has never changes, so it stands in a table; for suites that move (sid, testing) the archive's
`python3` is asked for and looked at. Stand-alone builds are listed by uv itself (`uv python list`), which also knows a mirror
(`UV_PYTHON_INSTALL_MIRROR`) or a list of the site's own (`UV_PYTHON_DOWNLOADS_JSON_URL`); their sha256 is locked.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

from packaging.version import InvalidVersion, Version

from shipway.core.digest import BlobDigest
from shipway.core.errors import FetchError, NotFound, SpecError, ToolError
from shipway.core.platform import machine_name
from shipway.core.text import shown
from shipway.host.http import Fetcher
from shipway.host.location import Location, parse_location
from shipway.host.proc import Command, run_checked
from shipway.host.scratch import scratch_folder
from shipway.host.uv_tool import uv_environment, uv_program
from shipway.lock.model import PythonLock
from shipway.spec.model import Origin, Target, Wish

PREFIX = "/opt/python"
"""Where a stand-alone interpreter is inside."""
_RELEASED: Mapping[str, tuple[str, ...]] = {
    "debian:bullseye": ("3.9",),
    "debian:bookworm": ("3.11",),
    "debian:trixie": ("3.13",),
    "ubuntu:focal": ("3.8", "3.9"),
    "ubuntu:jammy": ("3.10", "3.11"),
    "ubuntu:noble": ("3.12",),
}
"""Suite -> versions in its archive; the first is what `python3` means there."""
_WANTED = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?\Z", re.ASCII)
_DEB_VERSION = re.compile(r"(?:\d+:)?(\d+\.\d+(?:\.\d+)?)")
_DOWNLOADS = "/releases/download/"


class Package(Protocol):
    """One OS package, chosen or there already."""

    @property
    def name(self) -> str:
        """As the archive knows it."""
        ...

    @property
    def version(self) -> str:
        """With epoch and revision."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StandaloneBuild:
    """One interpreter that can be downloaded."""

    version: str
    machine: str
    url: str
    libc: str = "gnu"
    """`gnu` or `musl`."""
    sha256: str = ""
    """Hex; empty where the list does not say."""

    @property
    def filename(self) -> str:
        """The last part of its address."""
        return unquote(urlsplit(self.url).path).rpartition("/")[2]


def interpreter_wishes(target: Target) -> tuple[Wish, ...]:
    """The OS packages that bring the interpreter of `target`; none where a stand-alone build is needed.

    Raises:
        SpecError: `python` is no version.
    """
    origin = Origin(file="the Python environment", key="python" if target.python else "")
    if not target.python:
        return (Wish(text="python3", origin=origin),)
    minor = _minor(target.python)
    known = _RELEASED.get(f"{target.base.distribution}:{target.base.suite}")
    if known is None or minor == known[0]:
        return (Wish(text="python3", origin=origin),)
    return (Wish(text=f"python{minor}", origin=origin),) if minor in known else ()


def choose_interpreter(
    target: Target,
    platform: str,
    debs: Iterable[Package],
    *,
    libc: str = "gnu",
    fetcher: Fetcher | None = None,
    environ: Mapping[str, str] | None = None,
) -> PythonLock:
    """The interpreter of `target`, whose OS packages are `debs` and whose C library is `gnu` or `musl`.

    Raises:
        NotFound: neither the base nor a stand-alone build is of the version that the spec asks for.
        SpecError: `python` is no version.
        FetchError: a stand-alone build cannot be had.
    """
    found = base_pythons(debs)
    wanted = target.python or next(iter(found), "")
    for minor, full in found.items():
        if wanted in {minor, full}:
            return PythonLock(version=minor, executable=f"/usr/bin/python{minor}")
    if not wanted:
        raise NotFound(
            f"`{target.base}` has no `python3`",
            hints=['name a version in the spec: `python = "3.12"`; a stand-alone build is taken'],
        )
    environ = os.environ if environ is None else environ
    builds = [build for build in list_standalone(environ) if build.libc == libc]
    build = find_standalone(builds, wanted, machine_name(platform))
    if build is None:
        raise _absent(target, platform, found, builds, wanted)
    sha256, size = _digest_of(build, fetcher or Fetcher(environ=environ))
    minor = _minor(build.version)
    return PythonLock(
        version=minor,
        executable=f"{PREFIX}/bin/python{minor}",
        origin="standalone",
        filename=build.filename,
        sha256=BlobDigest.from_hex(sha256),
        size=size,
    )


def base_pythons(debs: Iterable[Package]) -> dict[str, str]:
    """Version -> exact version of every Python among `debs` (`3.11` -> `3.11.2`), the one that `python3` means first."""
    versions = {deb.name: deb.version for deb in debs}
    found = {}
    for name, version in versions.items():
        match = _DEB_VERSION.match(version)
        if re.fullmatch(r"python3\.\d+-minimal", name) and match:
            found[name.removeprefix("python").removesuffix("-minimal")] = match[1]
    default = _DEB_VERSION.match(versions.get("python3", ""))
    first = ".".join(default[1].split(".")[:2]) if default else ""
    return dict(sorted(found.items(), key=lambda pair: (pair[0] != first, Version(pair[0]))))


def exact_version(python: PythonLock, debs: Iterable[Package]) -> str:
    """The exact version of a locked interpreter: `3.11.2`. Markers of requirements are evaluated for it."""
    if python.origin == "base":
        return base_pythons(debs).get(python.version, python.version)
    match = re.search(r"-(\d+\.\d+\.\d+)", python.filename)
    return match[1] if match else python.version


def list_standalone(environ: Mapping[str, str]) -> tuple[StandaloneBuild, ...]:
    """Every CPython for Linux that uv can download, newest first.

    Raises:
        ToolError: uv does not answer.
    """
    env = {**uv_environment(environ, os.devnull), "UV_NO_CONFIG": "1"}
    del env["UV_CACHE_DIR"]
    listed = environ.get("UV_PYTHON_DOWNLOADS_JSON_URL", "")
    argv = [
        uv_program(),
        "python",
        "list",
        "--no-cache",
        "--all-versions",
        "--all-platforms",
        "--all-arches",
        "--only-downloads",
    ]
    argv += ["--output-format", "json", *(["--python-downloads-json-url", listed] if listed else [])]
    finished = run_checked(Command(argv=tuple(argv), env=env), what="uv could not list stand-alone Pythons")
    digests = _own_list(listed)
    builds = [
        StandaloneBuild(
            version=e["version"],
            machine=e["arch"],
            url=e["url"],
            libc=e["libc"],
            sha256=digests.get(e["url"], ""),
        )
        for e in json.loads(finished.stdout)
        if (e["implementation"], e["os"], e["variant"]) == ("cpython", "linux", "default")
        and e["libc"] in ("gnu", "musl")
        and e["url"]
    ]
    return tuple(sorted(builds, key=lambda build: _order(build.version), reverse=True))


def find_standalone(builds: Sequence[StandaloneBuild], wanted: str, machine: str) -> StandaloneBuild | None:
    """The newest finished release of version `wanted` (`3.12` or `3.12.4`) for `machine`, or None."""
    for build in builds:
        fits = build.version == wanted or build.version.startswith(wanted + ".")
        if fits and build.machine == machine and not _order(build.version).is_prerelease:
            return build
    return None


def python_locations(python: PythonLock, environ: Mapping[str, str]) -> list[Location]:
    """Where the archive of a stand-alone interpreter is on this host, best first.

    Raises:
        ToolError: uv does not answer.
    """
    builds = list_standalone(environ)
    listed = [build.url for build in builds if build.filename == python.filename]
    # A later uv lists other builds; the place of an old one follows from its name.
    tag = re.search(r"\+(\d+)-", python.filename)
    if not listed and tag:
        roots = dict.fromkeys(b.url.partition(_DOWNLOADS)[0] for b in builds if _DOWNLOADS in b.url)
        listed = [f"{root}{_DOWNLOADS}{tag[1]}/{quote(python.filename)}" for root in roots]
    return [place for url in listed for place in _mirrored(url, environ)]


def _mirrored(url: str, environ: Mapping[str, str]) -> list[Location]:
    mirror = environ.get("UV_PYTHON_INSTALL_MIRROR", "").rstrip("/")
    tail = url.partition(_DOWNLOADS)[2]
    places = [f"{mirror}/{tail}"] if mirror and tail else []
    return [parse_location(place) for place in (*places, url)]


def _own_list(listed: str) -> dict[str, str]:
    """The digests that a site's own list states: address -> hex. A list on the network is read by uv alone."""
    path = listed.removeprefix("file://")
    if not os.path.isfile(path):
        return {}
    with open(path, encoding="utf-8") as file:
        entries: dict[str, dict[str, Any]] = json.load(file)
    return {str(entry["url"]): str(entry["sha256"]) for entry in entries.values() if entry.get("sha256")}


def _digest_of(build: StandaloneBuild, fetcher: Fetcher) -> tuple[str, int]:
    """sha256 and size (0: not known): from the list, from the `SHA256SUMS` beside the archive, else by fetching it."""
    if build.sha256:
        return build.sha256, 0
    places = _mirrored(build.url, fetcher.environ)
    for place in places:
        sums = Location(place.url.rpartition("/")[0] + "/SHA256SUMS", auth=place.auth)
        try:
            text = fetcher.get(sums, accept="text/plain, */*;q=0.5", name="SHA256SUMS").body.decode(
                "utf-8", "replace"
            )
        except FetchError:
            continue
        match = re.search(rf"^([0-9a-f]{{64}})\s+\*?{re.escape(build.filename)}$", text, re.MULTILINE)
        if match:
            return match[1], 0
    with scratch_folder("python-") as folder:
        got = fetcher.fetch(places, os.path.join(folder, "archive"), None, None, name=build.filename)
    return got.sha256.hex, got.size


def _absent(
    target: Target, platform: str, found: Mapping[str, str], builds: Sequence[StandaloneBuild], wanted: str
) -> ToolError:
    there = [
        b.version
        for b in builds
        if b.machine == machine_name(platform) and not _order(b.version).is_prerelease
    ]
    minors = list(dict.fromkeys(map(_minor, there)))
    near = [version for version in there if _minor(version) == _minor(wanted)][:6]
    has = ", ".join(found.values()) or ", ".join(_RELEASED.get(str(target.base), ())) or "none"
    hints = [f"leave out `python`: `{target.base}` has {has}"]
    offered = f"of {_minor(wanted)}: {', '.join(near)}" if near else f": {', '.join(minors)}".lstrip()
    hints.append(f"stand-alone builds {offered}")
    return NotFound(
        f"Python `{shown(wanted)}` is neither in `{target.base}` nor among the stand-alone builds for {platform}",
        hints=hints,
    )


def _minor(version: str) -> str:
    match = _WANTED.match(version) or re.match(r"(\d+)\.(\d+)", version)
    if not match:
        raise SpecError(
            f"`{shown(version)}` is no Python version",
            hints=['write `python = "3.12"` or `python = "3.12.4"`'],
        )
    return f"{match[1]}.{match[2]}"


def _order(version: str) -> Version:
    try:
        return Version(version)
    except InvalidVersion:
        return Version("0.dev0")
