"""Every verb and option, as one table. The parser, help, completions and reference pages are made from it."""

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
    """How the value is read: `text`, `size`, `age`, `number`, `count`."""
    complete: Complete = Complete.NOTHING

    @property
    def flags(self) -> str:
        """`-t, --target NAME`, as help shows it."""
        long = f"--{self.name}"
        value = {
            Takes.VALUE: f" {self.metavar}",
            Takes.VALUES: f" {self.metavar}",
            Takes.MAYBE: f" [{self.metavar}]",
        }
        return (f"-{self.short}, " if self.short else "") + long + value.get(self.takes, "")


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
    """Metavar of the positional argument, in brackets when optional; empty: takes none."""
    choices: tuple[str, ...] = ()
    """What the positional argument may be."""
    rest: bool = False
    """Everything from the first positional on belongs to the command that is run."""


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
_CHOICE = (TARGET, PLATFORM)
_LOCKING = (LOCKED, FROZEN, REPAIR)

_RUNNING = (
    Option("env", "Set a variable, or pass the caller's own on", Takes.VALUES, "e", "NAME[=VALUE]"),
    Option("env-file", "Read variables from a file of `NAME=VALUE` lines", Takes.VALUES, "", "FILE", complete=Complete.FILE),
    Option("mount", "Show a host path inside; `:ro` makes it read-only", Takes.VALUES, "", "SOURCE:TARGET[:ro]"),
    Option("workdir", "Start in this folder inside", Takes.VALUE, "w", "DIR"),
    Option("network", "What the container sees of the network", Takes.VALUE, "", "NETWORK", ("host", "none")),
    Option("shm-size", "Size of `/dev/shm`", Takes.VALUE, "", "SIZE", kind="size"),
    Option("memory", "Stop the container when it uses more memory than this", Takes.VALUE, "m", "SIZE", kind="size"),
    Option("cpus", "At most this many CPUs' worth of time", Takes.VALUE, "", "NUMBER", kind="number"),
    Option("pids", "At most this many processes and threads", Takes.VALUE, "", "COUNT", kind="count"),
    Option("keep", "Keep what the container writes outside the project under this name, and find it there again",
           Takes.VALUE, "", "NAME"),
    Option("hostname", "The name of the host inside; the default is made from project and target", Takes.VALUE, "", "NAME"),
    Option("read-only", "Let nothing be written outside the project, the home folder, mounts and `/tmp`"),
    Option("no-tty", "Give the command no terminal of its own"),
    DRY_RUN,
)  # fmt: skip

VERBS = (
    Verb(
        "init", "Write a spec from what the folder holds",
        "Reads `pyproject.toml`, `requirements*.txt`, `uv.lock`, `pylock*.toml`, `environment.yml`, `apt.txt`, `runtime.txt`, "
        "`.python-version` and the imports of the code, says which line led to what, and writes `shipway.toml`.",
        (("shipway init", "write `shipway.toml` here"), ("shipway init --dry-run", "only show what would be written")),
        (Option("name", "Name of the project; the default is the folder's", Takes.VALUE, "", "NAME"),
         Option("force", "Replace a spec that is already there", short="f"), DRY_RUN, JSON),
    ),
    Verb(
        "lock", "Choose every package by hash and write `shipway.lock`",
        "Does nothing when the lock matches the spec. All targets are resolved together, so shared packages have one version. "
        "Versions that are locked stay unless `--upgrade` frees them.",
        (("shipway lock", "make or update the lock"), ("shipway lock --upgrade numpy", "let only numpy move"),
         ("shipway lock --check", "exit with 11 and print what drifted when the lock is stale")),
        (Option("check", "Only compare; exit with 11 when the lock is stale"),
         Option("upgrade", "Choose new versions of everything, or of `NAME`", Takes.MAYBE, "U", "NAME"),
         Option("repair", "Replace only the locked artifacts that are offered nowhere any more"),
         Option("platform", "Lock for this platform too", Takes.VALUES, "", "PLATFORM", PLATFORMS), DRY_RUN, JSON),
    ),
    Verb(
        "build", "Build what is missing",
        "Locks when there is no lock or a stale one, fetches and unpacks what the store lacks, and prints the image's digest.",
        (("shipway build", "build the default target"), ("shipway build -t gpu", "build the target `gpu`; no GPU is needed")),
        (*_CHOICE, *_LOCKING, DRY_RUN, JSON),
    ),
    Verb(
        "run", "Run a command in the container",
        "Builds what is missing first. The project is mounted at its working directory, files belong to you, and the exit code "
        "is the command's own. In a folder without a spec one is inferred, shown, and used from outside the folder.",
        (("shipway run -- python train.py", "run a script"),
         ("shipway run -t gpu --shm-size 8g -- python train.py --epochs 3", "run in another target with a larger `/dev/shm`"),
         ("shipway run", "run the spec's own command")),
        (*_CHOICE, *_LOCKING, *_RUNNING), "[COMMAND...]", rest=True,
    ),
    Verb(
        "shell", "Open a shell in the container",
        "As `run`, with a login shell: `bash` where the image has it, else `sh`.",
        (("shipway shell", "look around inside"), ("shipway shell --keep scratch", "keep what you install by hand")),
        (*_CHOICE, *_LOCKING, *_RUNNING),
    ),
    Verb(
        "inspect", "Show the image: digest, layers, sizes, packages",
        "Describes the image that the lock means. Digests are shown when it is built.",
        (("shipway inspect", "a table of layers"), ("shipway inspect --json", "the same for programs")),
        (*_CHOICE, JSON),
    ),
    Verb(
        "explain", "Say what would be done, layer by layer, and why",
        "Reads spec, lock and store and changes nothing.",
        (("shipway explain", "what `build` would do now"),),
        (*_CHOICE, JSON),
    ),
    Verb(
        "why", "Say who asked for a package, how large it is, and in which layer",
        "With `--rebuilt`, shows how the inputs of the last build differ from those of the next one.",
        (("shipway why libgl1", "the chain from your spec to the package"),
         ("shipway why --rebuilt", "why the next build has work to do")),
        (Option("rebuilt", "Compare the inputs of the last build with the present ones"), *_CHOICE, JSON), "[NAME]",
    ),
    Verb(
        "verify", "Check the store against its digests and the image against the lock",
        "Reads every file in the store and writes the image's layers again to compare. Exits with 24 when something differs.",
        (("shipway verify", "check the store, and this project's image"),
         ("shipway verify --repair", "fetch and unpack damaged trees again")),
        (Option("repair", "Take out what is damaged, and make again what this project needs"), *_CHOICE, DRY_RUN, JSON),
    ),
    Verb(
        "gc", "Free disk space",
        "Removes what no project pins, no container uses, and nobody has used lately.",
        (("shipway gc --dry-run", "see what would go"),
         ("shipway gc --older-than 30d", "remove what was not used for thirty days"),
         ("shipway gc --max-size 20g", "shrink the store to 20 GiB, least recently used first")),
        (Option("older-than", "Remove only what was not used for this long", Takes.VALUE, "", "AGE", kind="age"),
         Option("max-size", "Remove only until the store is this small", Takes.VALUE, "", "SIZE", kind="size"), DRY_RUN, JSON),
    ),
    Verb(
        "doctor", "Check what this machine can do, with a remedy for each problem",
        "Looks at the kernel, the file systems, the network's mirrors and other engines. "
        "Exits with 27 when something needed is missing.",
        (("shipway doctor", "the checks as a list"), ("shipway doctor --json", "the same for programs")),
        (JSON,),
    ),
    Verb(
        "completion", "Print the completion script of a shell",
        "Prints a script for the shell to read at its start.",
        (('eval "$(shipway completion bash)"', "for this bash"),
         ("shipway completion fish > ~/.config/fish/completions/shipway.fish", "for fish, for good")),
        (), "SHELL", ("bash", "zsh", "fish"),
    ),
)  # fmt: skip

BY_NAME = {verb.name: verb for verb in VERBS}
