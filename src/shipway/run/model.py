"""The values of a run. Named tuples, because a warm start cannot afford `dataclasses`.

Annotations are evaluated here: as texts (`from __future__ import annotations`), each of a named tuple is compiled at
every start.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple


class Network(StrEnum):
    """What a container sees of the network."""

    HOST = "host"
    NONE = "none"
    BRIDGE = "bridge"
    """A network of its own, with a way out and mapped ports."""


class Top(StrEnum):
    """What becomes of what a container writes outside its mounts."""

    THROWN_AWAY = "thrown-away"
    KEPT = "kept"
    READ_ONLY = "read-only"
    """Nothing can be written there at all."""


class Mount(NamedTuple):
    """A host path seen inside."""

    source: str
    """Absolute, on the host."""
    target: str
    """Absolute, inside, normal (no `.`, `..`, trailing `/`)."""
    read_only: bool = False
    owned: bool = False
    """`source` is a folder of ours, so a missing mount point may be made in it."""


class Port(NamedTuple):
    """A port of the container that the host shows."""

    container: int
    host: int = 0
    """0: any free one."""
    address: str = "127.0.0.1"
    """Of the host."""
    protocol: str = "tcp"


class Ulimit(NamedTuple):
    """A limit of each process (getrlimit(2)); -1: unlimited."""

    name: str
    """As Docker writes it: `memlock`, `nofile`."""
    soft: int
    hard: int


class TmpfsMount(NamedTuple):
    """A file system in memory."""

    target: str
    """Absolute, inside."""
    size: int | None = None
    """Bytes; None: half of the memory."""
    mode: int = 0o1777


class RestartKind(StrEnum):
    """When a container is started again by itself."""

    NO = "no"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"
    UNLESS_STOPPED = "unless-stopped"


class Restart(NamedTuple):
    """A restart policy."""

    kind: RestartKind = RestartKind.NO
    most: int = 0
    """Of `on-failure`: how often; 0: always."""


class LogOptions(NamedTuple):
    """How the output of a container that lives on is kept."""

    driver: str = ""
    """As Docker names them; empty: files of ours, or what the engine prefers."""
    max_size: int | None = None
    """Bytes of one file."""
    max_files: int | None = None
    mode: str = ""
    """`blocking` or `non-blocking`."""
    buffer: int | None = None
    """Bytes that wait in mode `non-blocking`, before more is dropped."""
    others: tuple[tuple[str, str], ...] = ()
    """Options that only the engine knows."""


class LifeOptions(NamedTuple):
    """How long a container lives, and where it is found."""

    name: str = ""
    """Empty and not detached: it ends with the command that started it."""
    detach: bool = False
    interactive: bool = False
    """Standard input stays open."""
    rm: bool = False
    """Removed at its end."""
    restart: Restart = Restart()
    log: LogOptions = LogOptions()


class Limits(NamedTuple):
    """What a container may use. None: no limit."""

    memory: int | None = None
    """Bytes."""
    cpus: float | None = None
    """CPUs' worth of time."""
    pids: int | None = None
    cpuset: str = ""
    """CPUs that it may run on, `0-3,8`; empty: all."""
    cpu_shares: int | None = None
    """Its weight beside others, 1024 being usual (cgroup v1's `cpu.shares`)."""
    memory_swap: int | None = None
    """Bytes of memory and swap together; -1: no limit of swap; None: as much as `memory`, so no swap."""

    @property
    def asked(self) -> bool:
        """Whether there is any limit."""
        return any(limit not in (None, "") for limit in self)


class RunOptions(NamedTuple):
    """How containers of one environment are run; an `Invocation` overrides it."""

    mounts: tuple[Mount, ...] = ()
    shm_size: int | None = None
    """Bytes; None: half of the memory that the container may use."""
    limits: Limits = Limits()
    network: Network = Network.HOST
    env: tuple[tuple[str, str], ...] = ()
    pass_env: tuple[str, ...] = ()
    engine: str = ""
    """What runs them, unless the caller says; empty: ours."""
    ports: tuple[Port, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    tmpfs: tuple[TmpfsMount, ...] = ()
    user: str = ""
    """As `--user` writes it; empty: the caller."""
    ipc_space: str = ""
    """See `Invocation.ipc_space`."""
    restart: Restart = Restart()
    """Of containers that live on, unless the caller says."""
    cache: bool = True
    """The caller's cache is there."""
    secrets: tuple[str, ...] = ()
    """Names of variables taken from the caller that nobody else may see; with `?` at the end where they may be missing."""
    display: bool = False
    """The caller's screen is there, where there is one."""


class ImageFacts(NamedTuple):
    """What the trees hold that a run has to know. Found once per environment by `facts.read_image_facts`."""

    passwd: str = ""
    """Text of /etc/passwd."""
    group: str = ""
    shells: tuple[str, ...] = ()
    """Paths of the shells that are there, by name: `/usr/bin/bash`."""
    certificates: bool = False
    """Has a bundle of its own."""
    zoneinfo: bool = False
    """Has the time zone database."""
    locales: bool = False
    """Has locales besides C.UTF-8."""
    skeleton: str = ""
    """Host folder of /etc/skel, or empty."""
    foreign: bool = False
    """Some trees belong to another user (a shared store), so their folders are not the caller's to write in."""


class ImageIds(NamedTuple):
    """The digests by which an engine knows an image."""

    config: str
    manifest: str
    """Over uncompressed layers."""


class Environment(NamedTuple):
    """An image made runnable on this host; the same for every run until its lock changes."""

    project: str
    """The project's folder, absolute."""
    name: str
    target: str
    lowers: tuple[str, ...]
    """Tree roots, the top one first."""
    keys: tuple[str, ...]
    """The store's keys of `lowers`, which a run holds against collection."""
    env: tuple[tuple[str, str], ...]
    """The image's environment."""
    workdir: str
    """Where the project is inside."""
    command: tuple[str, ...] = ()
    options: RunOptions = RunOptions()
    facts: ImageFacts = ImageFacts()
    bytecode: bool = False
    """The trees hold compiled modules beside their sources, so none have to be kept between runs."""
    image: ImageIds | None = None
    """Of the image of the same trees; None while no engine has asked for it."""
    editable: tuple[tuple[str, str], ...] = ()
    """Files by which local projects are imported from their own folders: paths below the root with texts."""


class Invocation(NamedTuple):
    """What one command line asked for, with every path made absolute."""

    argv: tuple[str, ...] = ()
    """Empty: the environment's command, else a shell."""
    shell: bool = False
    """Start an interactive shell instead."""
    env: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Mount, ...] = ()
    workdir: str = ""
    """Absolute, or relative to the project's place inside."""
    hostname: str = ""
    network: Network | None = None
    shm_size: int | None = None
    limits: Limits = Limits()
    read_only: bool = False
    keep: str = ""
    """Name under which the writable top lives on."""
    tty: bool = False
    ports: tuple[Port, ...] = ()
    beside: str = ""
    """The container whose network it shares; empty: its own."""
    pid_space: str = ""
    """Whose processes it sees: empty: its own; `host`; `container:NAME`."""
    ipc_space: str = ""
    """The same of shared memory, `/dev/shm` included, and message queues."""
    user: str = ""
    """As `--user` writes it; empty: the caller."""
    groups: tuple[str, ...] = ()
    """More groups, by name or number."""
    entrypoint: str | None = None
    """What is put before `argv` in place of the image's own."""
    ulimits: tuple[Ulimit, ...] = ()
    tmpfs: tuple[TmpfsMount, ...] = ()
    gpus: str = ""
    """As Docker's `--gpus` writes it."""
    built: bool = False
    """Local projects are imported as they were built, whatever has changed since."""
    secrets: tuple[str, ...] = ()
    """See `RunOptions.secrets`."""
    display: bool = False
    """The caller's screen is there."""


class Account(NamedTuple):
    """Who runs inside: the caller."""

    uid: int
    gid: int
    name: str
    group: str
    home: str
    """Inside."""
    shell: str
    """Inside."""


class HostFacts(NamedTuple):
    """What a run takes over from this host. Read by `facts.read_host_facts`."""

    uid: int
    gid: int
    user: str
    group: str
    shell: str = ""
    """The caller's login shell on the host."""
    environ: tuple[tuple[str, str], ...] = ()
    """The caller's environment."""
    memory: int = 0
    """Bytes of physical memory."""
    resolv_conf: str = ""
    hosts: str = ""
    localtime: bytes = b""
    """The host's time zone as a compiled file."""
    timezone: str = ""
    """Its name, `Europe/Berlin`, or empty."""
    own_certificates: str = ""
    """Bundle that the caller's settings name, or empty."""
    certificates: str = ""
    """The system's bundle, or empty."""
    groups: tuple[tuple[str, int], ...] = ()
    """This host's groups, by name; read only where somebody asks for one."""
    caches: tuple[tuple[str, str], ...] = ()
    """Folders that the caller's variables name as caches, by variable; see `caches.HOST_VARIABLES`."""


class HostFile(NamedTuple):
    """A file laid over the environment for one run."""

    path: str
    """Relative to the root inside."""
    data: bytes
    mode: int = 0o644


class RunRequest(NamedTuple):
    """One container, decided to the last detail. Equal requests behave alike."""

    project: str
    name: str
    target: str
    lowers: tuple[str, ...]
    files: tuple[HostFile, ...]
    """Laid over the lowers."""
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    """Sorted by name."""
    cwd: str
    account: Account
    mounts: tuple[Mount, ...]
    """Parents before children; the home volume and the project among them."""
    hostname: str
    network: Network
    shm_size: int
    limits: Limits
    top: Top
    keep: str
    tty: bool
    skeleton: str
    foreign: bool = False
    """See `ImageFacts.foreign`."""
    notes: tuple[str, ...] = ()
    """What the caller should be told, once."""
    image: ImageIds | None = None
    """See `Environment.image`."""
    shm_asked: bool = False
    """Somebody asked for `shm_size`; else it is what is usual."""
    merged_root: str = ""
    """A private tree of all lowers, for hosts where they cannot be mounted."""
    ports: tuple[Port, ...] = ()
    beside: str = ""
    """See `Invocation`, and so the following."""
    pid_space: str = ""
    ipc_space: str = ""
    user: str = ""
    """As it was asked for; empty when `account` is the caller."""
    groups: tuple[int, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    tmpfs: tuple[TmpfsMount, ...] = ()
    """Parents before children."""
    gpus: str = ""
    secrets: tuple[str, ...] = ()
    """Names of those of `env` that nobody but the command may see."""
    display: str = ""
    """The caller's screen that it may use, in words."""


class Outcome(NamedTuple):
    """How a container ended."""

    code: int
    """What `shipway` exits with: the child's own code, or 128 + the signal that ended it."""
    isolation: str = "namespaces"
    bus_error: str = ""
    """By what one was noticed, a `bus_error.Sign`; mostly empty."""


Merge = Callable[[Sequence[str], str], None]
"""Fills the empty directory (second) with what the lowers (first, top one first) are when stacked; the caller owns all of it."""
