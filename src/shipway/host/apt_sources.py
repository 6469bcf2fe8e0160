"""The host's apt sources, both styles, as values. Source of the formats: sources.list(5), apt-transport-mirror(1)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

_URL = re.compile(r"https?://\S+")
_SCHEMES = ("http://", "https://", "file:/")


@dataclass(frozen=True, slots=True, kw_only=True)
class AptSource:
    """One archive that the host's apt reads."""

    urls: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""
    comments: tuple[str, ...] = ()
    """URLs in the comments just above; official container images keep a snapshot's address there."""


def read_apt_sources(folder: str) -> tuple[AptSource, ...]:
    """Every enabled binary source below `folder` (`/etc/apt`), in apt's order."""
    sources: list[AptSource] = []
    parts = os.path.join(folder, "sources.list.d")
    names = sorted(os.listdir(parts)) if os.path.isdir(parts) else []
    for path in (os.path.join(folder, "sources.list"), *(os.path.join(parts, name) for name in names)):
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                text = stream.read()
        except (FileNotFoundError, PermissionError, IsADirectoryError):
            continue
        if path.endswith(".sources"):
            sources += parse_deb822_sources(text)
        elif path.endswith(".list"):
            sources += parse_one_line_sources(text)
    return tuple(_with_mirror_lists(source) for source in sources)


def parse_one_line_sources(text: str) -> list[AptSource]:
    """The sources of a `.list` file; lines that apt would refuse are left out."""
    found: list[AptSource] = []
    comments: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            comments += _URL.findall(line)
            continue
        match = re.match(
            r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+\S+)*)", line.partition("#")[0].strip()
        )
        if match:
            signed = re.search(r"signed-by=(\S+)", match[1] or "")
            found.append(
                AptSource(
                    urls=(match[2],),
                    suites=(match[3],),
                    components=tuple(match[4].split()),
                    signed_by=signed[1] if signed else "",
                    comments=tuple(comments),
                )
            )
        comments = []
    return found


def parse_deb822_sources(text: str) -> list[AptSource]:
    """The sources of a `.sources` file; disabled and source-only stanzas are left out."""
    found = []
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields, comments = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in (
            "no",
            "false",
        ):
            continue
        signed = fields.get("signed-by", "")
        found.append(
            AptSource(
                urls=tuple(fields.get("uris", "").split()),
                suites=tuple(fields.get("suites", "").split()),
                components=tuple(fields.get("components", "").split()),
                signed_by=signed.strip() if "PGP" not in signed else "",
                comments=comments,
            )
        )
    return found


def _fields(stanza: str) -> tuple[dict[str, str], tuple[str, ...]]:
    fields: dict[str, str] = {}
    comments: list[str] = []
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            comments += _URL.findall(line)
        elif line[:1] in (" ", "\t") and name:
            fields[name] += "\n" + line.strip()
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields, tuple(comments)


def _with_mirror_lists(source: AptSource) -> AptSource:
    """Replace `mirror+file:` entries by what the file lists, and drop transports that are no plain HTTP or file."""
    urls: list[str] = []
    for url in source.urls:
        if url.startswith("mirror+file:"):
            urls += _mirror_list(url.removeprefix("mirror+file:"))
        elif url.startswith(_SCHEMES):
            urls.append(url)
    return AptSource(
        urls=tuple(urls),
        suites=source.suites,
        components=source.components,
        signed_by=source.signed_by,
        comments=source.comments,
    )


def _mirror_list(path: str) -> list[str]:
    try:
        with open("/" + path.lstrip("/"), encoding="utf-8") as stream:
            lines = stream.read().splitlines()
    except FileNotFoundError:
        return []
    return [line.split()[0] for line in lines if line.startswith(_SCHEMES)]
