"""Every word of the spec, once. This table drives parsing, its messages, the JSON Schema and the reference page.

A key is added by adding a line here and, if it is of a new kind, a reader in `readers.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shipway.core.waste import Waste


class Kind(StrEnum):
    """What a value looks like. `readers.py` has one reader for each, `schema.py` one JSON Schema."""

    NAME = "name"
    TEXT = "text"
    FLAG = "true or false"
    WHOLE = "whole number"
    NUMBER = "number"
    SIZE = "size"
    BASE = "base"
    PYTHON = "Python version"
    WORKDIR = "absolute path"
    COMMAND = "command"
    CHOICE = "one of"
    CHOICES = "list of"
    TEXTS = "list of texts"
    NAMES = "list of names"
    PATH = "path"
    PATHS = "list of paths"
    PATTERNS = "list of patterns"
    APT = "list of OS packages"
    PIP = "list of Python requirements"
    PROJECTS = "list of local projects"
    MOUNTS = "list of mounts"
    VARIABLES = "table of variables"
    VARIABLE_NAMES = "list of variable names"
    LABELS = "table of labels"
    URL = "address"
    DROPS = "list of what to drop"


class Where(StrEnum):
    """The table that a key stands in."""

    TOP = ""
    """Top of the spec only."""
    SHARED = "shared"
    """Top of the spec and every `[targets.NAME]`."""
    TARGET = "targets.NAME"
    FILES = "files"
    RUN = "run"
    BUILD = "build"
    PUSH = "push"
    PROJECT = "projects"
    INDEX = "indexes.ALIAS"
    DATA = "data.NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key."""

    key: str
    kind: Kind
    where: Where
    help: str
    example: str
    """A TOML value."""
    default: str = ""
    """What leaving it out means, in words or as a TOML value."""
    required: bool = False
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int | None = None
    pattern: str = ""
    """Of a text: what all of it has to match."""
    unlimited: bool = False
    """Of a size: -1 means that there is no limit."""


def _setting(where: Where, key: str, kind: Kind, help: str, example: str, **more: object) -> Setting:  # noqa: A002
    return Setting(where=where, key=key, kind=kind, help=help, example=example, **more)  # type: ignore[arg-type]


_T, _S = Where.TOP, Where.SHARED

SETTINGS: tuple[Setting, ...] = (
    _setting(
        _T,
        "name",
        Kind.NAME,
        "Name of the project: of its image, host name and home volume.",
        '"digits"',
        default="`project.name` of `pyproject.toml`, else the folder's name",
    ),
    _setting(
        _T,
        "platforms",
        Kind.CHOICES,
        "Platforms that the lock holds.",
        '["linux/amd64", "linux/arm64"]',
        choices=("linux/amd64", "linux/arm64"),
        default="the lock's, else this machine's",
    ),
    _setting(
        _T,
        "default-target",
        Kind.NAME,
        "The target that is meant when none is named.",
        '"gpu"',
        default="`default` if there is one, else the first that is declared",
    ),
    _setting(
        _T,
        "layer-budget",
        Kind.WHOLE,
        "Layers that the image may have at most.",
        "40",
        default="64",
        minimum=21,
        maximum=100,
    ),
    _setting(
        _T,
        "epoch",
        Kind.WHOLE,
        "Seconds since 1970: the newest time in the image, as `SOURCE_DATE_EPOCH`.",
        "1767225600",
        default="the date of the newest locked archive",
        maximum=253402300799,
    ),
    _setting(
        _T,
        "vendor",
        Kind.PATH,
        "A folder or bundle that `shipway vendor` or `shipway bundle` made, from which artifacts are taken first. "
        "No part of the lock.",
        '"vendor"',
        default="none",
    ),
    _setting(
        _S,
        "base",
        Kind.BASE,
        "Distribution and suite whose packages make the system, with a date to hold the archive at a moment; or an image of "
        "others (`docker://REFERENCE`, any reference with a `/`, `oci:FOLDER`, …; see the guide on bases).",
        '"debian:bookworm@2026-07-01"',
        default='"debian:bookworm"',
    ),
    _setting(
        _S,
        "python",
        Kind.PYTHON,
        "The interpreter's version. The base's own if it is the same, else a stand-alone one.",
        '"3.12"',
        default="the base's own when Python packages are asked for, else none",
    ),
    _setting(_S, "apt", Kind.APT, "OS packages.", '["git", "libgl1"]', default="[]"),
    _setting(
        _S, "recommends", Kind.FLAG, "Install what OS packages recommend, too.", "true", default="false"
    ),
    _setting(
        _S,
        "pip",
        Kind.PIP,
        "Python packages, as PEP 508 writes them; `--hash=sha256:…` may follow one.",
        '["jax==0.4.30", "equinox"]',
        default="[]",
    ),
    _setting(
        _S,
        "requirements",
        Kind.PATHS,
        "Files that hold Python requirements: pip's format, or a `pyproject.toml` whose `project.dependencies` are meant.",
        '["requirements.txt"]',
        default="[]",
    ),
    _setting(
        _S,
        "constraints",
        Kind.PIP,
        "Bounds on packages that are installed only if something else asks for them.",
        '["numpy<2"]',
        default="[]",
    ),
    _setting(
        _S,
        "constraint-files",
        Kind.PATHS,
        "Files of such bounds, in pip's format.",
        '["constraints.txt"]',
        default="[]",
    ),
    _setting(
        _S,
        "projects",
        Kind.PROJECTS,
        "Python projects of this folder that are built to wheels and installed: a path, or a table.",
        '[".", { path = "libs/tool", extras = ["fast"] }]',
        default="[]",
    ),
    _setting(
        _S,
        "extras",
        Kind.NAMES,
        "Extras of the `pyproject.toml` beside the spec to install.",
        '["plot"]',
        default="[]",
    ),
    _setting(
        _S,
        "groups",
        Kind.NAMES,
        "Dependency groups (PEP 735) of the `pyproject.toml` beside the spec to install.",
        '["dev"]',
        default="[]",
    ),
    _setting(
        _S, "bytecode", Kind.FLAG, "Put compiled `.pyc` files beside the sources.", "true", default="false"
    ),
    _setting(
        _S,
        "system-site-packages",
        Kind.FLAG,
        "Let the Python environment see the Python packages that OS packages brought.",
        "true",
        default="false",
    ),
    _setting(
        _S,
        "slim",
        Kind.CHOICES,
        "Kinds of files that packages leave out, because a finished environment seldom needs them. `shipway slim` chooses and "
        "proves them.",
        '["docs", "locales", "static-libraries"]',
        choices=tuple(map(str, Waste)),
        default="[]",
    ),
    _setting(
        _S,
        "workdir",
        Kind.WORKDIR,
        "Where the project's folder is inside, and where commands start.",
        '"/digits"',
        default='"/work"',
    ),
    _setting(
        _S,
        "command",
        Kind.COMMAND,
        "What runs when no command is given. A list is started as it is; a text is a line for `/bin/sh`.",
        '["python", "train.py"]',
        default="an interactive shell",
    ),
    _setting(
        _S,
        "env",
        Kind.VARIABLES,
        "Variables of the image. Never put a secret here: whoever has the image can read it.",
        '{ PYTHONPATH = "/work/src" }',
        default="{}",
    ),
    _setting(
        _S,
        "labels",
        Kind.LABELS,
        "Labels of the image, for people and registries: where its source is, who made it, under which license.",
        '{ "org.opencontainers.image.source" = "https://git.example.org/team/digits" }',
        default="{}",
    ),
    _setting(
        Where.FILES,
        "include",
        Kind.PATTERNS,
        "Only files that these patterns match go into the image.",
        '["src", "*.toml"]',
        default="all files",
    ),
    _setting(
        Where.FILES,
        "ignore",
        Kind.PATTERNS,
        "Files that stay out, in `.dockerignore` grammar, after `.dockerignore` and `.containerignore` were read; "
        "`!` takes back.",
        '["data", "runs", "!data/labels.csv"]',
        default="[]",
    ),
    _setting(
        Where.RUN,
        "mounts",
        Kind.MOUNTS,
        "Folders of the host seen inside: `SOURCE:TARGET`, with `:ro` for reading only.",
        '["~/datasets:/data:ro"]',
        default="[]",
    ),
    _setting(
        Where.RUN,
        "shm-size",
        Kind.SIZE,
        "Size of `/dev/shm`, which data loaders fill.",
        '"8g"',
        default="half of the memory",
    ),
    _setting(
        Where.RUN, "memory", Kind.SIZE, "Memory that the container may use.", '"32g"', default="no limit"
    ),
    _setting(
        Where.RUN,
        "cpus",
        Kind.NUMBER,
        "CPUs' worth of time that the container may use.",
        "3.5",
        default="no limit",
    ),
    _setting(
        Where.RUN,
        "pids",
        Kind.WHOLE,
        "Processes that the container may have.",
        "4096",
        default="no limit",
        minimum=1,
    ),
    _setting(
        Where.RUN,
        "memory-swap",
        Kind.SIZE,
        "Memory and swap together, so with `memory` it says how much swap there is; -1 is all there is.",
        '"48g"',
        default="as `memory`: no swap",
        unlimited=True,
    ),
    _setting(
        Where.RUN,
        "cpuset-cpus",
        Kind.TEXT,
        "CPUs that the container may run on.",
        '"0-13"',
        default="all",
        pattern=r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*",
    ),
    _setting(
        Where.RUN,
        "cpu-shares",
        Kind.WHOLE,
        "Its weight beside other containers when CPUs are short.",
        "512",
        default="1024",
        minimum=2,
        maximum=262144,
    ),
    _setting(
        Where.RUN,
        "ulimits",
        Kind.TEXTS,
        "Limits of each process, `NAME=SOFT[:HARD]`; -1 is unlimited.",
        '["memlock=-1", "nofile=1024:2048"]',
        default="[]",
        pattern=r"[a-z]+=(-1|[0-9]+|unlimited)(:(-1|[0-9]+|unlimited))?",
    ),
    _setting(
        Where.RUN,
        "tmpfs",
        Kind.TEXTS,
        "Folders in memory, `TARGET[:size=SIZE,mode=MODE]`.",
        '["/scratch:size=1g"]',
        default="[]",
        pattern=r"/[^:]+(:.*)?",
    ),
    _setting(
        Where.RUN,
        "network",
        Kind.CHOICE,
        "What the container sees of the network.",
        '"none"',
        choices=("host", "none", "bridge"),
        default='`"host"`, and `"bridge"` with `ports`',
    ),
    _setting(
        Where.RUN,
        "ports",
        Kind.TEXTS,
        "Ports of the container that this machine shows, `[ADDRESS:][HOST:]PORT[/udp]`; without ADDRESS to itself alone.",
        '["8888:8888", "0.0.0.0:6006:6006"]',
        default="[]",
        pattern=r"([0-9.]+:|\[[0-9a-fA-F:]+\]:|localhost:)?([0-9]*(-[0-9]+)?:)?[0-9]+(-[0-9]+)?(/(tcp|udp))?",
    ),
    _setting(
        Where.RUN,
        "ipc",
        Kind.CHOICE,
        "Whose shared memory the container sees.",
        '"host"',
        choices=("private", "host"),
        default='"private"',
    ),
    _setting(
        Where.RUN,
        "user",
        Kind.TEXT,
        "Who runs inside, `USER[:GROUP]`, where the engine allows somebody else than the caller.",
        '"root"',
        default="the caller",
        pattern=r"[A-Za-z0-9_][^\s:/]*(:[A-Za-z0-9_][^\s:/]*)?",
    ),
    _setting(
        Where.RUN,
        "restart",
        Kind.TEXT,
        "When a container that lives on is started again by itself.",
        '"on-failure:3"',
        default='"no"',
        pattern=r"no|always|unless-stopped|on-failure(:[0-9]{1,6})?",
    ),
    _setting(
        Where.RUN,
        "engine",
        Kind.CHOICE,
        "What runs the container, unless the command line or `SHIPWAY_ENGINE` says.",
        '"docker"',
        choices=("native", "docker", "podman", "apptainer"),
        default='"native"',
    ),
    _setting(
        Where.RUN,
        "cache",
        Kind.FLAG,
        "Show the container your cache of downloads and models at `/cache`, and lead programs to it by `HF_HOME`, `TORCH_HOME`, "
        "`UV_CACHE_DIR` and their like.",
        "false",
        default="true",
    ),
    _setting(
        Where.RUN,
        "env",
        Kind.VARIABLES,
        "Variables set at run time only, never in the image.",
        '{ WANDB_MODE = "offline" }',
        default="{}",
    ),
    _setting(
        Where.RUN,
        "pass-env",
        Kind.VARIABLE_NAMES,
        "Names of variables taken from the caller at run time.",
        '["WANDB_PROJECT"]',
        default="[]",
    ),
    _setting(
        Where.RUN,
        "secrets",
        Kind.TEXTS,
        "Tokens taken from the caller at run time that no image, record or engine shows: variables by their names, with `?` "
        "where one may be missing, and files as `file:SOURCE:TARGET`.",
        '["HF_TOKEN", "WANDB_API_KEY?", "file:~/.netrc:/run/secrets/netrc"]',
        default="[]",
        pattern=r"[A-Za-z_][A-Za-z0-9_]*\??|file:[^:]+:/[^:]+",
    ),
    _setting(
        Where.BUILD,
        "run",
        Kind.COMMAND,
        "A command run once in the finished environment; what it changes becomes a layer.",
        '["make", "-C", "kernels"]',
        required=True,
    ),
    _setting(
        Where.BUILD,
        "inputs",
        Kind.PATHS,
        "Files and folders of the project that the command reads; it runs again when they change.",
        '["kernels"]',
        default="[]",
    ),
    _setting(
        Where.BUILD,
        "network",
        Kind.FLAG,
        "Let the command reach the network. Then nobody can promise the same result twice.",
        "true",
        default="false",
    ),
    _setting(
        Where.PUSH,
        "allow",
        Kind.TEXTS,
        "Where images may be pushed to: registries, with the beginning of a path perhaps. An empty list forbids every push.",
        '["hub.example.org/team"]',
        default="anywhere that the host allows",
    ),
    _setting(
        Where.PUSH,
        "attach",
        Kind.CHOICES,
        "What a push of the project's image attaches to it: bills of materials (SPDX and CycloneDX), and how it was made.",
        '["sbom", "provenance"]',
        default="[]",
        choices=("sbom", "provenance"),
    ),
    _setting(Where.PROJECT, "path", Kind.PATH, "The project's folder.", '"."', required=True),
    _setting(Where.PROJECT, "extras", Kind.NAMES, "Its extras to install.", '["plot"]', default="[]"),
    _setting(
        Where.PROJECT, "groups", Kind.NAMES, "Its dependency groups to install.", '["test"]', default="[]"
    ),
    _setting(
        Where.INDEX,
        "url",
        Kind.URL,
        "Address of a package index (PEP 503), without user or password.",
        '"https://packages.example.org/simple"',
        default="the host's configuration says where the alias is",
    ),
    _setting(
        Where.INDEX,
        "folder",
        Kind.PATH,
        "A folder of wheels in the project, instead of an index.",
        '"wheels"',
        default="",
    ),
    _setting(
        Where.INDEX,
        "packages",
        Kind.NAMES,
        "Packages that come from here and from nowhere else.",
        '["torch"]',
        default="any",
    ),
    _setting(
        Where.DATA,
        "folder",
        Kind.TEXT,
        "A folder of this machine; one that is not absolute is below the project.",
        '"~/datasets/digits"',
        default="one of `folder`, `volume` and `url` must be there",
    ),
    _setting(
        Where.DATA,
        "volume",
        Kind.NAME,
        "A volume of yours by name, made when it is missing; all your projects can share it.",
        '"checkpoints"',
        default="see `folder`",
    ),
    _setting(
        Where.DATA,
        "url",
        Kind.URL,
        "An address of one file, fetched once for all your projects.",
        '"https://data.example.org/digits.tar.gz"',
        default="see `folder`",
    ),
    _setting(
        Where.DATA,
        "sha256",
        Kind.TEXT,
        "What the bytes at `url` must be, as `sha256sum` says it.",
        '"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"',
        default="must be there with `url`",
        pattern="[0-9a-f]{64}",
    ),
    _setting(
        Where.DATA,
        "unpack",
        Kind.FLAG,
        "The file at `url` is an archive (tar with or without compression, zip), whose content is meant.",
        "true",
        default="false",
    ),
    _setting(
        Where.DATA,
        "target",
        Kind.WORKDIR,
        "Where it is inside.",
        '"/datasets/digits"',
        default="`/data/NAME`",
    ),
    _setting(
        Where.DATA,
        "read-only",
        Kind.FLAG,
        "Whether the container may only read it. What is fetched is never written to.",
        "true",
        default="true with `url`, else false",
    ),
    _setting(
        Where.TARGET,
        "inherits",
        Kind.NAME,
        "Another target to start from, instead of the top of the spec.",
        '"cpu"',
        default="the top of the spec",
    ),
    _setting(
        Where.TARGET,
        "without",
        Kind.DROPS,
        "What to drop of what is inherited: `apt:NAME`, `pip:NAME`, `constraints:NAME`, `projects:PATH`, "
        "`extras:NAME`, `env:NAME`, `labels:NAME`, `include:PATTERN`, "
        "`ignore:PATTERN`, `mounts:TARGET`, `ports:PORT`, `ulimits:LIMIT`, `tmpfs:FOLDER`, `run-env:NAME`, `pass-env:NAME`, "
        "`secrets:NAME`, "
        "`build:NUMBER`.",
        '["pip:jaxlib", "env:DEBUG"]',
        default="[]",
    ),
)

TABLES: dict[Where, str] = {
    Where.FILES: "Which files of the project go into the image.",
    Where.RUN: "How containers are run. Nothing here changes the image or the lock.",
    Where.BUILD: "Commands run while building: the way out when packages do not suffice.",
    Where.PUSH: "Where the project's images may go. Nothing here changes the image or the lock.",
    Where.PROJECT: "The table form of an entry of `projects`.",
    Where.DATA: "Data that containers see: a folder, a volume, or a file that is fetched. Nothing here changes the image.",
    Where.INDEX: "A named place for wheels beside the host's default index.",
    Where.TARGET: "A variant of the environment. Every key of the shared ones may stand here as well.",
}
"""Tables and what they are for."""

BY_PLACE: dict[Where, dict[str, Setting]] = {
    where: {setting.key: setting for setting in SETTINGS if setting.where is where} for where in Where
}
"""Keys by the table they stand in."""
