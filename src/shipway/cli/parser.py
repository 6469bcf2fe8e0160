"""Words of a command line -> values, by the table of `options.py`. Pure.

The grammar is GNU's: `--name value`, `--name=value`, `-t value`, `-tvalue`, `-qv`, `--` ends options. Global options may
stand in front of the verb or behind it. For `run`, everything from the first positional on is the command. Where Docker
writes something else for the same, its words are read too (`docker_words.py`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from shipway.cli import docker_words
from shipway.cli.option import GLOBAL, HELP, VERSION, Option, Takes, Verb
from shipway.cli.options import BY_NAME
from shipway.core.errors import ExitCode, ToolError
from shipway.core.text import shown
from shipway.core.units import parse_age, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class UsageError(ToolError):
    """The command line is wrong."""

    code = ExitCode.USAGE
    verb: str = ""
    """The verb, when it was read before the mistake."""


class Arguments(NamedTuple):
    """One parsed command line."""

    verb: Verb | None
    values: dict[str, Any]
    """By option name: bool, int, text, or a tuple for repeated ones; every option of the verb is there."""
    words: tuple[str, ...]
    """Positional arguments; for `run` the command."""
    plain: bool = False
    """`--` stood in front of the words."""
    notes: tuple[str, ...] = ()
    """What to tell about how the words were read."""

    def text(self, name: str) -> str:
        """The value of option `name`, empty when it was not given."""
        return str(self.values.get(name) or "")

    def flag(self, name: str) -> bool:
        """Whether the flag `name` was given."""
        return bool(self.values.get(name))


class _Reader:
    """The words still to be read, and what the read ones said."""

    def __init__(self, words: Sequence[str]):
        self.words = list(reversed(words))
        self.values: dict[str, Any] = {}
        self.verb: Verb | None = None
        self.positional: list[str] = []
        self.plain = False
        self.notes: list[str] = []
        self.gpus = ""
        """What an old program's name asks for."""

    def options(self) -> tuple[Option, ...]:
        return (*GLOBAL, *(self.verb.options if self.verb else (VERSION,)))

    def read(self) -> None:
        while self.words:
            word = self.words.pop()
            if word == "--":
                self._end_of_options()
            elif word.startswith("--"):
                self._long(word)
            elif word.startswith("-") and word != "-":
                self._short(word)
            else:
                self._positional(word)

    def _end_of_options(self) -> None:
        rest = self.words[::-1]
        self.words.clear()
        if self.verb is None and rest:
            raise UsageError("a verb stands in front of `--`", hints=_verb_hints())
        self.plain = not self.positional
        self.positional += rest

    def _positional(self, word: str) -> None:
        if self.verb is None:
            self._begin(word)
            return
        self.positional.append(word)
        if self.verb.rest:
            self.positional += self.words[::-1]
            self.words.clear()

    def _begin(self, word: str) -> None:
        """Read the verb, in one word or in Docker's two."""
        if word in docker_words.WRAPPERS and word not in BY_NAME:
            self.gpus = docker_words.WRAPPERS[word]
            self.notes.append(f"`{word}` is no longer needed: `shipway run --gpus {self.gpus}` says the same")
            return
        if word == HELP.name:
            self._flag(HELP)
            return
        family = docker_words.FAMILIES.get(word)
        if family is None or word in BY_NAME:
            self.verb = BY_NAME.get(word)
            if self.verb is None:
                raise _unknown_verb(word)
            return
        second = self.words.pop() if self.words else ""
        name, *options = family.get(second, "").split() or [""]
        self.verb = BY_NAME.get(name)
        self.words += reversed(options)
        if self.verb is None:
            known = [name for name, verb in family.items() if verb.split()[0] in BY_NAME]
            raise UsageError(
                f"`shipway {word}` is followed by one of its own words, not by `{shown(second)}`"
                if second
                else f"`shipway {word}` is only half of a command",
                hints=_near(second, known) or [f"they are: {', '.join(known)}"],
            )

    def _long(self, word: str) -> None:
        name, equals, value = word[2:].partition("=")
        option = self._find(partial(_has_name, name), f"--{name}")
        if option.takes is Takes.NOTHING and equals and value in ("true", "false") and option.default:
            self.values[option.name] = value == "true"  # as Docker writes flags
        elif option.takes in (Takes.NOTHING, Takes.COUNT):
            if equals:
                raise UsageError(f"`--{name}` takes no value", hints=[f"write `--{name}` alone"])
            self._flag(option)
        else:
            self._value(option, value if equals else None)

    def _short(self, word: str) -> None:
        self._refuse_slip(word)
        cluster = word[1:]
        for at, letter in enumerate(cluster):
            rest = cluster[at + 1 :]
            theirs = self.verb and docker_words.read_letter(
                self.verb, cluster, at, self.words[-1] if self.words else None
            )
            if theirs:
                option = self._find(partial(_has_name, theirs.option), f"--{theirs.option}")
            else:
                option = self._find(partial(_has_letter, letter), f"-{letter}")
            if option.takes in (Takes.NOTHING, Takes.COUNT):
                self._refuse_host_name(option, rest)
                self._flag(option)
            else:
                self._value(option, rest.removeprefix("=") or None)
                return

    def _refuse_slip(self, word: str) -> None:
        """A long option with one dash would be read as letters, and mean something else."""
        name = word[1:].partition("=")[0]
        if len(name) > 1 and any(_has_name(name, option) for option in self.options()):
            raise UsageError(
                f"`{shown(word)}` has one dash, and long options have two",
                hints=[f"write `-{shown(word)}`"],
            )

    def _refuse_host_name(self, option: Option, rest: str) -> None:
        """`-h NAME` is the host name in Docker's words; ours has always been help."""
        following = self.words[-1] if self.words and not rest else "-"
        if option.name == "help" and not following.startswith("-") and self.has("hostname"):
            raise UsageError(
                f"`-h` is `--help` here, so `{shown(following)}` has no meaning behind it",
                hints=[f"name the host inside: `--hostname {shown(following)}`", "help alone: `-h`"],
            )

    def has(self, name: str) -> bool:
        """Whether there is an option `name` where we are."""
        return any(option.name == name for option in self.options())

    def _find(self, test: Callable[[Option], bool], word: str) -> Option:
        for option in self.options():
            if test(option):
                return option
        absent = docker_words.find_absent(self.verb, word.lstrip("-")) if self.verb else None
        if absent:
            raise UsageError(f"`{shown(word)}` is not offered: {absent[0]}", hints=[absent[1]])
        where = f"`shipway {self.verb.name}`" if self.verb else "`shipway`"
        hints = _near(word, [f"--{name}" for option in self.options() for name in option.names])
        help_line = f"shipway {self.verb.name} --help" if self.verb else "shipway --help"
        raise UsageError(
            f"{where} has no option `{shown(word)}`", hints=hints or [f"`{help_line}` lists the options"]
        )

    def _flag(self, option: Option) -> None:
        self.values[option.name] = (
            self.values.get(option.name, 0) + 1 if option.takes is Takes.COUNT else True
        )

    def _value(self, option: Option, value: str | None) -> None:
        if (
            value is None
            and self.words
            and not (option.takes is Takes.MAYBE and self.words[-1].startswith("-"))
        ):
            value = self.words.pop()
        if value is None and option.takes is not Takes.MAYBE:
            raise UsageError(
                f"`--{option.name}` needs a value", hints=[f"write `--{option.name} {option.metavar}`"]
            )
        read = read_value(option, value or "")
        if option.takes is Takes.VALUE:
            self.values[option.name] = read
        else:
            self.values[option.name] = (*self.values.get(option.name, ()), read)


def _has_letter(letter: str, option: Option) -> bool:
    return option.short == letter


def _has_name(name: str, option: Option) -> bool:
    return name in option.names


def parse_arguments(words: Sequence[str]) -> Arguments:
    """The command line `words` (without the program's name).

    Raises:
        UsageError: the table does not allow it.
    """
    reader = _Reader(words)
    try:
        return _checked(reader)
    except UsageError as error:
        error.verb = reader.verb.name if reader.verb else ""
        raise


def _checked(reader: _Reader) -> Arguments:
    reader.read()
    if reader.gpus and reader.has("gpus"):
        reader.values.setdefault("gpus", reader.gpus)
    for option in reader.options():
        empty = (
            () if option.takes in (Takes.VALUES, Takes.MAYBE) else None if option.takes is Takes.VALUE else 0
        )
        reader.values.setdefault(option.name, empty)
    positional = tuple(reader.positional)
    if reader.verb and not reader.values["help"]:
        _check_positional(reader.verb, positional)
        _check_pairs(reader.values)
    return Arguments(reader.verb, reader.values, positional, reader.plain, tuple(reader.notes))


def read_value(option: Option, text: str) -> str | int | float:
    """`text` as the kind of value that `option` takes.

    Raises:
        UsageError: it is none.
    """
    if option.choices and not option.open and text not in option.choices:
        raise UsageError(
            f"`--{option.name}` cannot be `{shown(text)}`",
            hints=_near(text, option.choices) or ["it is one of: " + ", ".join(option.choices)],
        )
    try:
        return _KINDS[option.kind][0](text)
    except ValueError as error:
        raise UsageError(
            f"`--{option.name}` cannot be `{shown(text)}`", hints=[_KINDS[option.kind][1]]
        ) from error


def _number(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


def _count(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise ValueError(text)
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError(text)
    return value


def _lines(text: str) -> int:
    if text == "all":
        return -1
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


def _swap(text: str) -> int:
    return -1 if text == "-1" else parse_size(text)


def _shares(text: str) -> int:
    value = int(text)
    if value not in range(2, 262145):
        raise ValueError(text)
    return value


def _pattern(text: str) -> str:
    from shipway.core.ignore import IgnoreRules

    IgnoreRules([text])
    if not text:
        raise ValueError(text)
    return text


_KINDS: dict[str, tuple[Callable[[str], str | int | float], str]] = {
    "text": (str, ""),
    "size": (parse_size, "a size is a number with `k`, `m`, `g` or `t`: `8g`"),
    "age": (parse_age, "an age is a number with `s`, `m`, `h`, `d` or `w`: `30d`"),
    "number": (_number, "give a number above zero: `1.5`"),
    "seconds": (_seconds, "give seconds: `30`, `0.5`"),
    "lines": (_lines, "give a number of lines, or `all`"),
    "pattern": (_pattern, "write a pattern as in `.dockerignore`: `*.csv`, `src/**`"),
    "count": (_count, "give a whole number above zero: `512`"),
    "swap": (_swap, "a size is a number with `k`, `m`, `g` or `t`: `8g`; -1 means all the swap there is"),
    "shares": (_shares, "a weight is a whole number from 2 to 262144; 1024 is usual"),
}


def _check_positional(verb: Verb, words: tuple[str, ...]) -> None:
    usage = [f"it is used as `{verb.usage}`; `shipway {verb.name} --help` explains it"]
    places = verb.argument.split()
    if words and not places:
        raise UsageError(f"`shipway {verb.name}` takes no argument `{shown(words[0])}`", hints=usage)
    if len(words) > len(places) and not verb.rest and not places[-1].rstrip("]").endswith("..."):
        most = "one argument" if len(places) == 1 else f"{len(places)} arguments"
        raise UsageError(
            f"`shipway {verb.name}` takes {most}, not also `{shown(words[len(places)])}`", hints=usage
        )
    needed = [place for place in places if not place.startswith("[")]
    if len(words) < len(needed):
        missing = needed[len(words)].removesuffix("...")
        hints = usage if words else _choices_hint(verb) or usage
        raise UsageError(f"`shipway {verb.name}` needs {missing}", hints=hints)
    if verb.choices and words and words[0] not in verb.choices:
        raise UsageError(
            f"{places[0].strip('[]')} cannot be `{shown(words[0])}`",
            hints=_near(words[0], verb.choices) or _choices_hint(verb),
        )


def _check_pairs(values: dict[str, Any]) -> None:
    for one, other in (
        ("locked", "frozen"),
        ("locked", "repair"),
        ("frozen", "repair"),
        ("check", "upgrade"),
        ("check", "repair"),
    ):
        if values.get(one) and values.get(other):
            raise UsageError(
                f"`--{one}` and `--{other}` contradict each other",
                hints=[f"leave out one of `--{one}`, `--{other}`"],
            )


def _choices_hint(verb: Verb) -> list[str]:
    return ["it is one of: " + ", ".join(verb.choices)] if verb.choices else []


def _near(word: str, names: Iterable[str]) -> list[str]:
    import difflib

    return [f"did you mean `{name}`?" for name in difflib.get_close_matches(word, list(names), 1, 0.6)]


def _unknown_verb(word: str) -> UsageError:
    if word in docker_words.ABSENT_VERBS:
        why, step = docker_words.ABSENT_VERBS[word]
        return UsageError(f"there is no verb `{word}`: {why}", hints=[step])
    hints = (
        ["leave it out: the verbs are much the same"]
        if word in ("docker", "podman")
        else _near(word, BY_NAME)
    )
    return UsageError(f"unknown verb `{shown(word)}`", hints=hints or _verb_hints())


def _verb_hints() -> list[str]:
    return ["`shipway --help` lists the verbs"]
