"""apt as the solver: a private root with nothing but verified indexes, one simulation, and its answer as values.

apt gets no network, no keys and no real database. What it answers is only names and versions; digests and paths come from
the verified indexes. Formats: apt.conf(5), sources.list(5), apt_preferences(5), and the `Inst` lines of apt-get(8) `-s`.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import BuildError, ConflictError, NotFound, ToolError
from shipway.core.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipway.resolve.archives import SuiteArchive
    from shipway.resolve.packages import PackageIndex, PackageRecord
    from shipway.spec.model import Wish

ROOT = "/solve"
"""Where the private root is inside the sandbox."""
_INST = re.compile(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) .*?\[([a-z0-9-]+)\]\)", re.MULTILINE)
_FIELD = re.compile(r"^(Package|Status|Architecture): *(\S.*?) *$", re.MULTILINE)
_REQUEST = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]+)(?::(?P<arch>[a-z0-9-]+))?(?:=(?P<version>[A-Za-z0-9.+:~-]+)|/(?P<suite>[A-Za-z0-9.~-]+))?\Z"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AptWish:
    """One package that the user names: `git`, `git=1:2.39`, `git/bookworm-backports`, `libc6:i386`."""

    name: str
    architecture: str = ""
    version: str = ""
    suite: str = ""

    @property
    def argument(self) -> str:
        """As apt-get reads it."""
        text = self.name + (f":{self.architecture}" if self.architecture else "")
        return text + (f"={self.version}" if self.version else f"/{self.suite}" if self.suite else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One package that apt would install."""

    name: str
    version: str
    architecture: str

    @property
    def key(self) -> tuple[str, str, str]:
        """As `PackageRecord.key`."""
        return (self.name, self.version, self.architecture)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What apt would do."""

    installed: tuple[Choice, ...]
    removed: tuple[str, ...] = ()


def parse_wish(wish: Wish) -> AptWish:
    """What `wish` asks apt for.

    Raises:
        NotFound: it is no package name.
    """
    match = _REQUEST.match(wish.text.strip())
    if match is None:
        raise NotFound(
            f"`{shown(wish.text)}` in `{wish.origin}` is no package name",
            hints=("write `name`, `name=version`, `name/suite` or `name:architecture`",),
        )
    return AptWish(
        name=match["name"],
        architecture=match["arch"] or "",
        version=match["version"] or "",
        suite=match["suite"] or "",
    )


def check_wishes(wishes: Sequence[tuple[Wish, AptWish]], indexes: Sequence[PackageIndex], base: str) -> None:
    """Refuse names, versions and virtual packages that apt could not install, in the user's words.

    Raises:
        NotFound: with the nearest names, the versions there are, or the packages that provide it.
    """
    for wish, asked in wishes:
        records = [record for index in indexes for record in index.records(asked.name)]
        if not records:
            raise _unknown_name(wish, asked, indexes, base)
        versions = list(dict.fromkeys(record.version for record in records))
        if asked.version and asked.version not in versions:
            raise NotFound(
                f"`{asked.name}` has no version `{shown(asked.version)}` in `{base}` ({wish.origin})",
                hints=(f"it has {', '.join(versions[:8])}", "older versions need a pinned date in `base`"),
            )


def _unknown_name(wish: Wish, asked: AptWish, indexes: Sequence[PackageIndex], base: str) -> NotFound:
    providers = sorted({name for index in indexes for name in index.providers(asked.name)})
    if providers:
        return NotFound(
            f"`{asked.name}` is a virtual package in `{base}` ({wish.origin})",
            hints=(f"name one that provides it: {', '.join(providers[:8])}",),
        )
    names = {name for index in indexes for name in index.names}
    near = difflib.get_close_matches(asked.name, names, n=3, cutoff=0.75)
    hints = (f"did you mean {' or '.join(f'`{name}`' for name in near)}?",) if near else ()
    return NotFound(
        f"`{asked.name}` does not exist in `{base}` ({wish.origin})",
        hints=(*hints, "check the name in the distribution's package list"),
    )


def render_configuration(architecture: str, foreign: Sequence[str], *, recommends: bool) -> bytes:
    """apt.conf of the private root."""
    architectures = " ".join(f'"{one}";' for one in (architecture, *foreign))
    lines = (
        f'Dir "{ROOT}";',
        f'Dir::State::status "{ROOT}/status";',
        f'Dir::Log "{ROOT}";',
        'Dir::Bin::dpkg "/nonexistent";',
        f'APT::Architecture "{architecture}";',
        f"APT::Architectures {{ {architectures} }};",
        f'APT::Install-Recommends "{str(recommends).lower()}";',
        'APT::Install-Suggests "false";',
        'APT::Sandbox::User "root";',
        'APT::Get::AllowUnauthenticated "true";',
        'Acquire::Languages "none";',
    )
    return "\n".join((*lines, "")).encode()


def render_sources(archives: Sequence[SuiteArchive]) -> bytes:
    """sources.list of the private root. The hosts in it are aliases that nobody resolves."""
    lines = (
        f"deb [trusted=yes] http://{one.lock.alias} {one.lock.suite} {' '.join(one.lock.components)}\n"
        for one in archives
    )
    return "".join(lines).encode()


def list_name(alias: str, suite: str, rest: str) -> str:
    """The name under which apt keeps the file `rest` (`main/binary-amd64/Packages`) of a suite in its lists."""
    return f"{alias}/dists/{suite}/{rest}".replace("_", "%5f").replace("/", "_")


def render_preferences(pins: Iterable[tuple[str, str]]) -> bytes:
    """Preferences that keep each (package, version) unless the user asks for another one; below 1000, so nothing is forced."""
    return "".join(
        f"Package: {name}\nPin: version {version}\nPin-Priority: 995\n\n"
        for name, version in sorted(set(pins))
    ).encode()


def render_status(records: Iterable[tuple[PackageRecord, bytes]]) -> bytes:
    """A dpkg status in which the packages with these index stanzas are installed."""
    return b"".join(
        stanza.rstrip(b"\n") + b"\nStatus: install ok installed\n\n" for _record, stanza in records
    )


def find_installed(status: bytes) -> set[tuple[str, str]]:
    """Name and architecture of every package that a dpkg status has as installed."""
    found = set()
    for stanza in status.decode("utf-8", "replace").split("\n\n"):
        fields = dict(_FIELD.findall(stanza))
        if fields.get("Status", "").endswith(" installed"):
            found.add((fields.get("Package", ""), fields.get("Architecture", "")))
    return found


def parse_simulation(text: str) -> Answer:
    """What a simulation would install and remove, in apt's order."""
    return Answer(
        installed=tuple(
            Choice(name=match[1].partition(":")[0], version=match[2], architecture=match[3])
            for match in _INST.finditer(text)
        ),
        removed=tuple(re.findall(r"^Remv (\S+)", text, re.MULTILINE)),
    )


def explain_failure(output: str, wishes: Sequence[tuple[Wish, AptWish]], base: str) -> ToolError:
    """The refusal of apt as an error in the user's words; its own explanation is kept verbatim."""
    asked = ", ".join(f"`{wish.text}` ({wish.origin})" for wish, _ in wishes) or "the base system"
    unmet = output.partition("unmet dependencies:\n")[2].partition("\nE: ")[0].rstrip()
    if unmet:
        named = [
            wish
            for wish, one in wishes
            if re.search(rf"^ {re.escape(one.name)}(?::\S+)? :", unmet, re.MULTILINE)
        ]
        who = ", ".join(f"`{wish.text}` ({wish.origin})" for wish in named) or asked
        return ConflictError(
            f"the packages asked for cannot be installed together in `{base}`: {who}",
            hints=("remove one of them, or ask for another version (`name=version`, `name/suite`)",),
            detail=shown_lines(unmet),
        )
    errors = re.findall(r"^E: (.+)$", output, re.MULTILINE)
    if any(
        "Unable to locate" in e or "was not found" in e or "no installation candidate" in e for e in errors
    ):
        return NotFound(
            f"`{base}` does not have all of {asked}",
            hints=("check names, versions and suites",),
            detail=shown_lines("\n".join(errors)),
        )
    return BuildError(
        f"apt could not choose packages of `{base}` for {asked}",
        hints=("run the command again with `--verbose`",),
        detail=shown_lines(output[-4000:]),
    )


def shown_lines(text: str) -> str:
    """Foreign output with each line made safe."""
    return "\n".join(shown(line, 300) for line in text.splitlines())
