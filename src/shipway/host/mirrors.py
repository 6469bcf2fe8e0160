"""Where operating-system archives are: mirrors, snapshot services, keyrings and proxies, all from this host's configuration.

No host name stands here. In order of preference an archive's mirrors come from the variable `SHIPWAY_MIRROR_<ALIAS>`, the
user's and the system's `shipway/mirrors.toml`, the host's own apt sources, and what python-apt's templates or debootstrap's
scripts name. `debian` is the alias of Debian's main archive, `debian-security` that of its security archive.

Sources: sources.list(5), apt_auth.conf(5), apt-transport-mirror(1), apt.conf(5).
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shipway.core.errors import SpecError
from shipway.host.apt_config import read_apt_directives
from shipway.host.apt_sources import AptSource, read_apt_sources
from shipway.host.location import Location, parse_location

if TYPE_CHECKING:
    from collections.abc import Mapping

_SNAPSHOT_ID = re.compile(r"/\d{8}T\d{6}Z/?\Z")
_OTHER_PLACES = re.compile(r"//(?:ports|extras)\.")
"""Places in the templates that have other architectures or other packages."""
_SNAPSHOT_MARK = "@SNAPSHOTID@"
_TEMPLATES = "/usr/share/python-apt/templates"
_DEBOOTSTRAP = "/usr/share/debootstrap/scripts"
_SUITES = {
    "debian": re.compile(
        r"(old)*stable|testing|unstable|experimental|sid|rc-buggy|buster|bullseye|bookworm|trixie|forky|duke"
    ),
    "ubuntu": re.compile(r"devel|bionic|focal|jammy|noble|oracular|plucky|questing|resolute"),
}
_DEBOOTSTRAP_SCRIPT = {"debian": "sid", "ubuntu": "gutsy"}
_POCKET = re.compile(r"-(updates|security|backports|proposed|proposed-updates|backports-sloppy)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrors:
    """What this host knows about archives. Every URL ends without a slash."""

    urls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Alias -> mirrors, best first."""
    snapshots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Alias -> URL templates of snapshot services; `@SNAPSHOTID@` stands for the moment."""
    keyrings: Mapping[str, str] = field(default_factory=dict)
    """Distribution -> path of a keyring that is trusted instead of ours."""
    proxies: Mapping[str, str] = field(default_factory=dict)
    """Scheme, or `scheme://host`, -> proxy URL from apt's configuration; empty text for a direct connection."""

    def of(self, alias: str) -> tuple[str, ...]:
        """Mirrors of the archive `alias`, best first.

        A security archive that nothing names is looked for beside the main archive (`…/debian-security` beside
        `…/debian`), then inside it, where Ubuntu keeps it.
        """
        found = self.urls.get(alias, ())
        if found or not alias.endswith("-security"):
            return found
        main = alias.removesuffix("-security")
        beside = tuple(f"{url}-security" for url in self.of(main) if url.endswith("/" + main))
        return (*beside, *self.of(main))

    def snapshots_of(self, alias: str, moment: str) -> tuple[str, ...]:
        """Archive roots as they were at `moment` (`YYYYMMDDTHHMMSSZ`)."""
        return tuple(template.replace(_SNAPSHOT_MARK, moment) for template in self.snapshots.get(alias, ()))

    def locations(self, alias: str, path: str) -> list[Location]:
        """Where the file `path`, relative to the archive's root, is on every mirror of `alias`."""
        return [self.location(url, path) for url in self.of(alias)]

    def location(self, root: str, path: str) -> Location:
        """The file `path` below the archive root `root`, asked for through apt's proxy where it has one."""
        proxy = self.proxy_for(root)
        return parse_location(f"{root}/{path}", proxy="" if proxy is None else proxy or "DIRECT")

    def proxy_for(self, url: str) -> str | None:
        """The proxy that apt uses for `url`; empty for a direct connection, None where apt says nothing."""
        parts = urlsplit(url)
        for key in (f"{parts.scheme}://{parts.hostname}", parts.scheme):
            if key in self.proxies:
                return self.proxies[key]
        return None


def read_mirrors(
    environ: Mapping[str, str],
    *,
    config_files: tuple[str, ...] = (),
    root: str = "/",
) -> Mirrors:
    """Everything this host says about archives.

    `config_files` are the `mirrors.toml` files, the more important first; `root` is where `etc` and `usr` are looked for.

    Raises:
        SpecError: a `mirrors.toml` is not TOML, or a value in it has the wrong type.
    """
    urls: dict[str, list[str]] = {}
    snapshots: dict[str, list[str]] = {}
    keyrings: dict[str, str] = {}
    _add_environment(environ, urls, snapshots, keyrings)
    for path in config_files:
        _add_config(path, urls, snapshots, keyrings)
    for source in read_apt_sources(os.path.join(root, "etc/apt")):
        _add_source(source, urls, snapshots)
    directives = read_apt_directives(os.path.join(root, "etc/apt"))
    _add_snapshot_directives(directives, snapshots)
    last_resort: dict[str, list[str]] = {}
    _add_templates(os.path.join(root, _TEMPLATES.lstrip("/")), last_resort)
    _add_debootstrap(os.path.join(root, _DEBOOTSTRAP.lstrip("/")), last_resort)
    urls = last_resort | urls
    return Mirrors(
        urls={alias: tuple(dict.fromkeys(found)) for alias, found in urls.items()},
        snapshots={alias: tuple(dict.fromkeys(found)) for alias, found in snapshots.items()},
        keyrings=keyrings,
        proxies=_proxies(directives),
    )


def snapshot_template(url: str, alias: str) -> str:
    """`url` of a snapshot service as a template: one moment becomes a mark, a bare service root gets the usual path."""
    url = url.rstrip("/")
    if _SNAPSHOT_MARK in url:
        return url
    replaced = _SNAPSHOT_ID.sub("/" + _SNAPSHOT_MARK, url)
    return replaced if _SNAPSHOT_MARK in replaced else f"{url}/archive/{alias}/{_SNAPSHOT_MARK}"


def _alias_of_variable(name: str) -> str:
    return name.lower().replace("_", "-")


def _add_environment(
    environ: Mapping[str, str],
    urls: dict[str, list[str]],
    snapshots: dict[str, list[str]],
    keyrings: dict[str, str],
) -> None:
    for name in sorted(environ):
        if name.startswith("SHIPWAY_MIRROR_"):
            alias = _alias_of_variable(name.removeprefix("SHIPWAY_MIRROR_"))
            urls.setdefault(alias, []).extend(url.rstrip("/") for url in environ[name].split())
        elif name.startswith("SHIPWAY_SNAPSHOT_"):
            alias = _alias_of_variable(name.removeprefix("SHIPWAY_SNAPSHOT_"))
            found = (snapshot_template(url, alias) for url in environ[name].split())
            snapshots.setdefault(alias, []).extend(found)
        elif name.startswith("SHIPWAY_KEYRING_"):
            keyrings[_alias_of_variable(name.removeprefix("SHIPWAY_KEYRING_"))] = environ[name]


def _add_config(
    path: str, urls: dict[str, list[str]], snapshots: dict[str, list[str]], keyrings: dict[str, str]
) -> None:
    try:
        with open(path, "rb") as stream:
            table = tomllib.load(stream)
    except FileNotFoundError:
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"`{path}` is not TOML: {error}", hints=(f"correct `{path}`",)) from error
    for alias, found in _lists(path, table, "mirrors").items():
        urls.setdefault(alias, []).extend(url.rstrip("/") for url in found)
    for alias, found in _lists(path, table, "snapshots").items():
        snapshots.setdefault(alias, []).extend(snapshot_template(url, alias) for url in found)
    for alias, found in _lists(path, table, "keyrings").items():
        keyrings.setdefault(alias, found[0])


def _lists(path: str, table: dict[str, object], name: str) -> dict[str, list[str]]:
    section = table.get(name, {})
    hint = f'write `{name}.debian = ["…"]`'
    if not isinstance(section, dict):
        raise SpecError(f"`{name}` in `{path}` is no table", hints=(hint,))
    lists = {alias: [value] if isinstance(value, str) else value for alias, value in section.items()}
    for alias, value in lists.items():
        if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
            raise SpecError(f"`{name}.{alias}` in `{path}` is no list of texts", hints=(hint,))
    return lists


def _distribution_of(source: AptSource) -> str | None:
    """Whose archive `source` is, told by its suites; a keyring named for somebody else speaks against it."""
    keyring = os.path.basename(source.signed_by)
    for distribution, suites in _SUITES.items():
        if (
            any(suites.fullmatch(_POCKET.sub("", suite)) for suite in source.suites)
            and "main" in source.components
        ):
            return distribution if not keyring or distribution in keyring else None
    return None


def _add_source(source: AptSource, urls: dict[str, list[str]], snapshots: dict[str, list[str]]) -> None:
    distribution = _distribution_of(source)
    if distribution is None:
        return
    is_security = [suite.endswith("-security") for suite in source.suites]
    for wanted, alias in ((False, distribution), (True, f"{distribution}-security")):
        if wanted not in is_security:
            continue
        for url in source.urls:
            if _SNAPSHOT_ID.search(url):
                snapshots.setdefault(alias, []).append(snapshot_template(url, alias))
            urls.setdefault(alias, []).append(url.rstrip("/"))
        for comment in source.comments:
            if _SNAPSHOT_ID.search(comment):
                snapshots.setdefault(alias, []).append(snapshot_template(comment, alias))


def _add_snapshot_directives(directives: Mapping[str, str], snapshots: dict[str, list[str]]) -> None:
    """`Acquire::Snapshots::URI::Override::Origin::Debian` and friends of apt.conf(5)."""
    for key, value in directives.items():
        match = re.fullmatch(r"acquire::snapshots::uri::(?:override::)?origin::([a-z]+)", key)
        if match and _SNAPSHOT_MARK in value:
            snapshots.setdefault(match[1], []).append(value.rstrip("/"))


def _proxies(directives: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in directives.items():
        match = re.fullmatch(r"acquire::(https?)::proxy(?:::(.+))?", key)
        if match:
            name = f"{match[1]}://{match[2]}" if match[2] else match[1]
            found[name] = "" if value.upper() == "DIRECT" else value
    return found


def _add_templates(folder: str, urls: dict[str, list[str]]) -> None:
    for distribution in _SUITES:
        try:
            with open(os.path.join(folder, f"{distribution.title()}.info"), encoding="utf-8") as stream:
                text = stream.read()
        except FileNotFoundError:
            continue
        for block in text.split("\n\n"):
            suite = re.search(r"^Suite: (\S+)", block, re.MULTILINE)
            base = re.search(r"^BaseURI: (https?://\S+)", block, re.MULTILINE)
            if (
                suite
                and base
                and not _OTHER_PLACES.search(base[1])
                and suite[1] in ("{series}", "{series}-security")
                and "\nComponent: main" in block
            ):
                alias = distribution + ("-security" if suite[1].endswith("-security") else "")
                urls.setdefault(alias, []).append(base[1].rstrip("/"))


def _add_debootstrap(folder: str, urls: dict[str, list[str]]) -> None:
    for distribution, script in _DEBOOTSTRAP_SCRIPT.items():
        try:
            with open(os.path.join(folder, script), encoding="utf-8") as stream:
                text = stream.read()
        except FileNotFoundError:
            continue
        found = re.findall(r"^\s*default_mirror\s+[\"']?(https?://[^\s\"']+)", text, re.MULTILINE)
        urls.setdefault(distribution, []).extend(url.rstrip("/") for url in found if "old" not in url)
