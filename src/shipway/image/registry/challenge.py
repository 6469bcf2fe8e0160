"""`WWW-Authenticate` (RFC 9110 11.6.1) and token scopes (distribution, token authentication) as values. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word for a word
_PIECE = re.compile(
    rf'\s*(?:,\s*)*(?:(?P<key>{_TOKEN})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>{_TOKEN}))|(?P<scheme>{_TOKEN}))'
)
_LONGEST = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One way to identify oneself that a server offers."""

    scheme: str
    """In lower case."""
    parameters: tuple[tuple[str, str], ...]
    """Names in lower case."""

    def get(self, name: str) -> str:
        """The parameter `name`, or empty."""
        return dict(self.parameters).get(name, "")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Scope:
    """Rights on one thing: `repository:team/name:pull,push`."""

    kind: str
    name: str
    actions: tuple[str, ...]

    @property
    def text(self) -> str:
        """As token servers read it."""
        return f"{self.kind}:{self.name}:{','.join(self.actions)}"


def parse_challenges(values: Iterable[str]) -> tuple[Challenge, ...]:
    """The challenges in every `WWW-Authenticate` header; what cannot be read ends its header."""
    return tuple(challenge for value in values if len(value) <= _LONGEST for challenge in _parse(value))


def _parse(value: str) -> Iterator[Challenge]:
    parameters: list[tuple[str, str]] = []
    scheme, position = "", 0
    while match := _PIECE.match(value, position):
        position = match.end()
        if match["scheme"]:
            if scheme:
                yield Challenge(scheme=scheme, parameters=tuple(parameters))
            scheme, parameters = match["scheme"].lower(), []
        else:
            text = match["plain"] or re.sub(r"\\(.)", r"\1", match["quoted"] or "")
            parameters.append((match["key"].lower(), text))
    if scheme:
        yield Challenge(scheme=scheme, parameters=tuple(parameters))


def find_widening(asked: str, allowed: Iterable[Scope]) -> str:
    """The first of the scopes in `asked` (separated by spaces) that grants more than `allowed`; empty when none does."""
    rights: dict[tuple[str, str], set[str]] = {}
    for scope in allowed:
        rights.setdefault((scope.kind, scope.name), set()).update(scope.actions)
    for text in asked.split():
        kind, _, rest = text.partition(":")
        name, _, actions = rest.rpartition(":")
        if not set(actions.split(",")) <= rights.get((kind, name), set()):
            return text
    return ""
