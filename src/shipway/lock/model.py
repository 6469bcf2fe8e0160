"""The lock as values. Locations are relative to a named archive or index; no address of any host is ever in here."""

from __future__ import annotations

from dataclasses import dataclass, field

from shipway.core.digest import BlobDigest, DiffId, Digest, TreeKey

FORMAT = 1
"""The version of the lock file this code writes. A reader refuses a higher one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipes:
    """Versions of everything that decides bytes; digests are stable while these are."""

    deb: int = 1
    system: int = 1
    wheel: int = 1
    venv: int = 1
    files: int = 1
    planner: int = 1
    writer: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLock:
    """One suite of one OS archive at one moment."""

    alias: str
    """`debian`, `debian-security`; the host says which mirror that is."""
    distribution: str
    suite: str
    components: tuple[str, ...]
    date: str
    """The `Date` of its InRelease, `YYYY-MM-DDTHH:MM:SSZ`."""
    release: BlobDigest
    """Digest of the InRelease file."""
    signers: tuple[str, ...]
    """Fingerprints of the certificates whose signatures verified, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexLock:
    """One Python index or find-links folder, by alias."""

    alias: str
    """`default` is the host's default index."""
    folder: str = ""
    """Relative to the project, for find-links that the spec names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deb:
    """One binary package."""

    name: str
    version: str
    architecture: str
    sha256: BlobDigest
    size: int
    path: str
    """Below the archive's root: `pool/main/…`."""
    archive: str
    """Alias."""
    source: str
    """Source package."""
    essential: bool = False
    depends: tuple[str, ...] = ()
    """Names of the locked packages that satisfy its Depends and Pre-Depends."""

    @property
    def id(self) -> str:
        """How targets name it."""
        return f"{self.name}={self.version}:{self.architecture}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """One wheel, downloaded or built here."""

    name: str
    """Normalised (PEP 503)."""
    version: str
    filename: str
    sha256: BlobDigest
    size: int
    index: str = ""
    """Alias of its index; empty for a wheel that was built (`source`)."""
    source: str = ""
    """`id` of the Source it was built from."""
    depends: tuple[str, ...] = ()
    """Names of locked packages it requires on any target."""

    @property
    def id(self) -> str:
        """How targets name it: the file name, for its tags tell builds of one version apart."""
        return self.filename


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a wheel is built from in the sandbox: an sdist, a git commit, or a folder of the project."""

    kind: str
    """`sdist`, `git`, `local`."""
    name: str
    version: str
    sha256: BlobDigest
    """Of the sdist; of the canonical tree of files for `git` and `local`."""
    filename: str = ""
    size: int = 0
    index: str = ""
    url: str = ""
    """`git`: the user's own repository address, without credentials."""
    commit: str = ""
    path: str = ""
    """`local`: relative to the project. `git`: subdirectory."""
    build_requires: tuple[str, ...] = ()
    """Ids of the wheels that its build environment holds."""

    @property
    def id(self) -> str:
        """How wheels name it."""
        return f"{self.kind}:{self.name}={self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonLock:
    """The interpreter of one target."""

    version: str
    """`3.11`: what wheels are chosen for."""
    executable: str
    """Absolute path inside."""
    origin: str = "base"
    """`base`: a Debian package; `standalone`: the archive `filename`."""
    filename: str = ""
    sha256: BlobDigest | None = None
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseLayer:
    """One layer of a base image, as it came."""

    diff_id: DiffId
    sha256: BlobDigest
    """Of the bytes as they came."""
    size: int
    media_type: str
    unpacked: int
    """Bytes of the uncompressed tar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """An image of others that a target stands on, on one platform."""

    name: str
    """As the spec says it, with its transport."""
    platform: str
    manifest: Digest
    """As it came; for an archive without manifests, of the canonical one."""
    config: Digest
    layers: tuple[BaseLayer, ...]
    """Bottom first."""
    env: tuple[tuple[str, str], ...] = ()
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    distribution: str = ""
    """`debian`; empty where the image does not say. So for all below."""
    suite: str = ""
    libc: str = ""
    """`glibc 2.36`."""
    cuda: str = ""
    cudnn: str = ""
    usrmerge: bool = False
    """`/bin` and its like are links into `/usr`."""

    @property
    def id(self) -> str:
        """How targets name it."""
        return self.manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """One file of data or weights that a server has."""

    source: str
    """The user's own address of it, or `hf:ORG/MODEL@COMMIT`."""
    path: str
    """Relative to the source; of an address the file's name."""
    sha256: BlobDigest
    size: int = 0
    """0: not known."""

    @property
    def id(self) -> str:
        """What it is called in messages."""
        return f"{self.source} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataUse:
    """Data of one target, as the spec says it."""

    name: str
    target: str
    source: str = ""
    """Of the files; empty for a folder that is copied."""
    unpack: bool = False
    copy: bool = False
    """A layer of the image."""
    files: tuple[str, ...] = ()
    """Patterns of paths; empty: all."""
    folder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCommandLock:
    """The escape hatch, as the spec says it."""

    argv: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    network: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerLock:
    """One planned layer: its place is kept when the lock is made anew."""

    name: str
    members: tuple[str, ...]
    """Ids of debs or wheels, or one of `system`, `venv`, `commands`, `files`."""
    reason: str = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLock:
    """Everything of one target on one platform."""

    name: str
    platform: str
    base: str
    """`debian:bookworm`."""
    image: str = ""
    """`id` of the base image; empty where the OS packages are the whole system."""
    requested: tuple[str, ...] = ()
    """What the spec asked for, as `apt:git` and `pip:jax==0.4.30`, each followed by ` < ` and its origin; for `why`."""
    debs: tuple[str, ...] = ()
    wheels: tuple[str, ...] = ()
    python: PythonLock | None = None
    bytecode: bool = False
    system_site_packages: bool = False
    slim: tuple[str, ...] = ()
    """Kinds of files that packages leave out (`core.waste`), sorted."""
    env: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    workdir: str = "/work"
    command: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    build: tuple[BuildCommandLock, ...] = ()
    data: tuple[DataUse, ...] = ()
    layers: tuple[LayerLock, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Everything that was chosen."""

    name: str
    inputs: TreeKey
    """Deep checksum: the key of every word of the spec, every requirement and every local project's metadata read."""
    epoch: int
    """Seconds since 1970 for every time that the image states."""
    recipes: Recipes = Recipes()
    layer_budget: int = 64
    archives: tuple[ArchiveLock, ...] = ()
    indexes: tuple[IndexLock, ...] = ()
    bases: tuple[BaseImage, ...] = ()
    debs: tuple[Deb, ...] = ()
    wheels: tuple[Wheel, ...] = ()
    sources: tuple[Source, ...] = ()
    data: tuple[DataFile, ...] = ()
    conda: tuple[()] = ()
    """Place for conda packages."""
    git: tuple[()] = ()
    """Place for git trees that are data, not Python projects."""
    targets: tuple[TargetLock, ...] = ()

    def target(self, name: str, platform: str) -> TargetLock:
        """The locked target.

        Raises:
            KeyError: the lock has no such target on that platform.
        """
        for target in self.targets:
            if target.name == name and target.platform == platform:
                return target
        raise KeyError(f"{name} on {platform}")

    def base_of(self, target: TargetLock) -> BaseImage | None:
        """The image that `target` stands on; None where the OS packages are the whole system.

        Raises:
            KeyError: the lock does not have it.
        """
        if not target.image:
            return None
        for base in self.bases:
            if base.id == target.image and base.platform == target.platform:
                return base
        raise KeyError(f"{target.image} on {target.platform}")
