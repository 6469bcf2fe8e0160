"""Where packages come from on this host, as verbs ask for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipway.core.errors import ToolError
from shipway.host import dirs
from shipway.host.mirrors import Mirrors, read_mirrors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipway.host.location import Location
    from shipway.host.registries import RegistrySettings

_SYSTEM_CONFIG = "/etc/shipway/mirrors.toml"
_SYSTEM_REGISTRIES = "/etc/shipway/registries.toml"


def read_host_mirrors() -> Mirrors:
    """The OS archives that this host knows.

    Raises:
        SpecError: a `mirrors.toml` is wrong.
    """
    files = (os.path.join(dirs.config_dir(), "mirrors.toml"), _SYSTEM_CONFIG)
    return read_mirrors(os.environ, config_files=files)


def read_host_indexes() -> Mapping[str, tuple[Location, ...]]:
    """The Python indexes that this host knows, by alias, the default one first.

    Raises:
        ToolError: the host's configuration is wrong.
    """
    from shipway.host.indexes import DEFAULT, read_indexes

    table = read_indexes(os.environ)
    return {alias: table.require(alias).locations for alias in (DEFAULT, *table.named)}


def read_host_registries(*, offline: bool = False) -> RegistrySettings:
    """The image registries that this host knows.

    Raises:
        SpecError: a `registries.toml` or `registries.conf` is wrong.
    """
    from shipway.host.registries import read_registry_settings

    files = (os.path.join(dirs.config_dir(), "registries.toml"), _SYSTEM_REGISTRIES)
    return read_registry_settings(os.environ, config_files=files, offline=offline)


def reach(place: Location) -> str:
    """Ask for `place` once; empty text when anything answers, else why not."""
    from shipway.host.http import Fetcher, NotOffered
    from shipway.host.http_transport import Limits

    fetcher = Fetcher(limits=Limits(rounds=1, connect=5.0, silence=10.0, headers=10.0))
    try:
        fetcher.get(place, accept="text/html, */*")
    except NotOffered:
        return ""  # it answers, and has no listing
    except ToolError as error:
        return error.message.strip().splitlines()[-1].strip()
    finally:
        fetcher.close()
    return ""
