"""Names of images: the grammar of the distribution project's `reference` package. Pure.

`[REGISTRY/]REPOSITORY[:TAG][@DIGEST]`. The first part is a registry when it holds a `.` or a `:`, an upper-case letter, or is
`localhost`. A name without one belongs to this machine, or to the registry that the host has named as its default.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from shipway.core.digest import Digest
from shipway.core.errors import ExitCode, ToolError
from shipway.core.text import shown

_COMPONENT = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REGISTRY = re.compile(
    rf"(?:{_COMPONENT}(?:\.{_COMPONENT})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?\Z", re.ASCII
)
_REPOSITORY = re.compile(r"{0}(?:/{0})*\Z".format(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"), re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z", re.ASCII)
_ONLY_HEX = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)
_LONGEST = 255
_LAST_PORT = 65535
DEFAULT_TAG = "latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One image, by tag, by digest, or both; then the digest decides."""

    registry: str
    """`host[:port]` as it was written; empty for a local name."""
    repository: str
    tag: str
    """Empty only beside a digest."""
    digest: Digest | None = None

    @property
    def text(self) -> str:
        """The whole reference, as `parse_reference` reads it."""
        tag = f":{self.tag}" if self.tag else ""
        return self.name + tag + (f"@{self.digest}" if self.digest else "")

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}" if self.registry else self.repository

    @property
    def selector(self) -> str:
        """What names the manifest in a registry's API: the digest where there is one, else the tag."""
        return self.digest or self.tag

    def at(self, digest: Digest) -> Reference:
        """The same image, held at `digest`."""
        return replace(self, digest=digest)


def parse_reference(text: str) -> Reference:
    """The reference that `text` is; without tag and digest it means the tag `latest`.

    Raises:
        ToolError: `text` is no reference (USAGE).
    """
    rest, at, digest_text = text.partition("@")
    digest = None
    if at:
        try:
            digest = Digest(digest_text)
        except ValueError:
            raise _bad(text, "what follows `@` is no sha256 digest") from None
    name, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        name, tag = rest, ""
    elif not _TAG.match(tag):
        raise _bad(text, "a tag holds up to 128 letters, digits, `_`, `.` and `-`")
    registry, repository = _split(name)
    if registry:
        _check_registry(text, registry)
    _check_repository(text, repository)
    return Reference(
        registry=registry, repository=repository, tag=tag or ("" if digest else DEFAULT_TAG), digest=digest
    )


def parse_registry(text: str) -> str:
    """`text` if it is a registry's `host[:port]`.

    Raises:
        ToolError: it is not (USAGE).
    """
    _check_registry(text, text)
    return text


def _split(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and (first == "localhost" or first != first.lower() or any(c in first for c in ".:[")):
        return first, rest
    return "", name


def _check_registry(text: str, registry: str) -> None:
    if not _REGISTRY.match(registry):
        raise _bad(text, "a registry is a host name, with `:` and a port where it has one")
    port = registry.rpartition(":")[2]
    if not registry.endswith("]") and port.isdigit() and registry != port and int(port) > _LAST_PORT:
        raise _bad(text, f"{port} is no port")


def _check_repository(text: str, repository: str) -> None:
    if not repository:
        raise _bad(text, "it names no repository")
    if len(repository) > _LONGEST:
        raise _bad(text, f"a repository's name has at most {_LONGEST} characters")
    if not _REPOSITORY.match(repository):
        upper = repository != repository.lower()
        raise _bad(
            text,
            "repository names are in lower case"
            if upper
            else "a repository's parts hold lower-case letters and digits, with `.`, `_` or `-` between them",
        )
    if _ONLY_HEX.match(repository):
        raise _bad(text, "64 hex digits are taken for an image's digest")


def _bad(text: str, why: str) -> ToolError:
    return ToolError(
        f"`{shown(text)}` is no image reference: {why}",
        hints=["write it as `registry.example.org/team/name:tag`"],
        code=ExitCode.USAGE,
    )
