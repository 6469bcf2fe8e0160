"""What an import found: for each instruction what it becomes and what is wrong with it, and the spec's draft behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shipway.core.secrets import looks_secret
from shipway.core.text import shown
from shipway.spec.dockerfile.model import Dockerfile, Instruction
from shipway.spec.draft import Draft
from shipway.spec.grammar import without_credentials
from shipway.spec.model import Origin

_VALUE = r"""("[^"]*"|'[^']*'|[^\s"']+)"""
_ASSIGNED = re.compile(rf"\b([A-Za-z_][A-Za-z0-9_]*)(=){_VALUE}", re.ASCII)
_FOLLOWED = re.compile(
    rf"\b([A-Za-z_]{{0,60}}(?:TOKEN|SECRET|PASSW|KEY|CREDENTIAL)[A-Za-z_]{{0,60}})(\s+){_VALUE}",
    re.IGNORECASE | re.ASCII,
)
_PASSWORD_OF_USER = re.compile(r"([\w-]+:)[^\s\"'|]+", re.ASCII)
_LONG = 160


class Outcome(StrEnum):
    """What became of an instruction, or of a part of it."""

    BECOMES = "becomes"
    """Something in the spec."""
    NOTHING = "nothing"
    """Nothing is needed for it."""
    LEFT = "left"
    """It is not carried over; a person has to look."""
    WRONG = "wrong"
    """It is a mistake, or a habit with a cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to say about one instruction."""

    line: int
    outcome: Outcome
    what: str
    why: str = ""
    """The reason; for what is wrong or left the next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One instruction of the file and what is said of it."""

    line: int
    text: str
    """In one line, without secrets."""
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A whole import."""

    file: str
    stage: str
    """Name or number of the stage that was taken."""
    lines: tuple[Line, ...]
    text: str
    """Of a `shipway.toml`, with comments."""


@dataclass(slots=True)
class Record:
    """Collects the findings and the draft while instructions are read in order."""

    source: Dockerfile
    draft: Draft = field(default_factory=Draft)
    findings: dict[Finding, None] = field(default_factory=dict)
    line: int = 0
    """Of the instruction that is read now."""
    wants_python: bool = False
    """Python is asked for, in no version."""

    @property
    def origin(self) -> Origin:
        """The place that is read now."""
        return Origin(file=self.source.file, line=self.line)

    def put(self, key: str, value: Any, why: str) -> None:
        """A single value of the spec."""
        self.draft.put(key, value, self.origin, why)
        self._say(Outcome.BECOMES, f"{key} = {_value(value)}", why)

    def add(self, key: str, item: Any, why: str) -> None:
        """One item of a list of the spec."""
        self.draft.add(key, item, self.origin, why)
        self._say(Outcome.BECOMES, f"{key}: {_value(item)}", why)

    def put_in(self, table: str, key: str, value: Any, why: str) -> None:
        """A value in a table of the spec."""
        self.draft.document.setdefault(table, {})[key] = value
        self._say(Outcome.BECOMES, f"{table}.{key} = {_value(value)}", why)

    def command(self, argv: tuple[str, ...], inputs: tuple[str, ...], why: str) -> None:
        """A build command."""
        table: dict[str, Any] = {"run": list(argv)} | ({"inputs": list(inputs)} if inputs else {})
        self.draft.document.setdefault("build", []).append(table)
        self._say(Outcome.BECOMES, f"[[build]] run = {_value(list(argv))}", why)

    def nothing(self, why: str) -> None:
        """Nothing is needed for it."""
        self._say(Outcome.NOTHING, why)

    def left(self, what: str, step: str) -> None:
        """It is not carried over."""
        self._say(Outcome.LEFT, what, step)

    def wrong(self, what: str, step: str) -> None:
        """It is a mistake, or a habit with a cost."""
        self._say(Outcome.WRONG, what, step)

    def _say(self, outcome: Outcome, what: str, why: str = "") -> None:
        finding = Finding(line=self.line, outcome=outcome, what=what, why=why)
        self.findings.setdefault(finding)


def _value(value: Any) -> str:
    from shipway.spec.toml_text import render_value  # noqa: PLC0415 - beside its only use

    return shown(render_value(value), _LONG)


def without_secrets(text: str) -> str:
    """`text` with tokens, values of variables that look secret, and passwords in addresses taken out."""
    for pattern in (_ASSIGNED, _FOLLOWED):
        text = pattern.sub(_hide, text)
    if "chpasswd" in text:
        text = _PASSWORD_OF_USER.sub(r"\1…", text)
    words = ["…" if looks_secret("", word) else word for word in re.split(r"(\s+)", text)]
    return without_credentials("".join(words))


def _hide(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}…" if looks_secret(match[1], match[3].strip("\"'")) else match[0]


def holds_secret(text: str) -> bool:
    """Whether something in `text` looks like a secret."""
    return without_secrets(text) != text


def render_line(instruction: Instruction) -> str:
    """The instruction in one line, fit to be shown."""
    flags = "".join(f"--{name}={value} " if value else f"--{name} " for name, value in instruction.flags)
    return shown(without_secrets(" ".join(f"{instruction.name} {flags}{instruction.text}".split())), _LONG)
