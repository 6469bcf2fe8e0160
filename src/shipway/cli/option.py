"""What a verb and an option are, and the options that many verbs share."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from shipway.core.platform import PLATFORMS


class Takes(StrEnum):
    """What follows an option."""

    NOTHING = "nothing"
    """A flag."""
    COUNT = "count"
    """A flag that adds up."""
    VALUE = "value"
    """One value; the last one wins."""
    VALUES = "values"
    """One value each time, all kept."""
    MAYBE = "maybe"
    """One value or none each time, all kept; none is the empty text."""


class Complete(StrEnum):
    """What a shell may offer for a value."""

    NOTHING = "nothing"
    FOLDER = "folder"
    FILE = "file"
    COMMAND = "command"
    TARGET = "target"


class Option(NamedTuple):
    """One option."""

    name: str
    """`--long`, without dashes; the key of its value in `Arguments`."""
    help: str
    """One line without full stop."""
    takes: Takes = Takes.NOTHING
    short: str = ""
    """One letter."""
    metavar: str = ""
    choices: tuple[str, ...] = ()
    kind: str = "text"
    """How the value is read: `text`, `size`, `age`, `number`, `count`, `swap`, `shares`, `seconds`, `lines`."""
    complete: Complete = Complete.NOTHING
    also: tuple[str, ...] = ()
    """Other names that mean the same, without dashes."""
    default: str = ""
    """What leaving it out means, where `help` does not say it."""
    open: bool = False
    """`choices` are only some of the values that it may have; the verb reads the others."""
    letter: str = ""
    """Docker's letter for it, where ours is another option's: read when only Docker's meaning makes sense."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every long name."""
        return (self.name, *self.also)

    @property
    def flags(self) -> str:
        """`-t, --target NAME`, as help shows it."""
        long = ", ".join(f"--{name}" for name in self.names)
        value = {
            Takes.VALUE: f" {self.metavar}",
            Takes.VALUES: f" {self.metavar}",
            Takes.MAYBE: f" [{self.metavar}]",
        }
        letter = self.short or self.letter
        return (f"-{letter}, " if letter else "") + long + value.get(self.takes, "")


class Verb(NamedTuple):
    """One verb."""

    name: str
    help: str
    """One line without full stop."""
    about: str
    """What it does and does not do, for its help and page."""
    example: tuple[tuple[str, str], ...]
    """Command lines with what they are for."""
    options: tuple[Option, ...] = ()
    argument: str = ""
    """Metavars of the positional arguments, separated by spaces, in brackets when optional, the last one perhaps with `...`."""
    choices: tuple[str, ...] = ()
    """What the first positional argument may be."""
    home: str = "commands"
    """The module beside this one whose table `COMMANDS` has the verb's adapter."""
    rest: bool = False
    """Everything from the first positional on belongs to the command that is run."""

    @property
    def usage(self) -> str:
        """`shipway run [OPTIONS] [--] [COMMAND...]`."""
        words = [
            f"shipway {self.name}",
            "[OPTIONS]" if self.options else "",
            "[--]" if self.rest else "",
            self.argument,
        ]
        return " ".join(word for word in words if word)


HELP = Option("help", "Show this help and exit", short="h")
VERSION = Option("version", "Show the version and exit", short="V")

GLOBAL = (
    Option("directory", "Work on the project in `DIR`; the default is the nearest folder with a spec, upwards from here",
           Takes.VALUE, "C", "DIR", complete=Complete.FOLDER),
    Option("offline", "Use only what is already here; never the network"),
    Option("progress", "How to show progress", Takes.VALUE, "", "HOW", ("auto", "plain", "tty", "quiet", "json")),
    Option("quiet", "Say only errors", Takes.COUNT, "q"),
    Option("verbose", "Say more", Takes.COUNT, "v"),
    HELP,
)  # fmt: skip

TARGET = Option("target", "The target of the spec to use; the default is the spec's `default-target`", Takes.VALUE, "t", "NAME",
                complete=Complete.TARGET)  # fmt: skip
PLATFORM = Option(
    "platform", "The platform to use; the default is this machine's", Takes.VALUE, "", "PLATFORM", PLATFORMS
)
JSON = Option("json", "Print one JSON object with a `schema` field instead of text")
DRY_RUN = Option("dry-run", "Say what would be done and change nothing")
LOCKED = Option("locked", "Fail when the lock does not match the spec, instead of updating it")
FROZEN = Option("frozen", "Use the lock as it is, without looking at the spec")
REPAIR = Option(
    "repair",
    "When a locked artifact is offered nowhere any more, replace only that one in the lock, and say so",
)
VENDOR = Option(
    "vendor", "Take artifacts from what `shipway vendor` or `shipway bundle` made, before any mirror or index",
    Takes.VALUE, "", "PATH", complete=Complete.FILE,
)  # fmt: skip
CHOICE = (TARGET, PLATFORM)
LOCKING = (LOCKED, FROZEN, REPAIR, VENDOR)

BUILDING = (
    Option("engine", "Let this engine build the exported Dockerfile; for a build only this option counts", Takes.VALUE, "",
           "ENGINE", ("native", "docker", "podman")),
    Option("tag", "What the image is called here, or in the engine that builds it; `-t` means this when a name with `:` or "
           "`/` follows, else `--target`", Takes.VALUE, "", "REF", letter="t"),
    Option("build-arg", "Give an ARG of the Dockerfile a value, or the caller's own", Takes.VALUES, "", "NAME[=VALUE]"),
    Option("secret", "A file or variable that steps may read: `id=pip`, `id=certs`", Takes.VALUES, "",
           "id=ID,src=FILE|env=VARIABLE"),
    Option("cache-from", "Where the engine looks for finished steps", Takes.VALUES, "", "CACHE"),
    Option("cache-to", "Where the engine leaves finished steps", Takes.VALUES, "", "CACHE"),
    Option("network", "What the engine's steps see of the network; the default is the engine's", Takes.VALUE, "", "NETWORK",
           ("host",)),
    Option("no-cache", "Let the engine use no finished steps"),
)  # fmt: skip
"""What an engine is told that builds."""
