"""What a base image of others holds, as far as choosing packages for it needs to know. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPython:
    """One interpreter of the base."""

    version: str
    """`3.11.4`, or `3.11` where no file tells the rest."""
    executable: str
    """Absolute path inside: `/usr/local/bin/python3.11`."""
    home: str = ""
    """For a virtual environment: the interpreter it was made from, on which another one can stand; empty for an interpreter."""
    packages: tuple[tuple[str, str], ...] = ()
    """Normalised name (PEP 503) and version of each distribution that it imports from, sorted."""

    @property
    def minor(self) -> str:
        """`3.11`."""
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseFacts:
    """What was read from the files and the configuration of one base image."""

    distribution: str = ""
    """`ID` of os-release(5): `debian`; empty for an image without one."""
    suite: str = ""
    """`VERSION_CODENAME`: `bookworm`."""
    release: str = ""
    """`VERSION_ID`: `12`."""
    libc: str = ""
    """`glibc` or `musl`; empty for neither."""
    libc_version: str = ""
    """`2.36`; empty where no file tells it."""
    debs: tuple[tuple[str, str, str], ...] = ()
    """Name, version and architecture of each installed Debian package, sorted."""
    pythons: tuple[FoundPython, ...] = ()
    """The one that `python3` means by the image's PATH first."""
    cuda: str = ""
    """Version of the CUDA toolkit or runtime outside of Python packages: `12.4.1`."""
    cudnn: str = ""
    """Version of cuDNN outside of Python packages: `8.9.2`."""
    on_search_path: tuple[str, ...] = ()
    """Absolute paths of the CUDA libraries that the image's LD_LIBRARY_PATH shows to every program, sorted."""
    origins: tuple[tuple[str, str], ...] = field(compare=False, default=())
    """Where `libc`, `cuda` and `cudnn` were read: field and a path or package; for messages."""

    def origin(self, name: str) -> str:
        """Where the field `name` was read; empty where it was not."""
        return dict(self.origins).get(name, "")
