"""Small rules about words that several readers share: paths, addresses, names."""

from __future__ import annotations

import posixpath
import re

_CREDENTIALS = re.compile(r"([a-z0-9+.-]{1,20}://)([^/@\s]+)@", re.IGNORECASE)
_GIT_USER = re.compile(r"(?:git\+)?ssh://git@", re.IGNORECASE)
_WHEEL = re.compile(
    r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>[A-Za-z0-9_.!+]+)(?:-\d\w*)?-[^-]+-[^-]+-[^-]+\.whl\Z", re.ASCII
)
_SDIST = re.compile(
    r"(?P<name>[A-Za-z0-9_.-]+?)-(?P<version>\d[A-Za-z0-9_.!+]*)\.(?:tar\.gz|zip|tgz|tar\.bz2)\Z", re.ASCII
)

MISNAMED = {
    "HF_CACHE": "HF_HOME",
    "HUGGINGFACE_HOME": "HF_HOME",
    "HUGGING_FACE_HOME": "HF_HOME",
    "JAX_CACHE_DIR": "JAX_COMPILATION_CACHE_DIR",
    "KERAS_CACHE_DIR": "KERAS_HOME",
    "NUMBA_CACHE": "NUMBA_CACHE_DIR",
    "PIP_CACHE": "PIP_CACHE_DIR",
    "PYTORCH_HOME": "TORCH_HOME",
    "TFDS_DATA": "TFDS_DATA_DIR",
    "TORCH_CACHE": "TORCH_HOME",
    "UV_CACHE": "UV_CACHE_DIR",
    "XDG_CACHE_DIR": "XDG_CACHE_HOME",
}
"""Names of cache variables that people write, and the name that programs read."""


def find_inside(path: str, folder: str = "") -> str | None:
    """`path`, relative to `folder` of the project, as a clean path relative to the project; None if it leaves it."""
    if not path or path.startswith(("/", "~")) or "\\" in path or not path.isprintable():
        return None
    clean = posixpath.normpath(posixpath.join(folder, path))
    return None if clean == ".." or clean.startswith("../") else clean


def holds_credentials(url: str) -> bool:
    """Whether `url` has a user or password in it. The `git` user of ssh is no secret and part of the address."""
    return bool(_CREDENTIALS.search(url)) and not _GIT_USER.match(url)


def without_credentials(url: str) -> str:
    """`url` fit to be shown."""
    return _CREDENTIALS.sub(r"\1…@", url)


def find_name_and_version(file_name: str) -> tuple[str, str] | None:
    """Name and version that the file name of a wheel or sdist says."""
    match = _WHEEL.match(file_name) or _SDIST.match(file_name)
    return (match["name"], match["version"]) if match else None


def alias_of(url: str) -> str:
    """A short name for an index whose address somebody wrote without one: host and path in letters, digits and `-`."""
    bare = re.sub(r"^[a-z0-9+.-]+://(?:[^/@]*@)?", "", url.lower())
    words = re.sub(r"[^a-z0-9]+", "-", bare).strip("-")
    return re.sub(r"-simple$", "", words)[:60].strip("-") or "index"


def clean_name(words: str) -> str:
    """A project name made from any words, such as a folder's name; `project` when nothing of them can stay."""
    clean = re.sub(r"[^a-z0-9._-]+", "-", words.lower())[:63].strip("-._")
    return clean or "project"
