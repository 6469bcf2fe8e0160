"""What a base image of others holds, as far as choosing packages for it needs to know. Values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPython:
    """One interpreter of the base."""

    version: str
    """`3.11.4`, or `3.11` where no file tells the rest."""
    executable: str
    """Absolute path inside: `/usr/local/bin/python3.11`."""
    packages: tuple[tuple[str, str], ...] = ()
    """Normalised name (PEP 503) and version of each distribution that it imports from, sorted."""


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
    """`2.36`."""
    debs: tuple[tuple[str, str, str], ...] = ()
    """Name, version and architecture of each installed Debian package, sorted."""
    pythons: tuple[FoundPython, ...] = ()
    """The one that `python3` means by the image's PATH first."""
    cuda: str = ""
    """Version of the CUDA toolkit or runtime outside of Python packages: `12.4.1`."""
    cudnn: str = ""
    """Version of cuDNN outside of Python packages: `8.9.2`."""
