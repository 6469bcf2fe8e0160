"""A shell script of a RUN -> its simple commands, as far as they can be told without running it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from shipway.spec.dockerfile.words import LONGEST, Variables, expand_variable

_OPERATORS = ("&&", "||", ";;", "|&", ";", "|", "&", "\n", "(", ")")
_REDIRECT = re.compile(r"\d*(?:>>|>\||>&|<&|<<<|>|<)|&>>?")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=", re.ASCII)
_COMPOUND = frozenset(
    {
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "for",
        "while",
        "until",
        "do",
        "done",
        "case",
        "esac",
        "function",
        "[[",
    }
    | {"{", "}", "!"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simple:
    """One simple command."""

    words: tuple[str, ...]
    """Quotes off, variables replaced, assignments and redirections taken out."""
    raw: str
    """As it is written."""
    set: tuple[tuple[str, str], ...] = ()
    """Assignments in front."""
    writes: tuple[str, ...] = ()
    """Files that output goes to."""
    before: str = ""
    """The operator in front: empty, `&&`, `||`, `;`, `|`."""
    opaque: bool = False
    """A word comes from another command, or from a variable that is not known."""

    @property
    def program(self) -> str:
        """The file name of what is run, or empty."""
        return self.words[0].rpartition("/")[2] if self.words else ""


@dataclass(slots=True)
class _Lexer:
    text: str
    variables: dict[str, str | None]
    commands: list[Simple] = field(default_factory=list)
    at: int = 0
    start: int = 0
    before: str = ""
    words: list[str] = field(default_factory=list)
    assigned: list[tuple[str, str]] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    redirect: str = ""
    opaque: bool = False
    compound: bool = False
    grown: int = 0
    """Characters that variables brought."""

    def read(self) -> None:
        while self.at < len(self.text):
            char = self.text[self.at]
            operator = next((it for it in _OPERATORS if self.text.startswith(it, self.at)), "")
            redirect = _REDIRECT.match(self.text, self.at)
            if char in " \t" or self.text.startswith("\\\n", self.at):
                self.at += 1 if char in " \t" else 2
            elif char == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif redirect:
                self.redirect = redirect[0]
                self.at = redirect.end()
            elif operator:
                self.compound = self.compound or operator in "()"
                self._end(operator)
            else:
                self._word()
        self._end("")

    def _end(self, operator: str) -> None:
        raw = self.text[self.start : self.at].strip()
        if self.words or self.assigned or self.writes:
            self.compound = self.compound or (bool(self.words) and self.words[0] in _COMPOUND)
            if not self.words:
                self.variables.update({name: None if self.opaque else value for name, value in self.assigned})
            self.commands.append(
                Simple(
                    words=tuple(self.words),
                    raw=raw,
                    set=tuple(self.assigned),
                    writes=tuple(self.writes),
                    before=self.before,
                    opaque=self.opaque,
                )
            )
        self.words, self.assigned, self.writes, self.opaque = [], [], [], False
        if operator:
            self.at += len(operator)
            self.before = {"\n": ";", "&": ";", "|&": "|"}.get(operator, operator)
        self.start = self.at

    def _word(self) -> None:
        start = self.at
        value = self._value()
        raw = self.text[start : self.at]
        match = _ASSIGNMENT.match(raw)
        if self.redirect:
            if ">" in self.redirect and not self.redirect.endswith("&"):
                self.writes.append(value)
            self.redirect = ""
        elif match and not self.words:
            self.assigned.append((match[0][:-1], value[match.end() :]))
        else:
            self.words.append(value)

    def _value(self) -> str:
        out: list[str] = []
        quote = ""
        while self.at < len(self.text):
            char = self.text[self.at]
            if not quote and (char in " \t\n;|&()<>" or self.text.startswith("\\\n", self.at)):
                break
            if char == "\\" and quote != "'" and self.at + 1 < len(self.text):
                follows = self.text[self.at + 1]
                plain = not quote or follows in '"$`\\\n'
                out.append(("" if follows == "\n" else follows) if plain else char + follows)
                self.at += 2
            elif char == quote or (not quote and char in "\"'"):
                quote = "" if quote else char
                self.at += 1
            elif quote != "'" and (char == "`" or self.text.startswith("$(", self.at)):
                out.append(self._substituted())
            elif quote != "'" and char == "$":
                text, unknown, self.at = expand_variable(self.text, self.at, self.variables)
                self.opaque = self.opaque or bool(unknown)
                self.grown += len(text)
                self.opaque = self.opaque or self.grown > LONGEST
                out.append(text if self.grown <= LONGEST else "")
            else:
                out.append(char)
                self.at += 1
        return "".join(out)

    def _substituted(self) -> str:
        """Step over `$(…)` or backticks; what they give is not known."""
        self.opaque = True
        start = self.at
        if self.text[self.at] == "`":
            end = self.text.find("`", self.at + 1)
            self.at = len(self.text) if end < 0 else end + 1
            return self.text[start : self.at]
        depth, self.at = 1, self.at + 2
        while self.at < len(self.text) and depth:
            depth += {"(": 1, ")": -1}.get(self.text[self.at], 0)
            self.at += 1
        return self.text[start : self.at]


def read_script(text: str, variables: Variables) -> tuple[tuple[Simple, ...], bool]:
    """The simple commands of `text` in order, and whether conditions, loops or groups stand in it."""
    lexer = _Lexer(text, dict(variables))
    lexer.read()
    return tuple(lexer.commands), lexer.compound
