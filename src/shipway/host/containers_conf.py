"""`registries.conf` of Podman, Skopeo and Buildah (containers-registries.conf(5)), as far as it concerns whole registries.

Prefixes below a registry, short-name aliases and `blocked` are read by those tools only.
"""

from __future__ import annotations

import glob
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shipway.core.errors import SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainersRegistry:
    """One `[[registry]]` table."""

    location: str
    """`host[:port]`, with a path perhaps; empty: the prefix itself."""
    insecure: bool
    mirrors: tuple[tuple[str, bool], ...]
    """Location and whether it is insecure."""


def read_containers_registries(
    environ: Mapping[str, str], root: str = "/"
) -> tuple[str, dict[str, ContainersRegistry]]:
    """The first registry that names without one are looked for in, and the registries that something is said about.

    Raises:
        SpecError: a file is not TOML.
    """
    default, found = "", {}
    for path in _files(environ, root):
        document = _read(path)
        names = document.get("unqualified-search-registries")
        if isinstance(names, list) and names and isinstance(names[0], str):
            default = names[0]
        tables = document.get("registry")
        for table in tables if isinstance(tables, list) else ():
            prefix = table.get("prefix") or table.get("location") if isinstance(table, dict) else None
            if isinstance(prefix, str) and "/" not in prefix and "*" not in prefix:
                found[prefix] = _registry(table, prefix)
    return default, found


def _files(environ: Mapping[str, str], root: str) -> Iterator[str]:
    """Less important ones first."""
    named = environ.get("CONTAINERS_REGISTRIES_CONF")
    if named:
        yield named
        return
    config = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME", ""), ".config")
    for folder in (os.path.join(root, "etc/containers"), os.path.join(config, "containers")):
        yield os.path.join(folder, "registries.conf")
        yield from sorted(glob.glob(os.path.join(glob.escape(folder), "registries.conf.d", "*.conf")))


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except (OSError, ValueError) as error:
        raise SpecError(f"`{path}` cannot be read: {error}", hints=["correct it"]) from error


def _registry(table: dict[str, Any], prefix: str) -> ContainersRegistry:
    location = table.get("location")
    mirrors = table.get("mirror")
    return ContainersRegistry(
        location=location if isinstance(location, str) and location != prefix else "",
        insecure=table.get("insecure") is True,
        mirrors=tuple(
            (mirror["location"], mirror.get("insecure") is True)
            for mirror in (mirrors if isinstance(mirrors, list) else ())
            if isinstance(mirror, dict) and isinstance(mirror.get("location"), str)
        ),
    )
