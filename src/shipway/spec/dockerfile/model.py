"""A Dockerfile as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Heredoc:
    """The lines that follow an instruction with `<<NAME`."""

    name: str
    text: str
    """With a newline behind each line; leading tabs are gone when `<<-` asked for that."""
    quoted: bool
    """Variables in it mean themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction."""

    line: int
    """From 1, where it starts."""
    name: str
    """Upper case."""
    flags: tuple[tuple[str, str], ...] = ()
    """`--name=value` in front of the words."""
    text: str
    """What follows the flags; continued lines are joined."""
    json: tuple[str, ...] | None = None
    """The exec form, where the instruction has one and uses it."""
    heredocs: tuple[Heredoc, ...] = ()

    def flag(self, name: str) -> str:
        """The last value of a flag, or empty."""
        return next((value for key, value in reversed(self.flags) if key == name), "")

    def flag_values(self, name: str) -> tuple[str, ...]:
        """Every value of a flag."""
        return tuple(value for key, value in self.flags if key == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """Something that Docker refuses or warns of, and that has one sensible reading, which was taken."""

    line: int
    what: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """A whole file."""

    file: str
    """As it is called in messages."""
    instructions: tuple[Instruction, ...]
    directives: tuple[tuple[str, str, int], ...] = ()
    """`# syntax=…` and the like at the top: name, value, line."""
    escape: str = "\\"
    slips: tuple[Slip, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """From one FROM to the next."""

    number: int
    """From 0."""
    name: str
    """Lower case, or empty."""
    base: str
    """The image, or the name of an earlier stage; variables are replaced."""
    platform: str
    start: Instruction
    """Its FROM."""
    body: tuple[Instruction, ...]
