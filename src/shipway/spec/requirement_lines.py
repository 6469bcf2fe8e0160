"""pip's requirements files: lines, options, hashes, files that name other files. Understood, or refused with the line.

Source of the format: pip's manual, "Requirements File Format".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from shipway.spec.grammar import alias_of, find_inside, find_name_and_version, holds_credentials
from shipway.spec.model import IndexSource, LocalProject, Origin, Wish
from shipway.spec.requirement import Requirement, parse_requirement
from shipway.spec.sheet import Findings

_COMMENT = re.compile(r"(?:^|\s)#.*$")
_OPTION = re.compile(r"(--?[A-Za-z][A-Za-z-]*)(?:\s*=\s*|\s+|(?<=^-[a-zA-Z]))?(.*)\Z", re.DOTALL)
_HASH = re.compile(r"\s--hash(?:\s*=\s*|\s+)(\S+)")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}\Z", re.ASCII)
_OTHER_OPTION = re.compile(r"\s(--[a-z-]+)")
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
_LOCAL = re.compile(r"(?P<path>[^\[\]]+?)(?:\[(?P<extras>[A-Za-z0-9._, -]*)\])?\Z")
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9._-]+)")
_SHORT = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-i": "--index-url",
    "-f": "--find-links",
}
_NOTHING_TO_DO = {"--require-hashes", "--prefer-binary", "--use-pep517"}
NETRC = "keep the address without user and password, and put these into `~/.netrc` or uv's or pip's own configuration"
HINTS = {
    "--pre": "name the pre-release itself: `NAME==VERSION`",
    "--no-index": "name the folder as `[indexes.ALIAS]` with `folder` and `packages`",
    "--no-binary": "leave it out: a wheel is built only where none is offered",
    "--only-binary": "leave it out: a wheel is taken where one is offered",
    "--trusted-host": "leave it out: certificates come from the host's configuration",
}


class Line(NamedTuple):
    """A logical line: comments off, continued lines joined."""

    number: int
    text: str


@dataclass(slots=True, kw_only=True)
class Contents:
    """What requirements files ask for."""

    wishes: list[Wish] = field(default_factory=list)
    constraints: list[Wish] = field(default_factory=list)
    projects: list[LocalProject] = field(default_factory=list)
    indexes: list[IndexSource] = field(default_factory=list)


def split_lines(text: str) -> Iterator[Line]:
    """The logical lines of a requirements file that say anything."""
    pending, start = "", 0
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        start = start or number
        line = _COMMENT.sub("", raw)
        if line.endswith("\\") and not _COMMENT.search(raw):
            pending += line[:-1] + " "
            continue
        whole = (pending + line).strip()
        if whole:
            yield Line(start, whole)
        pending, start = "", 0
    if pending.strip():
        yield Line(start, pending.strip())


def find_included(text: str, name: str) -> tuple[str, ...]:
    """Files that the requirements file `name` names by `-r` and `-c`, relative to the project; escapes left out."""
    found = []
    for line in split_lines(text):
        option, value = _option(line.text)
        if option in ("--requirement", "--constraint") and (
            path := find_inside(value, posixpath.dirname(name))
        ):
            found.append(path)
    return tuple(dict.fromkeys(found))


def read_requirement_item(text: str) -> tuple[Requirement, tuple[str, ...]]:
    """A requirement with the hashes that follow it.

    Raises:
        ValueError: it is none; the message says why.
    """
    hashes = tuple(_HASH.findall(" " + text))
    bare = _HASH.sub("", " " + text).strip()
    other = _OTHER_OPTION.search(" " + bare)
    if other:
        raise ValueError(f"option `{other[1]}` of a requirement is not known here")
    for value in hashes:
        if not _SHA256.match(value):
            raise ValueError(f"`{value}` is no sha256 hash")
    requirement = parse_requirement(bare)
    if requirement.url and holds_credentials(requirement.url):
        raise ValueError("the address holds a user or password")
    if requirement.url.startswith("file:"):
        raise ValueError("points to a file of one machine")
    return requirement, tuple(sorted(hashes))


def hint_for(text: str) -> str:
    """The next step for a requirement that was refused."""
    if "file:" in text:
        seen = find_name_and_version(posixpath.basename(text.partition(" ;")[0].strip()))
        what = f"`{seen[0]}=={seen[1]}`" if seen else "the package's version"
        return f"write {what} instead; `shipway init` does so for a whole frozen list"
    if holds_credentials(text):
        return NETRC
    return (
        "requirements look like `jax==0.4.30`, `numpy>=1,<3`, `jax[cuda12]` or `name @ git+https://…@COMMIT`"
    )


def wish_of(text: str, origin: Origin, findings: Findings) -> Wish | None:
    """The wish that one requirement is, or None after noting what is wrong with it."""
    try:
        _, hashes = read_requirement_item(text)
    except ValueError as error:
        findings.refuse(origin, f"`{_safe(text)}` is no requirement: {error}", hint_for(text))
        return None
    bare = " ".join(_HASH.sub("", " " + text).split())
    return Wish(text=bare, hashes=hashes, origin=origin)


def _safe(text: str) -> str:
    return re.sub(r"://[^/@\s]+@", "://…@", text)


def _option(text: str) -> tuple[str, str]:
    """Long name and value of an option line; two empty texts for a requirement."""
    if not text.startswith("-"):
        return "", ""
    if len(text) > 2 and text[1] != "-":  # noqa: PLR2004 - a dash and a letter
        return _SHORT.get(text[:2], text[:2]), text[2:].strip().removeprefix("=").strip()
    match = _OPTION.match(text)
    if match is None:
        return text, ""
    return _SHORT.get(match[1], match[1]), match[2].strip()


class Reader:
    """Reads requirements files out of `texts` (name -> text, None for a file that is not there) into one `Contents`."""

    def __init__(self, texts: Mapping[str, str | None], findings: Findings) -> None:
        """Start with nothing read."""
        self.texts = texts
        self.findings = findings
        self.contents = Contents()
        self._seen: set[tuple[str, bool]] = set()

    def read(self, name: str, asked: Origin, *, constraints: bool = False) -> None:
        """Read the file `name`, which `asked` names; as bounds only if `constraints`."""
        if (name, constraints) in self._seen:
            return
        self._seen.add((name, constraints))
        text = self.texts.get(name)
        if text is None:
            hint = "the file is looked for beside the spec; correct its name or leave it out"
            self.findings.refuse(asked, f"file `{name}` is not there", hint)
            return
        for line in split_lines(text):
            self._line(
                line, Origin(file=name, line=line.number), posixpath.dirname(name), constraints=constraints
            )

    def _line(self, line: Line, origin: Origin, folder: str, *, constraints: bool) -> None:
        if _VARIABLE.search(line.text):
            self.findings.refuse(origin, "a variable of the environment stands in the line", NETRC)
        elif line.text.startswith("-"):
            self._option(line, origin, folder, constraints=constraints)
        elif _is_path(line.text):
            self._local(line.text, origin, folder)
        elif re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", line.text):
            self._address(line.text, origin, constraints=constraints)
        else:
            self._wish(line.text, origin, constraints=constraints)

    def _wish(self, text: str, origin: Origin, *, constraints: bool) -> None:
        wish = wish_of(text, origin, self.findings)
        if wish is not None:
            (self.contents.constraints if constraints else self.contents.wishes).append(wish)

    def _option(self, line: Line, origin: Origin, folder: str, *, constraints: bool) -> None:
        option, value = _option(line.text)
        if option in ("--requirement", "--constraint"):
            path = find_inside(value, folder)
            if path is None:
                self.findings.refuse(
                    origin, f"`{value}` is outside the project", "move the file into the project"
                )
            else:
                self.read(path, origin, constraints=constraints or option == "--constraint")
        elif option == "--editable":
            self._editable(value, origin, folder, constraints=constraints)
        elif option in ("--index-url", "--extra-index-url"):
            self._index(value, origin)
        elif option == "--find-links":
            self._find_links(value, origin, folder)
        elif option not in _NOTHING_TO_DO:
            hint = HINTS.get(option, "leave it out, or write what it means into the spec")
            self.findings.refuse(origin, f"option `{option}` is not known here", hint)

    def _editable(self, value: str, origin: Origin, folder: str, *, constraints: bool) -> None:
        if "://" in value:
            self._address(value, origin, constraints=constraints)
        else:
            self._local(value, origin, folder)

    def _local(self, text: str, origin: Origin, folder: str) -> None:
        match = _LOCAL.match(text.removeprefix("file:").strip())
        path = find_inside(match["path"].strip(), folder) if match else None
        if match is None or path is None:
            self.findings.refuse(
                origin, f"`{text}` is outside the project", "move it below the spec's folder"
            )
        elif path.endswith((".whl", ".tar.gz", ".zip")):
            hint = 'name its folder as `[indexes.ALIAS]` with `folder = "…"`, and the package by name and version'
            self.findings.refuse(origin, f"`{text}` is a single package file", hint)
        else:
            extras = tuple(
                sorted(extra.strip() for extra in (match["extras"] or "").split(",") if extra.strip())
            )
            self.contents.projects.append(LocalProject(path=path, extras=extras, origin=origin))

    def _address(self, text: str, origin: Origin, *, constraints: bool) -> None:
        egg = _EGG.search(text)
        seen = find_name_and_version(
            posixpath.basename(text.split("#", maxsplit=1)[0].split(" ", maxsplit=1)[0])
        )
        name = egg[1] if egg else seen[0] if seen else ""
        if not name:
            hint = "write `NAME @ ADDRESS`, so that the package's name is known"
            self.findings.refuse(origin, f"`{_safe(text)}` does not tell which package it is", hint)
            return
        self._wish(f"{name} @ {_EGG.sub('', text)}", origin, constraints=constraints)

    def _index(self, url: str, origin: Origin) -> None:
        if holds_credentials(url):
            self.findings.refuse(origin, f"`{_safe(url)}` holds a user or password", NETRC)
        elif not url.startswith(("http://", "https://")):
            self.findings.refuse(
                origin, f"`{url}` is no address of an index", "addresses start with `https://`"
            )
        else:
            index = IndexSource(alias=alias_of(url), url=url.rstrip("/"))
            if index not in self.contents.indexes:
                self.contents.indexes.append(index)

    def _find_links(self, value: str, origin: Origin, folder: str) -> None:
        path = None if "://" in value else find_inside(value, folder)
        if path is None:
            hint = "a folder of the project is understood; for an index write `[indexes.ALIAS]` with `url`"
            self.findings.refuse(origin, f"`{_safe(value)}` is no folder of the project", hint)
            return
        index = IndexSource(
            alias="folder-" + (re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-") or "here"), folder=path
        )
        if index not in self.contents.indexes:
            self.contents.indexes.append(index)


def _is_path(text: str) -> bool:
    start = text.split("[", maxsplit=1)[0].split(";", maxsplit=1)[0].strip()
    return (
        start == "."
        or start.startswith(("./", "../", "/", "file:", "~"))
        or ("/" in start and "@" not in start and "://" not in start)
    )
