"""The spec as values. Every target is complete: inheritance is applied while parsing."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a wish was written, for messages and `why`."""

    file: str
    """Path relative to the project."""
    line: int = 0
    """From 1; 0 when unknown."""
    key: str = ""
    """Dotted TOML key, or empty for a line of a requirements file."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where} ({self.key})" if self.key else where


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One package that somebody asked for, in its own language's words (`libgl1`, `jax[cuda12]==0.4.30`)."""

    text: str
    hashes: tuple[str, ...] = ()
    """`sha256:…` of the files that may satisfy it, from `--hash`; sorted. Empty: any."""
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """`debian:bookworm`, `ubuntu:noble`; `date` pins the archive to a moment (`debian:bookworm@2026-07-01`).

    Or an image of others, and then nothing but `image`.
    """

    distribution: str = ""
    suite: str = ""
    date: str = ""
    """`YYYY-MM-DD`, or empty for the archive as it is when locking."""
    image: str = ""
    """An image of others as `spec.images` writes it: `docker://registry.example.org/team/cuda:12.4`, `oci:base`."""

    def __str__(self) -> str:
        if self.image:
            return self.image
        return f"{self.distribution}:{self.suite}" + (f"@{self.date}" if self.date else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalProject:
    """A Python project in this folder that is built to a wheel and installed."""

    path: str
    """Relative to the spec, `.` for the folder itself."""
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSource:
    """A named place for wheels. A URL here is the user's own private index; public ones come from the host at run time."""

    alias: str
    url: str = ""
    """Empty: the host's configuration says where `alias` is."""
    packages: tuple[str, ...] = ()
    """Names that come from here and nowhere else; empty: any."""
    folder: str = ""
    """A find-links folder relative to the spec, instead of an index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRules:
    """Which files of the project go into the image: everything but what the ignore rules name."""

    include: tuple[str, ...] = ()
    """Patterns; empty: all."""
    ignore: tuple[str, ...] = ()
    """Patterns in `.dockerignore` grammar, later ones win, `!` takes back; ignore files are read in front of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCommand:
    """The escape hatch: a command run in the finished environment at build time; what it changes becomes a layer."""

    argv: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    """Project paths that the command reads; part of its key."""
    network: bool = False
    """Never reproducible when true; said aloud."""


class Network(StrEnum):
    """What a container sees of the network."""

    HOST = "host"
    NONE = "none"
    BRIDGE = "bridge"
    """A network of its own, with a way out and ports that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MountRule:
    """A host path seen inside. `~` and relative paths are resolved by the caller against home and the spec's folder."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """Data or weights that a container sees: exactly one of `folder`, `volume`, `url` and `hub` says what they are."""

    name: str
    target: str
    """Where they are inside."""
    folder: str = ""
    """On the host; `~` and relative paths as in `MountRule`."""
    volume: str = ""
    """The name of a folder that all projects of the user share."""
    url: str = ""
    sha256: str = ""
    """Of `url`: 64 hex digits."""
    unpack: bool = False
    """Of `url`: its members are seen, not the archive."""
    hub: str = ""
    """`hf:ORG/MODEL`."""
    revision: str = ""
    """Of `hub`: a commit."""
    files: tuple[str, ...] = ()
    """Of `hub`: patterns; empty: all."""
    read_only: bool = False
    copy: bool = False
    """They become a layer of the image, in place of a mount."""

    @property
    def fetched(self) -> bool:
        """Whether the lock names its bytes, and a server has them."""
        return bool(self.url or self.hub)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a container of this target is run. None means: the host's default."""

    mounts: tuple[MountRule, ...] = ()
    shm_size: int | None = None
    """Bytes of /dev/shm."""
    memory: int | None = None
    """Bytes."""
    cpus: float | None = None
    """CPUs' worth of time."""
    pids: int | None = None
    network: Network = Network.HOST
    env: tuple[tuple[str, str], ...] = ()
    """Set at run time only, never in the image."""
    pass_env: tuple[str, ...] = ()
    """Names taken from the caller's environment at run time."""
    engine: str = ""
    """What runs it, unless the caller says; empty: shipway's own."""
    ports: tuple[str, ...] = ()
    """Ports that the host shows, in the words of `--publish`, as the following are in those of their options."""
    ulimits: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    cpuset: str = ""
    cpu_shares: int | None = None
    memory_swap: int | None = None
    """Bytes of memory and swap together; -1: no limit of swap."""
    user: str = ""
    ipc: str = ""
    restart: str = ""
    cache: bool = True
    """The caller's cache is mounted."""
    display: bool = False
    """The caller's screen is there, where there is one."""
    secrets: tuple[str, ...] = ()
    """`NAME`, `NAME?` or `file:SOURCE:TARGET`."""

    @property
    def secret_variables(self) -> tuple[str, ...]:
        """Those of `secrets` that are variables, as they are written."""
        return tuple(word for word in self.secrets if ":" not in word)

    @property
    def secret_files(self) -> tuple[MountRule, ...]:
        """Those of `secrets` that are files."""
        words = (word.split(":") for word in self.secrets if ":" in word)
        return tuple(MountRule(source=source, target=target, read_only=True) for _, source, target in words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One complete variant of the environment."""

    name: str
    base: Base
    python: str = ""
    """`3.11`, `3.12.4`; empty: the base's own when Python packages are asked for, else none."""
    apt: tuple[Wish, ...] = ()
    recommends: bool = False
    """Install what Debian packages recommend."""
    pip: tuple[Wish, ...] = ()
    """PEP 508 requirements, from the spec and from requirements files."""
    constraints: tuple[Wish, ...] = ()
    projects: tuple[LocalProject, ...] = ()
    bytecode: bool = False
    """Put unchecked-hash `.pyc` files beside the sources."""
    system_site_packages: bool = False
    """Let the environment see the base's own Python packages."""
    slim: tuple[str, ...] = ()
    """Kinds of files that packages leave out (`core.waste`), sorted."""
    env: tuple[tuple[str, str], ...] = ()
    """Sorted by name."""
    labels: tuple[tuple[str, str], ...] = ()
    """Of the image, sorted by name."""
    workdir: str = "/work"
    """Where the project is inside; absolute."""
    command: tuple[str, ...] = ()
    files: FileRules = FileRules()
    build: tuple[BuildCommand, ...] = ()
    data: tuple[DataSource, ...] = ()
    """Sorted by name."""
    run: RunOptions = RunOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What the user wants."""

    name: str
    file: str = field(compare=False)
    """The file it was read from, relative to the project; empty when inferred."""
    platforms: tuple[str, ...] = ()
    """`linux/amd64`, `linux/arm64`; empty: what the lock has, else the host's."""
    targets: tuple[Target, ...]
    default_target: str
    indexes: tuple[IndexSource, ...] = ()
    layer_budget: int = 64
    epoch: int | None = None
    """SOURCE_DATE_EPOCH for the image; None: the newest locked input's."""
    vendor: str = ""
    """Where collected artifacts are, relative to the spec; decides nothing that the lock holds."""
    push_allow: tuple[str, ...] | None = None
    """Prefixes (`registry/path`) that images may be pushed to; None: any."""
    push_attach: tuple[str, ...] = ()
    """What a push attaches to the image: `sbom`, `provenance`."""

    def target(self, name: str = "") -> Target:
        """The target called `name`, or the default one.

        Raises:
            KeyError: there is none of that name.
        """
        wanted = name or self.default_target
        for target in self.targets:
            if target.name == wanted:
                return target
        raise KeyError(wanted)
